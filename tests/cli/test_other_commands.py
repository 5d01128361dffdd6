import json
import re

import pytest

from deltarule.json_files import read_json

CLAIMS = """
from deltarule.studies.claims import Control, Evidence, claim


@claim("own-1", says="the objective falls", report="yes", criterion="it ends below 10", needed=0.5)
def own_1(experiments):
    run = experiments.run({"stopping.max_epochs": 1})
    return Evidence(run.objective < 10, {"objective": run.objective})


@claim(
    "own-2",
    says="it rises",
    report="yes",
    criterion="it ends above 10",
    needed=0.5,
    controls=[Control("the learning rate", {"changes": {"optimizer.learning_rate": 100.0}})],
)
def own_2(experiments, changes={}):
    run = experiments.run({"stopping.max_epochs": 1, **changes})
    return Evidence(run.objective > 10)
"""

OWN = """
import sys

from deltarule.studies.claims import Control, Evidence, claim


def judge(experiments):
    print("judging")
    return JUDGED


DESCRIBED = {"says": "it falls", "report": "yes", "criterion": "it falls", "needed": 0.5}


@claim("own", **DESCRIBED, controls=[Control("nothing", {"is_control": True})])
def own(experiments, is_control=False):
"""


@pytest.mark.slow
def test_list_names_every_study(deltarule):
    status, out, _ = deltarule("list")
    listed = {one["study"] for one in json.loads(deltarule("list", "--json")[1])["studies"]}
    assert status == 0 and all(name in out for name in listed)
    assert {"encoder", "encoder-relu", "boundary-linear", "boundary-xor", "digits"} <= listed


def test_show_reports_every_key_and_every_assumption(deltarule):
    status, out, _ = deltarule("show", "encoder")
    told = json.loads(deltarule("show", "encoder", "--json")[1])
    flat = " ".join(out.split())
    assert status == 0 and told["assumptions"]
    assert all(" ".join(one["what"].split()) in flat for one in told["assumptions"])
    assert all(f"[{section}]" in out for section in told["keys"])


@pytest.mark.slow
def test_own_claims_are_judged_and_the_code_is_announced(deltarule, tmp_path):
    (tmp_path / "own.py").write_text(CLAIMS, encoding="utf-8")
    words = ("claims", "digits", "--claims", tmp_path / "own.py", "--seeds", 8, "--out", tmp_path / "out")
    status, out, err = deltarule(*words, "--json")
    record = json.loads(out)
    assert status == 0 and "own.py" in err
    assert record["study"] == "digits" and record["data"] == "digits" and record["seeds"] == 8
    first, second = record["claims"]
    assert {"id", "claim", "report", "readings", "verdict", "contradicts_itself"} <= first.keys()
    assert first["verdict"] == "agrees" and first["readings"][""]["count"] == 8 and first["controls"] == []
    assert second["verdict"] == "disagrees" and second["controls"][0]["cause"] == "the learning rate"
    assert second["controls"][0]["flipped"] is True and second["controls"][0]["control_only"] == 8
    assert read_json(tmp_path / "out" / "claims.json") == record
    own_2 = deltarule(*words, "--resume", "--only", "own-2")[1]
    assert "own-2  not supported" in own_2 and read_json(tmp_path / "out" / "claims.json")["claims"][0]["id"] == "own-1"
    status, out, err = deltarule(*words, "--only", "own-1,own-3")
    assert (status, out) == (2, "") and "there is no claim 'own-3' to judge with --only; there are: own-1, own-2" in err


@pytest.mark.parametrize(
    ("code", "named"),
    [
        ("x = 1", "defines no claims"),
        ("import nothing_such", "raised ModuleNotFoundError: No module named 'nothing_such' (own.py, line 1)"),
        ("import sys; sys.exit(0)", "raised SystemExit: 0 (own.py, line 1)"),
    ],
)
def test_claims_that_cannot_be_read_get_a_sentence(deltarule, tmp_path, code, named):
    (tmp_path / "own.py").write_text(code, encoding="utf-8")
    found, out, err = deltarule("claims", "digits", "--claims", tmp_path / "own.py")
    assert found == 2 and out == "" and named in err and err.count("\n") == 2


@pytest.mark.parametrize(
    ("judged", "named"),
    [
        ("1 / 0", "the claim 'own' raised ZeroDivisionError: division by zero (own.py, line 9)"),
        ("sys.exit(0)", "the claim 'own' raised SystemExit: 0 (own.py, line 9)"),
        ("experiments.run({'optimizer.rate': 1})", "optimizer.rate"),
        ("None", "the claim 'own' returns NoneType; return Evidence("),
        ("Evidence([True])", "gives bool of shape (1,) for 3 seeds; give a boolean for each seed"),
    ],
)
@pytest.mark.parametrize("is_control", [False, True])
def test_a_claim_that_cannot_be_judged_gets_a_sentence(deltarule, tmp_path, judged, named, is_control):
    passing = "    if not is_control:\n        return Evidence([False] * 3)\n" if is_control else ""
    code = OWN.replace("JUDGED", judged) + passing + "    return judge(experiments)\n"
    (tmp_path / "own.py").write_text(code, encoding="utf-8")
    status, out, err = deltarule("claims", "digits", "--claims", tmp_path / "own.py", "--seeds", 3, "--json")
    assert status == 2 and out == "" and named in err and "Traceback" not in err


@pytest.mark.slow
def test_check_proves_a_study(deltarule):
    status, out, _ = deltarule("check", "encoder", "--json")
    assert status == 0 and json.loads(out)["ok"] is True
    assert deltarule("check", "encoder")[0] == 0


@pytest.mark.slow
def test_lr_range_suggests_a_rate_and_draws_it(deltarule, tmp_path):
    words = ("lr-range", "digits", "--seeds", 2, "--steps", 60, "--out", tmp_path / "out")
    status, out, _ = deltarule(*words, "--json")
    record = json.loads(out)
    assert status == 0 and 1e-5 <= record["suggested"] <= 10
    assert len(record["rates"]) == len(record["objective"]) == 60
    assert (tmp_path / "out" / "lr_range.svg").exists() and (tmp_path / "out" / "lr_range.json").exists()
    assert re.search(r"Suggested learning rate: \S+ \(median of 2 of 2 members, from", deltarule(*words)[1])
    alone = deltarule("lr-range", "boundary-xor", "--seeds", 1, "--steps", 60)[1]
    assert re.match(r"Suggested learning rate: \S+\n", alone)


@pytest.mark.slow
def test_claims_resume_in_their_folder(deltarule, tmp_path):
    (tmp_path / "own.py").write_text(CLAIMS, encoding="utf-8")
    words = ("claims", "digits", "--claims", tmp_path / "own.py", "--seeds", 8, "--json")
    status, out, err = deltarule(*words, "--resume")
    assert (status, out) == (2, "") and "--resume continues what is in the folder of --out" in err
    first, second = (json.loads(deltarule(*words, "--out", tmp_path / "out", "--resume")[1]) for _ in range(2))
    for claim in (*first["claims"], *second["claims"]):
        assert claim.pop("seconds") >= 0
    assert first["claims"] == second["claims"]
