"""Summaries of records for a terminal."""

import io
import re
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from rich.console import Console

from deltarule.reports.heat_maps import activation_cells
from deltarule.reports.summaries import (
    BARS,
    ENDED,
    best_configurations,
    describe_progress,
    object_convergence,
    reproduction_summary,
    run_facts,
)
from deltarule.reports.table import Pairs
from deltarule.training.options import REASONS
from deltarule.training.train import Progress

ESCAPE = re.compile(r"\x1b\[([\d;]*)m")
VALUES = st.floats(-99, 99) | st.sampled_from([0.5, float("nan")])


def printed(*renderables, width=80, **given):
    file = io.StringIO()
    Console(file=file, width=width, highlight=False, **given).print(*renderables, sep="\n")
    return file.getvalue()


def matrix(rows, columns, elements=VALUES):
    return arrays(np.float64, (rows, columns), elements=elements)


@given(data=st.data(), count=st.integers(1, 9), looks=st.integers(1, 30))
def test_object_is_right_from_where_it_stays_above_one_half(data, count, looks):
    probabilities = data.draw(matrix(looks, count, st.sampled_from([0.0, 0.5, 0.51, 1.0, float("nan")])))
    steps = [1000 * look for look in range(looks)]
    shown = object_convergence(steps, probabilities, [f"x{number}" for number in range(count)])
    for column, (_, bars, end, since) in zip(probabilities.T, shown.cells, strict=True):
        holding = [look for look in range(looks) if (column[look:] > 0.5).all()]
        assert since == (f"{steps[holding[0]]:,}" if holding else "not right") and end == f"{column[-1]:.2f}"
        assert bars[-1] == (" " if np.isnan(column[-1]) else BARS[min(int(8 * column[-1]), 7)])


RUN = {
    "study": "encoder",
    "experiment": "rate-100",
    "data": "one-hot",
    "engine": "reference",
    "dtype": "float64",
    "members": 100,
    "steps": 3000,
    "member_steps": 123456,
    "seconds": 1.234,
    "objective": {"min": 1e-5, "median": 8.1e-5, "max": None},
    "accuracy": {"min": 0.875, "median": 0.9995, "max": 1.0},
    "validation_accuracy": None,
    "test_accuracy": None,
    "solved": {"criterion": "accuracy of 1", "count": 93, "of": 100, "steps_median": 512.0, "interval": [0.863, 0.966]},
    "reasons": {"threshold": 93, "max_steps": 7},
    "diverged": [{"member": member, "step": 1000 * member, "layer": 2, "where": "z2"} for member in range(8)],
}


def test_summary_shows_the_record():
    facts = dict(run_facts(RUN))
    assert facts.pop("diverged") == "8, the first: member 0 after update 0 (layer 2, z2)"
    assert facts == {
        "study": "encoder, rate-100 on one-hot",
        "networks": "100, float64, reference engine",
        "updates": "3,000 at most, 123,456 in all, in 1.23 s",
        "ended": "93 at the threshold, 7 at the limit of updates",
        "objective": "median 8.1e-05, from 1e-05 to diverged",
        "accuracy": "median 99.95 %, from 87.5 % to 100 %",
        "solved": "93 of 100: 93 % (86.3 to 96.6), accuracy of 1, half of them by update 512",
    }


def test_summary_shows_the_first_digits_of_the_digest():
    facts = dict(run_facts(RUN | {"digest": "0123456789abcdef"}))
    assert facts["parameters"] == "SHA-256 0123456789ab"


def test_progress_counts_the_members():
    counts = {"training": 91, "stopped": 7, "diverged": 2, "solved": 7}
    progress = Progress(step=1200, limit=3000, seconds=1.0, objective=0.25, **counts)
    assert describe_progress(progress) == "0.25, step 1,200, 91 training, 7 solved, 2 diverged"


def test_best_configurations_have_means_and_ends():
    scores = {"mean": 0.9, "least": 0.8, "greatest": 1.0}
    best = SimpleNamespace(settings={"optimizer.learning_rate": 0.1}, rows=5, diverged=1, **scores)
    outcome = SimpleNamespace(study="mine", metric="accuracy", ranked="validation", rows=10, diverged=1, out=None)
    outcome.notes, outcome.configurations = (), [best]
    names, _, values, _, sentence = printed(*best_configurations(outcome)).splitlines()
    assert names.split() == ["learning_rate", "accuracy", "least", "greatest", "rows"]
    assert values.split() == ["0.1", "0.9000", "0.8000", "1.0000", "5"]
    assert sentence == "mine: 10 rows, 1 of them diverged; mean accuracy on the validation rows"


def test_reproduction_counts_verdicts_and_names_what_was_left_out():
    verdicts = {"mine-1": "agrees", "mine-2": "agrees", "mine-3": "mixed"}
    mine = SimpleNamespace(study="mine", data="digits", seeds=20, seconds=3, notes=(), verdicts=verdicts)
    mine.left_out = ["mine-4"]
    outcome = SimpleNamespace(studies=[mine], left_out=["mine: 20 seeds in place of 100"], report=None)
    shown = printed(*reproduction_summary(outcome))
    assert "2 supported, 1 depends on the reading, 1 left out" in shown
    assert shown.endswith("\nLeft out: mine: 20 seeds in place of 100.\n")


def test_every_reason_to_end_has_words():
    assert set(ENDED) == set(REASONS)


EVERYTHING = {
    "summary": [Pairs(run_facts(RUN))],
    "convergence": [object_convergence([0, 10], [[0.2, 0.9], [0.8, 0.3]], ["cat", "dog"])],
    "activations": [activation_cells(["cat"], [[0.9, 0.1]], [[0.8]]).table()],
}


@pytest.mark.parametrize("name", EVERYTHING)
def test_colors_add_no_text(name):
    plain = printed(*EVERYTHING[name])
    colored = printed(*EVERYTHING[name], force_terminal=True, color_system="truecolor")
    without = printed(*EVERYTHING[name], force_terminal=True, color_system="truecolor", no_color=True)
    assert not ESCAPE.search(plain)
    assert ESCAPE.sub("", colored) == ESCAPE.sub("", without) == plain
    codes = {code for codes in ESCAPE.findall(without) for code in codes.split(";")}
    assert codes <= {"", "0", "1"}  # bold at most
