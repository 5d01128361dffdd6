import json
import os
import re
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
from refusals import refuses
from scripts import benchmark

import deltarule
from deltarule.errors import BadInput
from deltarule.json_files import to_jsonable
from deltarule.symptoms.causes import CAUSES
from deltarule.symptoms.report import Finding, WhyReport

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "reference" / "why-not-learning.md").read_text(encoding="utf-8")
BENCHMARK = ROOT / "benchmarks" / "why_not_learning.py"
CODES = list(dict.fromkeys(cause.code for cause in CAUSES))

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(60, 2))
Y = X.sum(1, keepdims=True)


def run_of(steps=200, **given):
    problem = deltarule.create_problem(deltarule.Network([2, 6, 1], "tanh"), X, Y, **given)
    return deltarule.train(problem, max_steps=steps, engine="reference")


MIXED = run_of(learning_rate=[0.1, 1e-6, 1e-6, 1e5], seeds=[1, 2, 5, 4])


def test_most_frequent_cause_comes_first():
    report = deltarule.why_not_learning(MIXED)
    assert report.members == (0, 1, 2, 3) and report.of == 4
    low, *others = report.findings
    assert low.code == "rate_too_low" and sorted(low.members) == [1, 2] and others[0].code == "rate_too_high"
    assert low.sentence == deltarule.why_not_learning(MIXED, [low.members[0]]).findings[0].sentence
    assert [round(skill, 1) for skill in report.skill[:1]] == [1.0] and report.skill[3] == -np.inf


def test_unknown_member_is_refused():
    with refuses([4]):
        deltarule.why_not_learning(MIXED, [4])


def test_diverged_members():
    diverged, unknown, learned = -np.inf, np.nan, 0.9
    assert "is not known" in WhyReport((), (0, 1), 2, (diverged, unknown)).header
    assert "1 of them avoid" in WhyReport((), (0, 1), 2, (learned, unknown)).header
    assert "0 of them avoid" in WhyReport((), (0, 1), 2, (diverged, diverged)).header


def test_other_objects_are_refused():
    with refuses("str", "`train`"):
        deltarule.why_not_learning("runs/encoder")


SIDES = (X[:, :1] > 0) * 1.0
OF_NUMBERS = {
    "targets_out_of_range": {"outputs": np.full((60, 1), 0.999), "targets": 3 + X[:, :1], "inputs": X},
    "shuffled_labels": {"outputs": np.zeros(60), "targets": RANDOM.permutation(X[:, 0]), "inputs": X},
    "unscaled_inputs": {"outputs": np.zeros(60), "targets": X[:, 0], "inputs": 300 * X},
    "class_never_predicted": {"outputs": np.full((60, 1), 0.2), "targets": SIDES},
    "unscaled_targets": {"outputs": X[:, 1], "targets": 200_000 + 50_000 * X[:, 0]},
    "zero_weights": {"weights": [np.zeros((2, 6)), np.zeros((6, 1))]},
    "symmetric_weights": {"weights": [np.full((2, 6), 0.5), np.full((6, 1), 0.5)], "inputs": X},
}


@pytest.mark.parametrize("code", OF_NUMBERS)
def test_numbers_from_elsewhere(code):
    report = deltarule.why_not_learning(**OF_NUMBERS[code])
    assert [finding.code for finding in report][:1] == [code]
    right = {"outputs": SIDES, "targets": SIDES, "inputs": X, "weights": [X[:2], X[2:4]]}
    assert not deltarule.why_not_learning(**right) and deltarule.why_not_learning(**right).skill == (1.0,)


@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        ({"outputs": X}, "outputs alone show nothing; give outputs with targets"),
        ({"weights": [np.ones((6, 2)), np.ones((1, 6))]}, "a matrix of .units, inputs. as its .T"),
        ({"outputs": X, "targets": X[:, 0], "inputs": X}, "have the shapes"),
        ({"outputs": X, "targets": X * np.nan, "inputs": X}, "targets holds float64"),
        ({"outputs": X, "targets": X, "inputs": X[:9]}, "have the shapes"),
    ],
)
def test_bad_numbers_are_refused(numbers, message):
    with pytest.raises(BadInput, match=message):
        deltarule.why_not_learning(**numbers)


def test_estimator_is_examined_with_its_rows():
    labels = np.where(SIDES[:, 0] > 0, "yes", "no")
    model = deltarule.MLPClassifier(hidden_layer_sizes=(6,), max_iter=3, random_state=0).fit(300 * X, labels)
    assert deltarule.why_not_learning(model, 300 * X, labels).findings[0].code == "unscaled_inputs"
    with pytest.raises(BadInput):
        deltarule.why_not_learning(model, X, np.full(60, "perhaps"))
    line = deltarule.MLPRegressor(hidden_layer_sizes=(6,), max_iter=300, random_state=0).fit(X, X[:, 0])
    assert not deltarule.why_not_learning(line, X, X[:, 0])


def test_untrained_run():
    report = deltarule.why_not_learning(run_of(steps=0, learning_rate=0.1, seeds=[1, 2]))
    assert not report and str(report) == "Examined nothing: no update was made, so that nothing was trained."
    assert json.loads(json.dumps(to_jsonable(report), allow_nan=False)) == {
        "findings": [],
        "members": [],
        "of": 2,
        "skill": [],
    }


@pytest.mark.slow
def test_many_members_are_sampled():
    report = deltarule.why_not_learning(run_of(steps=5, seeds=range(70), learning_rate=0.1))
    assert len(report.members) == 32 and report.members[0] == 0 and report.members[-1] == 69
    assert "32 of 70 members" in report.header


@pytest.mark.slow
@pytest.mark.parametrize("width", [40, 100])
def test_terminal_text(width):
    lines = deltarule.why_not_learning(MIXED).text(width).splitlines()
    assert max(map(len, lines)) <= width
    told = " ".join(" ".join(lines).split())
    assert "1. rate_too_low: in 2 of 4 members" in told and "Fix: raise the rate" in told
    assert str(deltarule.why_not_learning(MIXED)) == deltarule.why_not_learning(MIXED).text(100)


def test_notebook_html():
    finding = Finding("code", "a < b", "c & d", (0,))
    report = WhyReport((finding,), (0,), 1, (0.25,))
    html = report._repr_html_()
    assert "a &lt; b" in html and "c &amp; d" in html and "25%" in html and html.count("<tr>") == 2
    assert html.count('style="text-align:left"') == 6  # prose in a notebook's table is flush right else
    assert "<table>" not in WhyReport((), (0,), 1, (1.0,))._repr_html_()


def test_report_as_json():
    record = json.loads(json.dumps(to_jsonable(deltarule.why_not_learning(MIXED)), allow_nan=False))
    assert record["findings"][0].keys() == {field.name for field in fields(Finding)}
    assert record["skill"][3] is None  # diverged


def sections():
    return dict(re.findall(r"^## `(\w+)`\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL))


def test_page_has_every_cause():
    assert list(sections()) == CODES
    for code, text in sections().items():
        assert f"```{{fix}} {code}\n" in text
        assert f"'{code}'" in text.split(">>> first(")[1]  # what it prints is checked where documents are


def test_benchmark_plants_every_cause():
    module = benchmark("why_not_learning")
    assert sorted(module.PLANTS) == sorted(CODES)
    assert set(module.DATA["final"]) > set(module.DATA["development"])


@pytest.mark.slow
def test_small_benchmark(tmp_path):
    words = ["--set", "development", "--runs", "2", "--healthy", "3", "--json", str(tmp_path / "found.json")]
    words += ["--causes", "rate_too_high", "shuffled_labels", "nothing"]
    command = [sys.executable, str(BENCHMARK), *words]
    done = subprocess.run(
        command, capture_output=True, check=True, encoding="utf-8", env=os.environ | {"PYTHONUTF8": "1"}
    )
    assert "4 of 4 named first" in done.stdout and "0 of 3 accused" in done.stdout
    found = json.loads((tmp_path / "found.json").read_text(encoding="utf-8"))
    assert [one["first"] for one in found] == [
        {"rate_too_high": 2},
        {"shuffled_labels": 2},
        {"nothing": 3},
    ]
