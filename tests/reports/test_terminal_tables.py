import io
import os
import re
import subprocess
import sys
from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from rich.console import Console

from deltarule.reports.bars import BARS, MAX_BAR_CHARACTERS, sparkline
from deltarule.reports.claims_table import claims_table
from deltarule.reports.terminal_layout import fitted_table, pairs
from deltarule.reports.terminal_tables import (
    activation_table,
    object_convergence,
    run_summary,
)
from deltarule.reports.verdict_words import VERDICT_WORDS
from deltarule.stats.intervals import Interval
from deltarule.studies.runner import Outcome, Solved, Spread
from deltarule.studies.verdicts import Share, Verdict

widths = st.integers(40, 220)
values = st.floats(-99, 99) | st.sampled_from([0.5, float("nan")])
ESCAPE = re.compile(r"\x1b\[([\d;]*)m")


def printed(renderable, width=80, **given):
    file = io.StringIO()
    Console(file=file, width=width, highlight=False, **given).print(renderable)
    return file.getvalue()


def matrix(rows, columns, elements=values):
    return arrays(np.float64, (rows, columns), elements=elements)


def read_back(text):
    """The cells of a printed table, by row and column, whatever it was broken into."""
    cells, header = {}, []
    lines = text.splitlines()
    for line, below in zip(lines, [*lines[1:], ""], strict=True):
        if set(below.strip()) == {"─"}:
            header = line.split()
        elif header and len(line.split()) == len(header):
            row, *found = line.split()
            cells |= {(row, name): cell for name, cell in zip(header[1:], found, strict=True)}
    return cells


def words(text):
    return re.findall(r"\w+", text)


def assert_fits(text, width):
    assert max(map(len, text.splitlines())) <= width
    assert "…" not in text


@given(width=widths, rows=st.integers(1, 8), units=st.integers(1, 12), classes=st.integers(1, 25), data=st.data())
def test_activation_table_shows_every_activation_at_any_width(width, rows, units, classes, data):
    hidden, outputs = data.draw(matrix(rows, units)), data.draw(matrix(rows, classes))
    labels = [f"x{row}" for row in range(rows)]
    text = printed(activation_table(labels, hidden, outputs), width)
    assert_fits(text, width)
    cells = read_back(text.partition("* above 0.5")[0])
    for letter, activations in (("h", hidden), ("o", outputs)):
        for (row, column), value in np.ndenumerate(activations):
            star = "*" if value > 0.5 else ""
            assert cells[f"x{row}", f"{letter}{column + 1}"] == f"{value:.2f}{star}"
    for row, label in enumerate(labels):
        assert cells[label, "code"] == "".join("1" if value > 0.5 else "0" for value in hidden[row])
    assert len(cells) == hidden.size + outputs.size + rows


@pytest.mark.parametrize(
    ("hidden", "told"),
    [
        ([[1, 0], [0, 1], [1, 1]], "The 3 inputs have 3 different codes."),
        ([[1, 0], [0, 1], [1, 0]], "The 3 inputs have 2 different codes: cat and cow share 10."),
        ([[0.5], [0.4], [0.3]], "The 3 inputs have 1 different code: cat, dog and cow share 0."),
    ],
)
def test_activation_table_counts_different_codes(hidden, told):
    assert told in printed(activation_table(["cat", "dog", "cow"], hidden, [[0.0]] * 3))


@pytest.mark.parametrize(
    ("activation", "stars", "told"),
    [
        (
            "tanh",
            [("-0.90", "0.10*"), ("0.60*", "-0.20")],
            "* hidden units above 0, outputs above 0.5. The 2 inputs have 2",
        ),
        ("relu", [("-0.90", "0.10"), ("0.60", "-0.20")], "* outputs above 0.5."),
    ],
)
def test_threshold_depends_on_the_activation(activation, stars, told):
    hidden = [[-0.9, 0.1], [0.6, -0.2]]
    text = printed(activation_table(["cat", "dog"], hidden, [[0.9], [0.1]], activation=activation))
    rows = {line.split()[0]: line.split()[1:] for line in text.splitlines() if line[:3] in ("cat", "dog")}
    assert [tuple(rows[name][:2]) for name in ("cat", "dog")] == stars
    assert [rows[name][-1] for name in ("cat", "dog")] == ["0.90*", "0.10"]
    assert told in text and ("code" in text) == (activation == "tanh")


@pytest.mark.slow
@given(data=st.data(), count=st.integers(1, 9), looks=st.integers(1, 30))
def test_object_is_right_from_where_it_stays_above_one_half(data, count, looks):
    probabilities = data.draw(matrix(looks, count, st.sampled_from([0.0, 0.5, 0.51, 1.0, float("nan")])))
    steps = [1000 * look for look in range(looks)]
    rows = printed(object_convergence(steps, probabilities)).splitlines()[2:]
    for column, row in zip(probabilities.T, rows, strict=False):
        holding = [look for look in range(looks) if (column[look:] > 0.5).all()]
        assert row.endswith(f"{steps[holding[0]]:,}" if holding else "not right")
        assert f" {column[-1]:.2f} " in row


@given(st.lists(st.floats(0, 1) | st.just(float("nan")), min_size=MAX_BAR_CHARACTERS, max_size=MAX_BAR_CHARACTERS))
def test_bars_show_the_probabilities(column):
    row = printed(object_convergence(range(MAX_BAR_CHARACTERS), np.array(column)[:, None], ["cat"])).splitlines()[2]
    bars = row[len("object ") :][:MAX_BAR_CHARACTERS]
    for bar, value in zip(bars, column, strict=True):
        if np.isnan(value):
            assert bar == " "
        else:
            high = "▁▂▃▄▅▆▇█".index(bar) + 1
            assert (high - 1) / 8 <= value <= high / 8


@given(st.lists(st.floats(), max_size=9))
@example([5e-324, 0.0])
@example([-1.0, 0.0, 99.0])
def test_sparkline_rises_with_its_values(series):
    line = sparkline(series, 9)
    assert len(line) == len(series)
    heights = {value: BARS.index(bar) for value, bar in zip(series, line, strict=True) if np.isfinite(value)}
    assert all(bar == " " for value, bar in zip(series, line, strict=True) if not np.isfinite(value))
    for (one, height), (other, above) in pairwise(sorted(heights.items())):
        assert height <= above and one < other
    if len(heights) > 1:
        assert (heights[min(heights)], heights[max(heights)]) == (0, len(BARS) - 1)


@given(width=widths, looks=st.integers(1, 300))
def test_convergence_fits_any_width(width, looks):
    column = np.linspace(0.0, 1.0, looks) if looks > 1 else np.array([1.0])
    text = printed(object_convergence(range(0, 5000 * looks, 5000), np.stack([column] * 8, 1)), width)
    assert max(map(len, text.splitlines())) <= width
    rows = re.findall("^[1-8] +([▁▂▃▄▅▆▇█]+) ", text, re.MULTILINE)
    assert len(rows) == 8
    for bars in rows:
        assert len(bars) >= min(width - 32, MAX_BAR_CHARACTERS)
        assert bars[0] == ("▁" if looks > 1 else "█")
        assert bars[-1] == "█"
    assert "right from" in text


def outcome(**given):
    usual = {
        "study": "encoder",
        "experiment": None,
        "data": "one-hot",
        "engine": "reference",
        "dtype": "float64",
        "members": 100,
        "steps": 3000,
        "member_steps": 123456,
        "seconds": 1.234,
        "objective": Spread(1e-5, 8.1e-5, 0.5),
        "accuracy": Spread(0.875, 0.9995, 1.0),
        "validation_accuracy": None,
        "test_accuracy": None,
        "solved": Solved("accuracy of at least 1 on training rows", 93, 100, 512.0),
        "reasons": {"threshold": 93, "max_steps": 7},
        "diverged": [],
        "interrupted": False,
        "notes": (),
        "out": None,
    }
    return Outcome(**{**usual, **given})


@pytest.mark.parametrize("width", [40, 80, 200])
def test_summary_shows_the_record(width):
    text = " ".join(printed(run_summary(outcome(experiment="rate-100", out="results")), width).split())
    for told in (
        "encoder, rate-100 on one-hot",
        "100, float64, reference engine",
        "3,000 at most, 123,456 in all, in 1.23 s",
        "93 at the threshold, 7 at the limit of updates",
        "objective median 8.1e-05, from 1e-05 to 0.5",
        "accuracy median 99.95 %, from 87.5 % to 100 %",
        "93 of 100 (accuracy of at least 1 on training rows), half of them by update 512",
        "written to results",
    ):
        assert told in text
    assert "validation" not in text
    assert "diverged" not in text


@pytest.mark.parametrize(
    ("objective", "told"),
    [
        (Spread(15.994, 20, np.inf), "median 20, from 15.99 to diverged"),
        (Spread(*[np.inf] * 3), "diverged"),
        (Spread(1.0, 1.0, 3.0), "median 1, from 1 to 3"),
    ],
)
def test_infinite_objective_has_diverged(objective, told):
    text = " ".join(printed(run_summary(outcome(objective=objective, accuracy=None))).split())
    assert f"objective {told} solved" in text


def test_summary_lists_five_diverged_members():
    diverged = [{"member": member, "step": 1000 * member, "layer": 2, "where": "z2"} for member in range(8)]
    text = " ".join(printed(run_summary(outcome(diverged=diverged)), 200).split())
    assert "8: member 0 after update 0 (layer 2, z2); member 1 after update 1,000 (layer 2, z2);" in text
    assert "member 4 after" in text and "member 5 after" not in text
    assert "and 3 more" in text
    text = printed(run_summary(outcome(diverged=diverged[:2])), 200)
    assert "2: member 0 after update 0 (layer 2, z2); member 1 after update 1,000 (layer 2, z2)\n" in text


def test_every_reason_to_end_has_words():
    from deltarule.training.stopping import REASONS

    text = printed(run_summary(outcome(reasons=dict.fromkeys(REASONS, 1))), 300)
    assert len(re.search(r"ended +(.*)", text)[1].split(",")) == len(REASONS)


def verdict(**given):
    usual = {
        "id": "encoder-1",
        "claim": "converges in about 3,000 iterations: [bold]every[/bold] object is right :smile:",
        "report": "about 3,000",
        "ours": "2,890 (median)",
        "share": 0.93,
        "interval": Interval(0.8627, 0.9657),
        "verdict": "agrees",
        "contradicts_itself": "",
        "cause": "",
        "criterion": "",
        "needed": 0.8,
    }
    return Verdict(**{**usual, **given})


VERDICTS = [
    verdict(conventions={"sum": Share(2, 100, None, "disagrees"), "mean": Share(93, 100, None, "agrees")}),
    verdict(id="boundary-5", verdict="disagrees", contradicts_itself="epoch 1,500 of 1,000", cause="the sum"),
    verdict(id="cifar-1", verdict="not testable here", share=None, interval=None, ours="the data are not there"),
]


@given(width=st.integers(50, 250))
@example(width=60)
@example(width=119)
@example(width=120)
def test_claims_show_the_whole_record_at_any_width(width):
    text = printed(claims_table(VERDICTS), width)
    assert_fits(text, width)
    for one in VERDICTS:
        assert one.id in text
        for told in (one.claim, one.report, one.ours, VERDICT_WORDS[one.verdict], one.contradicts_itself, one.cause):
            assert set(words(told)) <= set(words(text)), told
    assert "86.3 to 96.6 %" in text
    assert "[bold]every[/bold]" in text
    assert set(words("flag the report contradicts itself, under mean, the best of 2 conventions, cause")) <= set(
        words(text)
    )
    assert "3 claims: 1 supported, 1 not supported, 1 not testable here" in " ".join(text.split())


def test_best_convention_has_the_largest_share():
    shares = {"many": Share(10, 100, None, "disagrees"), "few": Share(5, 5, None, "agrees")}
    assert "few (the best of 2 conventions)" in printed(claims_table([verdict(conventions=shares)]))


HEAD = ["optimizer.learning_rate", "layers", "least_of_all", "rows"]
CELLS = [["1.234e-07", "784-100-10 and many words", "0.9000", "1,200"], ["0.1", "auto-8-auto", "-5.9e+105", "5"]]


@pytest.mark.parametrize("width", [24, 40, 60, 75, 90])
def test_no_number_is_broken_and_no_letter_is_lost_at_any_width(width):
    are_texts = [False, True, False, False]
    text = printed(fitted_table(HEAD, CELLS, are_texts), width)
    assert_fits(text, width)
    assert ("─" in text) == (width >= 40)
    for row in CELLS:
        assert {cell for cell, is_text in zip(row, are_texts, strict=True) if not is_text} <= {*text.split()}
    for told in (*HEAD, *(row[1] for row in CELLS)):
        assert not Counter(told.replace(" ", "")) - Counter(text)


@pytest.mark.parametrize("width", [20, 33, 59])
def test_pairs_lose_no_letter_at_any_width(width):
    told = [("mean absolute error", "-1.234e+105 and 5.678e-112"), ("R²", "0.913 on 1,234,567 rows")]
    text = printed(pairs(told), width)
    assert_fits(text, width)
    assert sorted(text.split()) == sorted(" ".join(map(" ".join, told)).split())


EVERYTHING = {
    "fitted": fitted_table(HEAD, CELLS, [False, True, False, False]),
    "summary": run_summary(outcome()),
    "convergence": object_convergence([0, 10], [[0.2, 0.9], [0.8, 0.3]]),
    "activations": activation_table(["cat"], [[0.9, 0.1]], [[0.8]]),
    "claims": claims_table(VERDICTS),
}


@pytest.mark.parametrize("name", EVERYTHING)
def test_colors_add_no_text(name):
    plain = printed(EVERYTHING[name])
    colored = printed(EVERYTHING[name], force_terminal=True, color_system="truecolor")
    without = printed(EVERYTHING[name], force_terminal=True, color_system="truecolor", no_color=True)
    assert not ESCAPE.search(plain)
    assert ESCAPE.sub("", colored) == ESCAPE.sub("", without) == plain
    codes = {code for codes in ESCAPE.findall(without) for code in codes.split(";")}
    assert codes <= {"", "0", "1"}  # bold at most


def test_terminal_without_unicode_gets_ascii():
    code = (
        "from rich.console import Console\n"
        "from deltarule.reports.terminal_tables import *\n"
        "screen = Console(width=80)\n"
        "screen.print(object_convergence([0, 10], [[0.0], [1.0]]))\n"
        "screen.print(activation_table(['cat'], [[0.9]], [[0.8]]))\n"
    )
    environment = os.environ | {"PYTHONIOENCODING": "ascii"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, env=environment, check=True)
    text = done.stdout.decode("ascii")
    assert f"{'_' * (MAX_BAR_CHARACTERS // 2)}{'#' * (MAX_BAR_CHARACTERS // 2)}" in text
    assert "0.90*" in text


def test_rich_is_loaded_only_to_show():
    code = "import sys, deltarule.reports.terminal_tables; print({'rich', 'matplotlib', 'scipy'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8", check=True)
    assert done.stdout.strip() == "set()"
