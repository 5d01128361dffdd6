import json


def test_why_says_what_stands_out(deltarule):
    words = ("run", "encoder", "--seeds", 2, "--set", "optimizer.learning_rate=100", "--set", "stopping.max_steps=500")
    status, out, err = deltarule(*words, "--why")
    assert (status, err) == (0, "") and "1. rate_too_high: in 2 of 2 members" in " ".join(out.split())
    (found,) = json.loads(deltarule(*words, "--why", "--json")[1])["why"]["findings"]
    assert found["code"] == "rate_too_high" and sorted(found["members"]) == [0, 1]


def test_nothing_is_said_unasked(deltarule):
    assert json.loads(deltarule("run", "encoder", "--seeds", 1, "--json")[1])["why"] is None
