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
    MAX_BITS,
    activation_table,
    object_convergence,
    run_summary,
    weights_table,
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
def test_every_activation_is_on_the_screen_with_a_star_above_one_half_at_any_width(width, rows, units, classes, data):
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
def test_the_table_says_whether_all_codes_are_different(hidden, told):
    assert told in printed(activation_table(["cat", "dog", "cow"], hidden, [[0.0]] * 3))


def test_of_one_input_there_is_nothing_to_say_of_different_codes():
    assert printed(activation_table(["cat"], [[0.9]], [[0.9]])).endswith("* above 0.5.\n")


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
def test_what_is_high_depends_on_the_activation(activation, stars, told):
    hidden = [[-0.9, 0.1], [0.6, -0.2]]
    text = printed(activation_table(["cat", "dog"], hidden, [[0.9], [0.1]], activation=activation))
    rows = {line.split()[0]: line.split()[1:] for line in text.splitlines() if line[:3] in ("cat", "dog")}
    assert [tuple(rows[name][:2]) for name in ("cat", "dog")] == stars
    assert [rows[name][-1] for name in ("cat", "dog")] == ["0.90*", "0.10"]
    assert told in text and ("code" in text) == (activation == "tanh")


@pytest.mark.parametrize("units", [MAX_BITS, MAX_BITS + 1])
def test_the_code_of_very_many_units_is_left_out(units):
    text = printed(activation_table(["cat"], np.zeros((1, units)), np.zeros((1, 2))))
    cells = read_back(text.partition("* above 0.5")[0])
    assert len(cells) == units + 2 + (units <= MAX_BITS)


@pytest.mark.slow
@given(width=widths, rows=st.integers(1, 12), columns=st.integers(1, 40), data=st.data())
def test_every_weight_is_on_the_screen_with_its_sign_at_any_width(width, rows, columns, data):
    weights, biases = data.draw(matrix(rows, columns)), data.draw(matrix(1, columns))
    text = printed(weights_table("W1", weights, biases), width)
    assert_fits(text, width)
    cells = read_back(text)
    for (row, column), value in np.ndenumerate(np.vstack([weights, biases])):
        shown = cells["bias" if row == rows else str(row + 1), str(column + 1)]
        near = 0.053 if 0.0095 <= abs(value) < 9999.5 else 0.5  # 0.0015 is 0.002; a power of ten has one digit
        assert np.isnan(value) if shown == "nan" else float(shown) == pytest.approx(value, rel=near)
        assert np.isnan(value) or shown[0] == {1: "+", -1: "-", 0: "0"}[int(np.sign(value))]


def test_large_weights_have_a_ground_of_the_color_of_their_sign():
    def grounds(*layer):
        text = printed(weights_table("W", *layer), force_terminal=True, color_system="truecolor")
        return {cell: codes for codes, cell in re.findall(r"\x1b\[([\d;]*)m *([-+][\d.]+)", text)}

    styles = grounds([[-4.0, 4.0, 0.01]])
    assert "48;2;2;109;173" in styles["-4.0"]
    assert "48;2;216;113;48" in styles["+4.0"]
    assert styles["+0.010"] == "0"
    styles = grounds([[1.0]], [4.0])  # the bias is the largest
    assert "48;2;216;113;48" in styles["+4.0"] and "48;2;245;220;203" in styles["+1.0"]


@pytest.mark.slow
@given(data=st.data(), count=st.integers(1, 9), looks=st.integers(1, 30))
def test_an_object_is_right_from_where_it_stays_above_one_half(data, count, looks):
    probabilities = data.draw(matrix(looks, count, st.sampled_from([0.0, 0.5, 0.51, 1.0, float("nan")])))
    steps = [1000 * look for look in range(looks)]
    rows = printed(object_convergence(steps, probabilities)).splitlines()[2:]
    for column, row in zip(probabilities.T, rows, strict=False):
        holding = [look for look in range(looks) if (column[look:] > 0.5).all()]
        assert row.endswith(f"{steps[holding[0]]:,}" if holding else "not right")
        assert f" {column[-1]:.2f} " in row


@given(st.lists(st.floats(0, 1) | st.just(float("nan")), min_size=MAX_BAR_CHARACTERS, max_size=MAX_BAR_CHARACTERS))
def test_bars_are_as_high_as_the_probabilities(column):
    row = printed(object_convergence(range(MAX_BAR_CHARACTERS), np.array(column)[:, None], ["cat"])).splitlines()[2]
    bars = row[len("object ") :][:MAX_BAR_CHARACTERS]
    for bar, value in zip(bars, column, strict=True):
        if np.isnan(value):
            assert bar == " "
        else:
            high = "▁▂▃▄▅▆▇█".index(bar) + 1
            assert (high - 1) / 8 <= value <= high / 8


def test_a_bar_is_green_above_one_half():
    for value, is_green in ((0.5, False), (0.51, True)):
        colored = printed(object_convergence([0], [[value]]), force_terminal=True, color_system="standard")
        assert ("32" in {code for codes in ESCAPE.findall(colored) for code in codes.split(";")}) == is_green


@given(st.lists(st.floats(), max_size=9))
@example([-1e308, 1e308, 0.0])
@example([5e-324, 0.0])
@example([-1.0, 0.0, 99.0])
def test_a_sparkline_rises_with_its_values_from_the_lowest_bar_to_the_highest(series):
    line = sparkline(series, 9)
    assert len(line) == len(series)
    heights = {value: BARS.index(bar) for value, bar in zip(series, line, strict=True) if np.isfinite(value)}
    assert all(bar == " " for value, bar in zip(series, line, strict=True) if not np.isfinite(value))
    for (one, height), (other, above) in pairwise(sorted(heights.items())):
        assert height <= above and one < other
    if len(heights) > 1:
        assert (heights[min(heights)], heights[max(heights)]) == (0, len(BARS) - 1)


@given(st.lists(st.integers(1, 9), min_size=1, max_size=9), st.integers(-1000, 1020))
@example([1, 2, 4, 7], 0)
@example([9, 8], 1020)
def test_a_sparkline_is_the_same_in_other_units(series, power):
    low, high = min(series), max(series)
    expected = "".join(BARS[round((one - low) / (high - low or 1) * 7)] for one in series)
    with np.errstate(all="raise"):
        assert sparkline(np.ldexp(np.array(series, float), power), 9) == expected


@given(width=widths, looks=st.integers(1, 300))
def test_convergence_fits_any_width_from_the_first_look_to_the_last(width, looks):
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
        "solved": Solved("accuracy of at least 1 on the train rows", 93, 100, 512.0),
        "reasons": {"threshold": 93, "max_steps": 7},
        "diverged": [],
        "interrupted": False,
        "notes": (),
        "out": None,
    }
    return Outcome(**{**usual, **given})


@pytest.mark.parametrize("width", [40, 80, 200])
def test_a_summary_reports_the_record(width):
    text = " ".join(printed(run_summary(outcome(experiment="rate-100", out="results")), width).split())
    for told in (
        "encoder, rate-100 on one-hot",
        "100, float64, reference engine",
        "3,000 at most, 123,456 in all, in 1.23 s",
        "93 at the threshold, 7 at the limit of updates",
        "objective median 8.1e-05, from 1e-05 to 0.5",
        "accuracy median 99.95 %, from 87.5 % to 100 %",
        "93 of 100 (accuracy of at least 1 on the train rows), half of them by update 512",
        "written to results",
    ):
        assert told in text
    assert "validation" not in text
    assert "diverged" not in text


def test_a_summary_of_one_network_has_no_medians():
    one = {"members": 1, "steps": 12000, "solved": Solved("accuracy of 1", 1, 1, 512.0), "reasons": {"max_steps": 1}}
    spreads = {"objective": Spread(8.1e-5, 8.1e-5, 8.1e-5), "accuracy": Spread(1.0, 1.0, 1.0)}
    text = " ".join(printed(run_summary(outcome(**one, **spreads))).split())
    assert "updates 12,000, in 1.23 s" in text
    assert "objective 8.1e-05 accuracy 100 % solved" in text
    assert "solved 1 of 1 (accuracy of 1), by update 512" in text


@pytest.mark.parametrize(
    ("objective", "told"),
    [
        (Spread(15.994, 20, np.inf), "median 20, from 15.99 to diverged"),
        (Spread(*[np.inf] * 3), "diverged"),
        (Spread(1.0, 1.0, 3.0), "median 1, from 1 to 3"),
    ],
)
def test_an_objective_is_reported_with_its_spread_and_one_that_is_infinite_has_diverged(objective, told):
    text = " ".join(printed(run_summary(outcome(objective=objective, accuracy=None))).split())
    assert f"objective {told} solved" in text


@pytest.mark.parametrize("width", [20, 25])
def test_where_there_is_hardly_room_words_are_folded_and_no_letter_is_lost(width):
    summary = run_summary(outcome(validation_accuracy=Spread(0.5, 0.75, 1.0)))
    narrow, wide = ("".join(printed(summary, room).split()) for room in (width, 200))
    assert sorted(narrow) == sorted(wide)


def test_a_summary_reports_of_a_few_members_that_diverged_and_counts_all():
    diverged = [{"member": member, "step": 1000 * member, "layer": 2, "where": "z2"} for member in range(8)]
    text = " ".join(printed(run_summary(outcome(diverged=diverged)), 200).split())
    assert "8: member 0 after update 0 (layer 2, z2); member 1 after update 1,000 (layer 2, z2);" in text
    assert "member 4 after" in text and "member 5 after" not in text
    assert "and 3 more" in text
    text = printed(run_summary(outcome(diverged=diverged[:2])), 200)
    assert "2: member 0 after update 0 (layer 2, z2); member 1 after update 1,000 (layer 2, z2)\n" in text


def test_every_reason_to_end_has_its_words():
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
def test_claims_report_the_whole_record_at_any_width(width):
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


def test_the_best_convention_is_that_of_the_largest_share():
    shares = {"many": Share(10, 100, None, "disagrees"), "few": Share(5, 5, None, "agrees")}
    assert "few (the best of 2 conventions)" in printed(claims_table([verdict(conventions=shares)]))


HEAD = ["optimizer.learning_rate", "layers", "least_of_all", "rows"]
CELLS = [["1.234e-07", "784-100-10 and many words", "0.9000", "1,200"], ["0.1", "auto-8-auto", "-5.9e+105", "5"]]


@pytest.mark.parametrize("width", range(24, 90))
def test_no_number_is_broken_and_no_letter_is_lost_at_any_width(width):
    are_texts = [False, True, False, False]
    text = printed(fitted_table(HEAD, CELLS, are_texts), width)
    assert_fits(text, width)
    assert "…" not in text and ("─" in text) == (width >= 39)
    for row in CELLS:
        assert {cell for cell, is_text in zip(row, are_texts, strict=True) if not is_text} <= {*text.split()}
    for told in (*HEAD, *(row[1] for row in CELLS)):
        assert not Counter(told.replace(" ", "")) - Counter(text)
    if width >= 39:
        assert {word for name in HEAD for word in words(name.replace("_", " "))} <= {*words(text.replace("_", " "))}


def test_a_heading_is_whole_where_there_is_room():
    assert printed(fitted_table(HEAD, CELLS, [True] * 4), 90).splitlines()[0].split() == HEAD
    assert printed(fitted_table(HEAD, [], [True] * 4), 90).splitlines()[0].split() == HEAD


def test_a_heading_may_be_empty_on_a_narrow_screen_too():
    text = printed(fitted_table(["", "rows of a class"], [["plum", "1,234"]], [True, False]), 12)
    assert text.splitlines()[0].split() == ["rows"] and text.splitlines()[-1].split() == ["plum", "1,234"]


@pytest.mark.parametrize("width", range(20, 60))
def test_names_and_numbers_beside_one_another_are_whole_at_any_width(width):
    told = [("mean absolute error", "-1.234e+105 and 5.678e-112"), ("R²", "0.913 on 1,234,567 rows")]
    text = printed(pairs(told), width)
    assert_fits(text, width)
    assert sorted(text.split()) == sorted(" ".join(map(" ".join, told)).split())


EVERYTHING = {
    "fitted": fitted_table(HEAD, CELLS, [False, True, False, False]),
    "summary": run_summary(outcome()),
    "convergence": object_convergence([0, 10], [[0.2, 0.9], [0.8, 0.3]]),
    "activations": activation_table(["cat"], [[0.9, 0.1]], [[0.8]]),
    "weights": weights_table("W1", [[-3.0, 0.1, 2.0]]),
    "claims": claims_table(VERDICTS),
}


@pytest.mark.parametrize("name", EVERYTHING)
def test_without_colors_the_same_is_reported(name):
    plain = printed(EVERYTHING[name])
    colored = printed(EVERYTHING[name], force_terminal=True, color_system="truecolor")
    without = printed(EVERYTHING[name], force_terminal=True, color_system="truecolor", no_color=True)
    assert not ESCAPE.search(plain)
    assert ESCAPE.sub("", colored) == ESCAPE.sub("", without) == plain
    codes = {code for codes in ESCAPE.findall(without) for code in codes.split(";")}
    assert codes <= {"", "0", "1"}  # bold at most


def test_a_terminal_without_unicode_gets_characters_that_it_has():
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
