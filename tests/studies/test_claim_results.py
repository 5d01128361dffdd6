"""Claims judged into a folder, never mixed with those of other trainings."""

import json
import subprocess
import sys
from contextlib import closing

import numpy as np
import pytest
from pydantic import TypeAdapter
from refusals import refuses

from deltarule.engines.reference import ReferenceEngine
from deltarule.json_files import read_json, to_jsonable
from deltarule.recipes import load_recipe, with_settings
from deltarule.reports.claim_verdicts import describe_readings, describe_shares, describe_verdict
from deltarule.studies.claim_results import (
    RECORD_SECONDS,
    StudyResults,
    judge_as_published,
    judge_study,
    published_results,
    too_few_seeds,
)
from deltarule.studies.claims import STUDIES, Control, Evidence, claim, claims_of_file, claims_of_study
from deltarule.studies.experiments import Experiments

ENCODER = with_settings(load_recipe("encoder"), {"stopping.max_steps": 20})
DESCRIBED = {"says": "it falls", "report": "down", "criterion": "it falls", "needed": 0.9}
READINGS = {"falls": {"sign": 1}, "or not": {"sign": -1}}


@claim("one", **DESCRIBED, readings=READINGS, controls=[Control("nothing", {"below": 1e9}, "falls")])
def one(experiments, sign, below=100):
    run = experiments.run()
    return Evidence(sign * run.objective < sign * below, {"objective": run.objective})


@claim("two", **DESCRIBED)
def two(experiments):
    table = experiments.sweep("rates", {"optimizer.learning_rate": [1.0, 10.0]})
    return Evidence([row["train_objective"] < 100 for row in table.rows()])


@claim("three", **DESCRIBED)
def three(experiments):
    return Evidence(None)


CLAIMS = (one, two, three)


def judged(folder, seeds=3, engine="auto", **given):
    with closing(Experiments(ENCODER, seeds=seeds, engine=engine, folder=folder)) as experiments:
        return judge_study(experiments, CLAIMS, **given)


def test_claims_file_is_the_results(tmp_path):
    results = judged(tmp_path)
    stored = read_json(tmp_path / "claims.json")
    assert stored == to_jsonable(results)
    assert TypeAdapter(StudyResults).validate_python(stored) == results
    assert results.made.versions["deltarule"] and results.made.dtype == "float64"
    assert [verdict.criterion for verdict in results.claims] == ["it falls"] * 3


def test_resume_goes_on_with_sweeps(tmp_path):
    first = judged(tmp_path)
    with refuses(tmp_path, "--resume"):
        judged(tmp_path)
    assert judged(tmp_path, resume=True).claims == first.claims


KILLED = """
import os, signal, sys
from pathlib import Path
from deltarule.studies.experiments import Experiments

def kill(what, seen):
    if seen.limit == 10**9:
        os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM))

few = Experiments("encoder", seeds=2, engine="reference", folder=Path(sys.argv[1]), progress=kill)
few.run({"stopping.max_steps": 30})
few.run({"stopping.max_steps": 10**9})
"""


@pytest.mark.slow
def test_a_killed_process_loses_no_finished_training(tmp_path):
    class Counting(ReferenceEngine):
        updates = 0

        def advance(self, problem, state, n):
            self.updates += n
            return super().advance(problem, state, n)

    assert subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], check=False).returncode
    engine = Counting()
    kept = Experiments("encoder", seeds=2, engine=engine, folder=tmp_path).run({"stopping.max_steps": 30})
    assert engine.updates == 0 and kept.reasons == ("max_steps",) * 2
    fresh = Experiments("encoder", seeds=2, engine=engine).run({"stopping.max_steps": 30})
    assert engine.updates == 30 and np.array_equal(fresh.state.theta, kept.state.theta)
    assert fresh.history.steps == kept.history.steps and np.array_equal(fresh.history.objective, kept.history.objective)


def test_claims_that_are_judged_one_by_one_stay_in_the_folder(tmp_path):
    def of(claims, seeds=3):
        with closing(Experiments(ENCODER, seeds=seeds, folder=tmp_path)) as experiments:
            return judge_study(experiments, claims, resume=True).claims

    together = of(CLAIMS)
    assert of((one,))[-1] == together[0] and len(of((two,))) == 3
    assert [verdict.id for verdict in of((three,), seeds=2)] == ["three"], "those of other seeds are left out"


def test_too_few_seeds_are_noted(tmp_path):
    few = "a claim that needs 90 % of the seeds cannot be supported over {}, even if it holds for all; give 36 or more"
    # The second is judged over the rows of a sweep with two rates.
    assert judged(tmp_path).notes == (few.format(3), few.format(6))

    def notes(needed, holds):
        one = claim("one", **{**DESCRIBED, "needed": needed})(lambda experiments: Evidence(holds))
        return tuple(too_few_seeds(judge_study(Experiments(ENCODER, seeds=10), (one,)).claims))

    assert notes(0.9, np.ones(9, bool)) == (few.format(9),)
    assert notes(0.9, np.ones(50, bool)) == (), "which agrees, over five folds of ten seeds"
    assert notes(0.9, np.arange(50) > 2) == (), "which is undecided, and would agree if it held for all"
    assert notes(0.9, np.zeros(20, bool)) == (), "which disagrees"
    assert "over 100, even if it holds for all; no number is enough" in notes(1, np.ones(100, bool))[0]


def test_claims_of_a_file_are_read_anew(tmp_path):
    file = tmp_path / "own.py"
    for id in ("one", "two"):
        text = f'own = claim("{id}", **{DESCRIBED})(print)'
        file.write_text(f"from deltarule.studies.claims import claim\n{text}\n", encoding="utf-8")
        assert [own.id for own in claims_of_file(file)] == [id]


SMALL = [study for study in STUDIES if study not in ("mnist", "cifar")]


def as_published(deltarule, study, ids):
    """What a command prints of claims, without the time it took and the version that judged."""
    status, out, err = deltarule("claims", study, "--only", ",".join(ids), "--as-published", "--json")
    assert status == 0, err
    return [{**claim, "seconds": 0, "commit": ""} for claim in json.loads(out)["claims"]]


@pytest.mark.slow
@pytest.mark.parametrize("study", SMALL)
def test_every_command_prints_its_page(study, deltarule):
    """The command of all claims gives the published record, to the last digit, whether it judges anew or reads.

    So does the command of a claim alone: the quickest of several that are judged anew, and one that is read.
    """
    verdicts = published_results(load_recipe(study)).claims
    published = {verdict.id: {**to_jsonable(verdict), "seconds": 0, "commit": ""} for verdict in verdicts}
    for printed in as_published(deltarule, study, published):
        assert describe(printed) == describe(published[printed["id"]]), printed["id"]
    anew = sorted((verdict.seconds, verdict.id) for verdict in verdicts if 0 < verdict.seconds <= RECORD_SECONDS)
    read = next(verdict.id for verdict in verdicts if not 0 < verdict.seconds <= RECORD_SECONDS)
    for id in (anew[0][1], read)[len(anew) == 1 :]:
        [alone] = as_published(deltarule, study, [id])
        assert describe(alone) == describe(published[id])


def describe(claim):
    """What a page shows of a claim."""
    return describe_verdict(claim), describe_readings(claim), describe_shares(claim)


def test_long_claims_are_read_from_the_record():
    recipe = load_recipe("boundary-linear")
    published = published_results(recipe)
    long = [one.id for one in published.claims if not 0 < one.seconds <= RECORD_SECONDS][:2]
    claims = tuple(claim for claim in claims_of_study(recipe) if claim.id in long)
    with closing(Experiments(recipe, seeds=2, progress=lambda *_: pytest.fail("it trains"))) as experiments:
        results = judge_as_published(experiments, claims)
    assert results.claims == tuple(one for one in published.claims if one.id in long)
    assert all(id in results.notes[-1] for id in long)


def test_a_recipe_of_ones_own_has_no_page():
    with (
        closing(Experiments(load_recipe("digits"), seeds=2)) as experiments,
        refuses("digits", "--as-published"),
    ):
        judge_as_published(experiments, CLAIMS)
