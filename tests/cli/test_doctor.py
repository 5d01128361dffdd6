import json


def test_doctor_shows_what_json_holds(deltarule):
    status, out, _ = deltarule("doctor")
    record = json.loads(deltarule("doctor", "--json")[1])
    flat = " ".join(out.split())
    assert status == 0 and {one["name"] for one in record["engines"]} == {"reference", "compiled", "autograd"}
    for told in (record["versions"]["numpy"], record["machine"]["processor"], "DELTARULE_DATA", "compiled programs"):
        assert told in flat
    assert all(name in flat for name in record["optional"])
