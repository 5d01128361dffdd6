"""Sweeps of a study's claims: each once, kept where there is a folder; and claims that other rows say nothing about."""

import signal
from dataclasses import replace

import pytest
from refusals import refuses

from deltarule.recipes import load_recipe, with_settings
from deltarule.studies.claims import Evidence, claim
from deltarule.studies.experiments import Experiments
from deltarule.studies.verdicts import judge_claim
from deltarule.sweeps.result import load_sweep

RATES = {"optimizer.learning_rate": [1.0, 10.0]}
SHORT = {"stopping.max_steps": 20}
ENCODER = load_recipe("encoder")


def never_asked(experiments):
    raise AssertionError("nothing may be judged here")


def holds(experiments):
    return Evidence([True] * 100)


@pytest.fixture
def few():
    experiments = Experiments(ENCODER, seeds=2)
    yield experiments
    experiments.close()


def test_equal_sweeps_are_shared(few):
    table = few.sweep("rates", RATES, set=SHORT)
    assert len(table) == 4 and few.sweep("rates", RATES, set=SHORT) is table
    assert few.engines == set(table.engines) == {row["engine"] for row in table.rows()}


def test_sweep_scores_equal_run(few):
    rows = few.sweep("rates", RATES, set=SHORT).rows()
    runs = few.each([{**SHORT, "optimizer.learning_rate": rate} for rate in RATES["optimizer.learning_rate"]])
    assert [row["train_objective"] for row in rows] == [one for run in runs for one in run.objective.tolist()]


def test_one_name_is_not_for_two_sweeps(few):
    few.sweep("rates", RATES, set=SHORT)
    with refuses("encoder", "rates"):
        few.sweep("rates", RATES, set={"stopping.max_steps": 21})


def test_sweep_resumes_in_folder(tmp_path):
    def swept(told):
        experiments = Experiments(
            ENCODER, seeds=2, folder=tmp_path, progress=lambda what, seen: told.append((what, seen.done))
        )
        rows = list(experiments.sweep("rates", RATES, set=SHORT).rows())
        experiments.close()
        return rows

    first, again = [], []
    assert swept(first) == swept(again) == list(load_sweep(tmp_path / "rates").rows())
    assert first[0] == ("rates", 0) and again == [("rates", 4)]


def test_claims_on_stand_in_rows():
    described = {"says": "it", "report": "1", "criterion": "it does", "needed": 0.5}
    experiments = Experiments(with_settings(ENCODER, SHORT), seeds=2)
    experiments.dataset = replace(experiments.dataset, remark="these are other rows; get the right ones with a command")
    verdict = judge_claim(claim("one", **described)(never_asked), experiments)
    assert (verdict.verdict, verdict.remark) == ("not testable here", experiments.dataset.remark)
    anyway = claim("two", any_data=True, **described)(holds)
    assert judge_claim(anyway, experiments).verdict == "agrees"


@pytest.mark.slow
def test_interrupted_training_is_not_judged():
    presses = [True]

    def press(what, seen):
        if presses:
            presses.clear()
            signal.raise_signal(signal.SIGINT)

    experiments = Experiments(ENCODER, seeds=2, engine="reference", progress=press)
    settings = {"stopping.max_steps": 2000}
    with pytest.raises(KeyboardInterrupt):
        experiments.run(settings)
    assert experiments.run(settings).reasons == ("max_steps", "max_steps")  # trained anew, and whole
