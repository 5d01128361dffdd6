"""Studies reproduced into a folder: gone on with, never mixed, and honest about what was left out or stood in."""

import pytest
from refusals import refuses

from deltarule.array_files import load_arrays
from deltarule.json_files import read_json, to_jsonable, write_json
from deltarule.recipes import load_recipe
from deltarule.reports.claim_verdicts import VERDICTS
from deltarule.studies import reproduce_studies
from deltarule.studies.claims import claims_of_study
from deltarule.studies.reproduce_studies import reproduce

RECIPE = """
[data]
name = "xor"
[network]
layers = [2, 3, 1]
output = "sigmoid"
[stopping]
max_steps = 40
[run]
seeds = [3, 4, 5, 6, 7, 8, 9, 10, 11, 12]
"""


@pytest.fixture
def recipes(tmp_path):
    """Two recipes that are trained in no time."""
    paths = [tmp_path / "first.toml", tmp_path / "second.toml"]
    for path in paths:
        path.write_text(RECIPE, encoding="utf-8")
    return [str(path) for path in paths]


def without_times(folder):
    runs = [read_json(folder / study / "run.json") for study in ("first", "second")]
    return [{name: value for name, value in run.items() if name not in ("seconds", "out")} for run in runs]


def test_interrupted_reproduction_resumes(recipes, tmp_path):
    def stop(what, seen):
        if what == "second":
            raise KeyboardInterrupt

    interrupted, unbroken = tmp_path / "interrupted", tmp_path / "unbroken"
    with pytest.raises(KeyboardInterrupt):
        reproduce(recipes, out=interrupted, progress=stop)
    assert read_json(interrupted / "reproduce.json")["missing"] == ["second"]
    trained, told = [], []
    done = reproduce(recipes, out=interrupted, tell=told.append, progress=lambda what, seen: trained.append(what))
    assert set(trained) == {"second"} and tuple(told) == done.studies and done.missing == ()
    assert read_json(interrupted / "reproduce.json") == to_jsonable(done)
    assert (interrupted / "report.html").is_file() and done.report == str(interrupted / "report.html")
    reproduce(recipes, out=unbroken)
    assert without_times(interrupted) == without_times(unbroken)


def test_quick_uses_a_fifth_of_the_seeds(recipes, tmp_path):
    done = reproduce(recipes[:1], quick=True, out=tmp_path / "out")
    arrays, _ = load_arrays(tmp_path / "out" / "first" / "arrays.safetensors")
    assert arrays["seeds"].tolist() == [3, 4] and done.studies[0].networks == 2
    assert done.left_out == ("first: run with 2 networks in place of 10",)
    whole = reproduce(recipes[:1])
    assert whole.left_out == () and whole.studies[0].networks == 10 and whole.out is whole.report is None


def test_reproduce_study_without_claims(recipes, tmp_path):
    for _ in range(2):  # the second time what is there is read
        [study] = reproduce(recipes[:1], out=tmp_path / "out").studies
        run = read_json(tmp_path / "out" / "first" / "run.json")
        assert study.seeds is None and study.seconds == run["seconds"] > 0 and study.engine == run["engine"]
    assert "Claims of" not in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")


def test_quick_omits_long_claims(monkeypatch, tmp_path):
    claims = claims_of_study(load_recipe("encoder-relu"))
    short = next(claim for claim in claims if claim.needed == 0.5)
    others = [claim for claim in claims if claim is not short]
    monkeypatch.setattr(reproduce_studies, "claims_of_study", lambda _: claims)
    monkeypatch.setattr(reproduce_studies, "LONG_STUDIES", ("encoder-relu",))
    monkeypatch.setattr(short, "any_data", True)
    done = reproduce(["encoder-relu"], quick=True, seeds=2, out=tmp_path)
    [study] = done.studies
    assert list(study.verdicts) == [short.id] and set(study.verdicts.values()) <= set(VERDICTS)
    assert study.left_out == tuple(one.id for one in others)
    assert done.left_out == (
        "encoder-relu: judged over 2 seeds in place of 300, run with 2 networks in place of 10, without the claims "
        f"that take minutes ({', '.join(study.left_out)})",
    )
    few = "a claim that needs 50 % of the seeds cannot be supported over 2, even if it holds for all; give 6 or more"
    assert study.notes == (few,) and few in (tmp_path / "report.html").read_text(encoding="utf-8")
    assert f"left out by --quick: {', '.join(study.left_out)}" in (tmp_path / "report.html").read_text(encoding="utf-8")
    with refuses(tmp_path, "--quick --seeds 2"):
        reproduce(["encoder-relu"], quick=True, seeds=3, out=tmp_path)


def test_unfinished_and_damaged_runs_are_repeated(recipes, tmp_path):
    reproduce(recipes, out=tmp_path / "out")
    before = without_times(tmp_path / "out")
    first, second = (tmp_path / "out" / study / "run.json" for study in ("first", "second"))
    write_json(first, {**read_json(first), "interrupted": True})
    write_json(second, [])
    reproduce(recipes, out=tmp_path / "out")
    assert without_times(tmp_path / "out") == before


@pytest.mark.usefixtures("offline")
def test_reproduce_without_data(tmp_path):
    done = reproduce(["mnist"], quick=True, out=tmp_path)
    [mnist] = done.studies
    assert mnist.data == "digits" and "get it with deltarule data fetch mnist" in mnist.notes[0]
    assert set(mnist.verdicts) == {one.id for one in claims_of_study(load_recipe("mnist"))} and not mnist.left_out
    assert set(mnist.verdicts.values()) == {"not testable here"}
    claims, run = (read_json(tmp_path / "mnist" / name) for name in ("claims.json", "run.json"))
    assert {one["remark"] for one in claims["claims"]} == {mnist.notes[0]} == set(claims["notes"])
    assert mnist.notes[0] in run["notes"] and run["data"] == "digits"
    assert "get it with deltarule data fetch mnist" in (tmp_path / "report.html").read_text(encoding="utf-8")
