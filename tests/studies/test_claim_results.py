"""Claims judged into a folder: whole at every moment, gone on with, never mixed with those of other trainings."""

from contextlib import closing
from functools import partial

import numpy as np
import pytest

from deltarule.errors import BadInput
from deltarule.json_files import read_json, to_jsonable, write_json
from deltarule.studies.claim_results import claims_of_file, judge_study, too_few_seeds
from deltarule.studies.experiments import Experiments
from deltarule.studies.recipes import load_recipe, with_settings
from deltarule.studies.verdicts import Evidence, claim

ENCODER = with_settings(load_recipe("encoder"), {"stopping.max_steps": 20})
DESCRIBED = {"says": "it falls", "report": "down", "criterion": "it falls", "needed": 0.9}


@claim("one", **DESCRIBED)
def one(experiments):
    run = experiments.run()
    return Evidence("it fell", {"": run.objective < 100, "or not": run.objective > 100})


@one.control("nothing")
def _(experiments):
    return Evidence("still", {"": experiments.run().objective < 1e9})


@claim("two", **DESCRIBED)
def two(experiments):
    table = experiments.sweep("rates", {"optimizer.learning_rate": [1.0, 10.0]})
    return Evidence("it fell", {"": [row["train_objective"] < 100 for row in table.rows()]})


@claim("three", **DESCRIBED)
def three(experiments):
    return Evidence("no figure", {})


CLAIMS = (one, two, three)


def judged(folder, seeds=3, engine="auto", **given):
    with closing(Experiments(ENCODER, seeds=seeds, engine=engine, folder=folder)) as experiments:
        return judge_study(experiments, CLAIMS, **given)


def without_times(results):
    record = to_jsonable(results)
    return {name: value for name, value in record.items() if name not in ("seconds", "date")}


def test_the_file_holds_every_verdict_as_soon_as_it_is_there(tmp_path):
    seen = []

    def look(id):
        found = read_json(tmp_path / "claims.json")
        seen.append((id, [one["id"] for one in found["claims"]], found["missing"]))

    results = judged(tmp_path, before_claim=look)
    assert seen == [
        ("one", [], ["one", "two", "three"]),
        ("two", ["one"], ["two", "three"]),
        ("three", ["one", "two"], ["three"]),
    ]
    assert results.missing == () and read_json(tmp_path / "claims.json") == to_jsonable(results)


@pytest.mark.parametrize("end", range(len(CLAIMS)))
def test_claims_that_were_interrupted_go_on_and_come_to_the_same(tmp_path, end):
    def stop(id):
        if id == CLAIMS[end].id:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        judged(tmp_path, before_claim=stop)
    told = []
    results = judged(tmp_path, resume=True, before_claim=told.append)
    assert told == [one.id for one in CLAIMS[end:]]
    assert without_times(results) == without_times(judged(None))


def test_what_is_judged_is_not_judged_again_unless_its_criterion_is_another(tmp_path):
    first, told = judged(tmp_path), []
    assert judged(tmp_path, resume=True, before_claim=told.append) == first and told == []
    record = read_json(tmp_path / "claims.json")
    record["claims"][0]["digest"] = "of another criterion"
    write_json(tmp_path / "claims.json", record)
    assert judged(tmp_path, resume=True, before_claim=told.append).claims == first.claims and told == ["one"]


OWN = """
from deltarule.studies.verdicts import Evidence, claim

LIMIT = 1e-9


def of_all(experiments, limit):
    return [limit > 1] * experiments.seeds


@claim("own", says="it is low", report="low", criterion="it is below the limit", needed=0.5)
def own(experiments):
    return Evidence("low", {"": of_all(experiments, LIMIT)})


@own.control("the limit")
def _(experiments):
    return Evidence("low", {"": of_all(experiments, 2)})
"""


@pytest.mark.parametrize(
    ("before", "after", "found"),
    [
        ("1e-9", "1e9", ("agrees", None)),
        ("limit > 1", "limit < 1", ("agrees", None)),
        ("experiments, 2", "experiments, 0", ("disagrees", False)),
    ],
)
def test_a_claim_is_judged_again_where_a_constant_a_helper_or_its_control_is_another(tmp_path, before, after, found):
    file, out = tmp_path / "own.py", tmp_path / "out"

    def verdict():
        out.mkdir(exist_ok=True)
        experiments = Experiments(ENCODER, seeds=5, folder=out)
        [one] = judge_study(experiments, claims_of_file(file), resume=True).claims
        return one

    file.write_text(OWN, encoding="utf-8")
    first = verdict()
    assert (first.verdict, first.flipped) == ("disagrees", True) and verdict() == first
    file.write_text(OWN.replace(before, after), encoding="utf-8")
    second = verdict()
    assert (second.verdict, second.flipped) == found and second.digest == first.digest


def test_verdicts_of_earlier_versions_are_read_and_judged_again(tmp_path):
    first, told = judged(tmp_path), []
    record = read_json(tmp_path / "claims.json")
    for one in record["claims"]:
        del one["source"]
    write_json(tmp_path / "claims.json", record)
    assert judged(tmp_path, resume=True, before_claim=told.append).claims == first.claims
    assert told == [one.id for one in CLAIMS]


def test_what_a_claim_is_judged_over_that_is_too_little_for_it_to_agree_is_told(tmp_path):
    few = "a claim that needs 90 % of the seeds cannot be supported over {}, even if it holds for all; give 27 or more"
    # The second is judged over the rows of a sweep with two rates.
    assert judged(tmp_path).notes == judged(tmp_path, resume=True).notes == (few.format(3), few.format(6))

    def notes(needed, holds):
        one = claim("one", **{**DESCRIBED, "needed": needed})(lambda experiments: Evidence("", {"": holds}))
        one.digest = one.source = ""
        return too_few_seeds(judge_study(Experiments(ENCODER, seeds=10), (one,)).claims)

    assert notes(0.9, np.ones(9, bool)) == (few.format(9),)
    assert notes(0.9, np.ones(50, bool)) == (), "which agrees, over five folds of ten seeds"
    assert notes(0.9, np.arange(50) > 2) == (), "which is undecided, and would agree if it held for all"
    assert notes(0.9, np.zeros(20, bool)) == (), "which disagrees"
    assert (
        "cannot be supported over 100, even if it holds for all; no number is enough" in notes(1, np.ones(100, bool))[0]
    )


class Called:
    def __call__(self, experiments):
        return Evidence("still", {"": [True] * experiments.seeds})


def with_limit(experiments, limit):
    return Evidence("still", {"": [limit > 1] * experiments.seeds})


@pytest.mark.parametrize("judge", [partial(with_limit, limit=2), Called(), partial(Called())])
def test_a_judge_and_a_control_may_be_whatever_can_be_called(judge):
    failing = claim("failing", **DESCRIBED)(partial(with_limit, limit=0))
    failing.control("the limit")(judge)
    same = claim("same", **{**DESCRIBED, "needed": 0.5})(judge)
    first, second = judge_study(Experiments(ENCODER, seeds=40), (failing, same)).claims
    assert (first.verdict, first.flipped, second.verdict) == ("disagrees", True, "agrees")
    assert len(first.source) == len(second.digest) == 64


def test_a_control_without_a_file_has_the_text_of_its_judge():
    with_file = claim("failing", **DESCRIBED)(with_limit)
    before = with_file.source
    without = claim("failing", **DESCRIBED)(with_limit)
    without.control("none")(eval("lambda experiments: None"))
    assert without.source == before


def test_a_claim_that_is_edited_while_it_is_judged_is_judged_again(tmp_path):
    file, out = tmp_path / "own.py", tmp_path / "out"
    out.mkdir()
    file.write_text(OWN, encoding="utf-8")

    def verdict(before_claim):
        return judge_study(
            Experiments(ENCODER, seeds=5, folder=out), claims_of_file(file), resume=True, before_claim=before_claim
        )

    edited = "# Lines that move.\n" + OWN.replace("1e-9", "1e9")
    first = verdict(lambda id: file.write_text(edited, encoding="utf-8"))
    assert first.claims[0].verdict == "disagrees", "as it was when the judging began"
    assert verdict(lambda id: None).claims[0].verdict == "agrees"


@pytest.mark.parametrize("given", [{"seeds": 4}, {"engine": "reference"}])
def test_claims_of_other_trainings_are_refused(tmp_path, given):
    judged(tmp_path)
    before = (tmp_path / "claims.json").read_bytes()
    with pytest.raises(BadInput, match="holds claims of other data, settings, seeds or engine; name another folder"):
        judged(tmp_path, resume=True, **given)
    assert (tmp_path / "claims.json").read_bytes() == before


def test_sweeps_that_are_there_are_gone_on_with_only_where_that_is_asked_for(tmp_path):
    judged(tmp_path)
    with pytest.raises(BadInput, match="holds sweeps already; go on with its claims by --resume"):
        judged(tmp_path)
    (tmp_path / "claims.json").unlink()  # as if only the sweeps had been trained
    assert judged(tmp_path, resume=True).claims == judged(tmp_path, resume=True).claims


@pytest.mark.parametrize("damage", [{"claims": [{"id": "one", "digest": one.digest}]}, {"claims": 3}])
def test_a_damaged_file_is_refused_in_a_sentence(tmp_path, damage):
    judged(tmp_path)
    write_json(tmp_path / "claims.json", {**read_json(tmp_path / "claims.json"), **damage})
    with pytest.raises(BadInput, match=r"claims\.json is not as deltarule writes it; remove it to start again"):
        judged(tmp_path, resume=True)
