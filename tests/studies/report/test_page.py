import contextlib
import re
import shlex
import shutil
import subprocess
import sys

import numpy as np
import pytest

from deltarule.array_files import load_arrays
from deltarule.json_files import write_json
from deltarule.recipes import (
    Population,
    dataset_of,
    load_recipe,
    problem_of,
    training_of,
    with_experiment,
    with_settings,
)
from deltarule.reports.notebook import sweep_html
from deltarule.reports.report import report_page
from deltarule.reports.svg_embed import figure_html
from deltarule.stats.effects import effects, mean_unless_diverged
from deltarule.stats.ranking import ranking
from deltarule.studies.report.page import report_of, write_report
from deltarule.studies.report.record_blocks import _effect_table, _ranking_table, study_arguments
from deltarule.studies.run_records import SUMMARY, write_records
from deltarule.studies.runner import outcome_of
from deltarule.studies.sweep_study import sweep
from deltarule.sweeps.result import load_sweep
from deltarule.training.train import train


def written(folder, study, experiment=None, **settings):
    recipe = load_recipe(study)
    recipe = with_settings(recipe if experiment is None else with_experiment(recipe, experiment), settings)
    dataset = dataset_of(recipe)
    problem = problem_of(recipe, dataset)
    record = ["outputs"] if problem.network.parameters < 100 else []
    run = train(problem, **training_of(recipe, dataset, problem), record=record)
    write_records(folder, Population(recipe, dataset, problem, np.zeros(problem.members, np.int64)), run)
    write_json(folder / SUMMARY, outcome_of(recipe, dataset, run))
    return run


NO_CLAIMS = {"study": "mine", "data": "mine", "date": "today", "seeds": 1, "engine": "reference", "seconds": 0.0}
NO_CLAIMS |= {"made": {"processor": "one", "threads": 1, "dtype": "float64", "versions": {}}, "claims": []}
JUDGED = {"id": "mine-1", "claim": "It learns.", "report": "all", "criterion": "it does", "needed": 0.5}
JUDGED |= {"verdict": "not testable here", "readings": {}, "controls": [], "remark": "all"}
JUDGED |= {"contradicts_itself": "", "changed": ""}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained")
    written(folder / "encoder", "encoder", "rate-1", **{"run.seeds": 2, "stopping.max_steps": 200})
    return folder


@pytest.fixture
def encoder(trained, tmp_path):
    """A folder of its own with a run in it."""
    shutil.copytree(trained / "encoder", tmp_path / "encoder")
    return tmp_path


@pytest.mark.slow
@pytest.mark.filterwarnings("error")
def test_page_of_diverged_run(tmp_path):
    """Its numbers are too large to be squared, for a cell, and for a whole number."""
    settings = {"network.layers": [2, 3, 1], "network.activation": "relu", "network.output": "identity"}
    settings |= {"loss.name": "squared_error", "optimizer.name": "sgd", "optimizer.learning_rate": 1e6}
    run = written(tmp_path / "xor", "boundary-xor", **settings, **{"run.seeds": 2, "stopping.max_steps": 200})
    assert set(run.reasons) == {"diverged"} and np.abs(run.parameters["W1"]).max() > 1e10
    page = write_report(tmp_path).read_text(encoding="utf-8")
    assert "2 diverged" in page and not re.search(r"\d{30}", page)
    [section] = report_of(tmp_path).sections
    assert ("objective", "diverged") in section.blocks[0].facts


def titles(block):
    return [one.title for one in block.figures]


@pytest.mark.slow
def test_block_of_a_run(encoder):
    report = report_of(encoder)
    assert report.unfinished == []
    [section] = report.sections
    assert section.title == "encoder: The 8-3-8 one-hot encoder"
    [block] = section.blocks
    assert titles(block)[0] == "Objective"
    assert {"Activations of each input", "Weights and biases", "Network 8-3-8"} <= set(titles(block))
    assert len(block.assumed) == len(load_recipe("encoder").configuration.assumption) > 0
    [command] = block.commands
    words = "deltarule run encoder --experiment rate-1 --set run.seeds=2 --set stopping.max_steps=200 --engine"
    assert command.rpartition(" ")[0] == words
    assert f"{command.rpartition(' ')[2]} engine" in dict(block.facts)["networks"]


@pytest.mark.slow
def test_title_and_summary_of_own_study(tmp_path):
    recipe = '[study]\ntitle = "Two <b>bits</b>"\nsummary = "What one layer cannot."\n[data]\nname = "xor"\n'
    recipe += "[network]\nlayers = [2, 1]\n[stopping]\nmax_steps = 1\n"
    for name, text in {"own": recipe, "bare": recipe.partition("\n[data]")[2].join(["[data]", ""])}.items():
        (tmp_path / f"{name}.toml").write_text(text, encoding="utf-8")
        written(tmp_path / name, str(tmp_path / f"{name}.toml"))
    report = report_of(tmp_path)
    told = [(section.title, section.about) for section in report.sections]
    assert told == [("bare", ""), ("own: Two <b>bits</b>", "What one layer cannot.")]
    assert "own: Two &lt;b&gt;bits&lt;/b&gt;" in report_page(report)


@pytest.mark.slow
def test_object_names_in_figures(encoder):
    """The one-hot vectors are 0 to 7, as rows, inputs and outputs; the hidden units h1 to h3."""
    [block] = report_of(encoder).sections[0].blocks
    rows, hidden = [str(number) for number in range(8)], ["h1", "h2", "h3"]
    labels, heads = block.through.labels, block.through.heads
    assert {name: list(labels[name]) for name in labels} == {"W1": rows, "W2": hidden, "a1": rows, "a2": rows}
    assert {name: list(heads[name]) for name in ("W1", "b1", "a1")} == dict.fromkeys(("W1", "b1", "a1"), hidden)
    assert {name: list(heads[name]) for name in ("W2", "b2", "a2")} == dict.fromkeys(("W2", "b2", "a2"), rows)
    for title in ("Activations of each input", "Weights and biases"):
        [drawn] = [one for one in block.figures if one.title == title]
        texts = re.findall(r">([^<>]+)</", figure_html(drawn))
        assert {*rows, *hidden} <= set(texts) and "8" not in texts, title


def test_command_names_the_study_and_its_experiments():
    run = {"study": "encoder", "experiment": "rate-1, cross-entropy"}
    assert study_arguments(run) == ["encoder", "--experiment", "rate-1", "--experiment", "cross-entropy"]
    assert study_arguments({"study": "mine", "experiment": None}) == ["mine.toml"]


@pytest.mark.slow
def test_the_command_repeats_the_run(encoder, tmp_path):
    [command] = report_of(encoder).sections[0].blocks[0].commands
    words = [sys.executable, "-m", "deltarule", *shlex.split(command)[1:], "--out", tmp_path / "again"]
    subprocess.run(words, check=True, capture_output=True)
    first, again = (load_arrays(tmp_path / name / "arrays.safetensors")[0] for name in ("encoder", "again"))
    for name in ("theta", "steps", "seeds", "history objective"):
        assert np.array_equal(first[name], again[name])


@pytest.mark.slow
def test_boundary_and_plane_of_two_inputs(tmp_path):
    written(tmp_path / "xor", "boundary-xor", **{"run.seeds": 1, "stopping.max_epochs": 50})
    [block] = report_of(tmp_path).sections[0].blocks
    assert "True beside predicted classes" in titles(block)
    assert block.through.plane.shape == (len(block.through.steps), 41, 41)
    assert len(block.through.points) == 21
    [drawn] = [one for one in block.figures if one.title == "True beside predicted classes"]
    rows = drawn.table().cells
    assert names_of(drawn.table()) == ["x0", "x1", "true", "predicted", "output"] and len(rows) == 21
    assert [row[3] for row in rows] == ["01"[float(row[4]) > 0.5] for row in rows]


def names_of(table):
    return [column.name for column in table.columns]


@pytest.mark.slow
def test_a_sweep_is_ranked_first_and_last(tmp_path):
    grid = {"optimizer.learning_rate": [0.1, 0.5, 1.0], "network.activation": ["tanh", "sigmoid"]}
    recipe = with_settings(load_recipe("boundary-xor"), {"stopping.max_epochs": 5, "run.seeds": 2})
    with contextlib.closing(sweep(recipe, grid, out=tmp_path / "sweep")) as table:
        [best] = table.configurations(1)
        diverged = table.diverged
    [block] = report_of(tmp_path).sections[0].blocks
    figures = {one.title: one for one in block.figures}
    ranked = figures["Is the winner more than noise?"]
    rate, activation = best.settings["optimizer.learning_rate"], best.settings["network.activation"]
    assert f"{rate:g}" in ranked.description and activation in ranked.description
    assert names_of(ranked.table())[-3:] == ["behind the first", "± of the mean", "mean"]
    assert ranked.table().cells[0][-1] == f"{best.mean:.4f}" and len(ranked.table().cells) == 6
    assert "What each parameter is worth" in figures
    facts = dict(block.facts)
    assert facts["rows"] == f"12, {diverged} of them diverged"
    assert facts["configurations"] == "6, over 2 folds and seeds"


@pytest.mark.slow
def test_tied_configurations_are_ranked_as_in_the_table(tmp_path):
    """All of them are right about every row; of these the one with the least objective is first."""
    settings = {"network.layers": [2, 8, 1], "network.activation": "tanh", "stopping.threshold": "none"}
    recipe = with_settings(load_recipe("boundary-linear"), settings | {"run.seeds": 2})
    grid = {"optimizer.learning_rate": [0.5, 1.0], "stopping.max_epochs": [800]}
    with contextlib.closing(sweep(recipe, grid, out=tmp_path / "sweep")) as table:
        ranked, in_notebook = table.configurations(), sweep_html(table)
    assert re.findall(r"<tr><td>\d: ([\d.]+)<", in_notebook) == [
        f"{one.settings['optimizer.learning_rate']:g}" for one in ranked
    ]
    assert {one.mean for one in ranked} == {1.0} and ranked[0].configuration > ranked[-1].configuration
    [block] = report_of(tmp_path).sections[0].blocks
    [drawn] = [one for one in block.figures if one.title == "Is the winner more than noise?"]
    assert [row[0] for row in drawn.table().cells] == [f"{one.settings['optimizer.learning_rate']:g}" for one in ranked]


@pytest.mark.parametrize("missing", [-np.inf, -1e304])
def test_diverged_configurations_have_no_mean(missing):
    settings = [{"rate": rate} for rate in (0.1, 1.0, 10.0)]
    scores = np.array([[0.5, 0.6, 0.55, 0.5], [0.7, 0.8, 0.75, 0.7], [missing, missing, 0.95, 0.94]])
    table = _ranking_table(settings, ranking(scores), {"test": mean_unless_diverged(scores)})
    rows = table.cells
    assert names_of(table) == ["rate", "test", "behind the first", "± of the mean", "mean"]
    assert [row[1] for row in rows] == [row[-1] for row in rows] == ["0.7375", "0.5375", ""]
    assert rows[2] == ["10", "", "", "", ""]
    found = effects(settings, scores)
    table = _effect_table(found)
    assert names_of(table)[-1] == "diverged" and table.cells[2][1:] == ["10", "not estimated", "2 of 4"]
    assert found.without_effect.endswith(": rate 10.")


@pytest.mark.slow
def test_sweep_commands_repeat_it(deltarule, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.toml").write_text(
        '[data]\nname = "xor"\n[network]\nlayers = [2, 3, 1]\noutput = "sigmoid"\n[stopping]\nmax_steps = 5\n'
        '[run]\nseeds = 2\n[grid]\n"optimizer.learning_rate" = [0.1, 1.0]\n',
        encoding="utf-8",
    )
    given = ["--folds 3 --keep", "--folds 3 --set stopping.max_steps=9 --keep --resume"]
    for words in given:
        assert deltarule("sweep", "mine.toml", "--out", "first", *words.split())[0] == 0
    [block] = report_of("first").sections[0].blocks
    assert block.commands == [
        "deltarule sweep mine.toml --folds 3 --keep",
        "deltarule sweep mine.toml --set stopping.max_steps=9 --folds 3 --keep",
    ]
    assert dict(block.facts)["table"] == "deltarule sweep --table first prints it"
    for command in block.commands:
        assert deltarule(*shlex.split(command)[1:], "--out", "again", "--resume")[0] == 0
    with contextlib.closing(load_sweep("first")) as first, contextlib.closing(load_sweep("again")) as again:
        assert [row["key"] for row in again.rows()] == [row["key"] for row in first.rows()]


@pytest.mark.slow
def test_runs_are_compared(encoder):
    written(encoder / "slow", "encoder", "rate-0.1", **{"run.seeds": 2, "stopping.max_steps": 200})
    *_, block = report_of(encoder).sections[0].blocks
    assert block.title == "Variants of encoder beside one another"
    assert [row[:2] for row in block.table.rows] == [
        ["learning rate 1, max steps 200", "2"],
        ["learning rate 0.1, max steps 200", "2"],
    ]
    assert "Median objective by learning rate" in titles(block)


@pytest.mark.slow
def test_page_of_a_reproduction(encoder):
    """A folder for each study, and reproduce.json beside them."""
    for study in ("encoder", "other"):
        claims = NO_CLAIMS | {"study": study, "claims": [JUDGED], "notes": ["rows stand in"]}
        (encoder / study).mkdir(exist_ok=True)
        write_json(encoder / study / "claims.json", claims)
    studies = [{"study": "encoder", "seconds": 60.0}, {"study": "other", "seconds": 30.0}]
    record = {
        "seconds": 30.0,
        "studies": studies,
        "left_out": ["encoder: 20 seeds in place of 100"],
        "missing": ["mnist"],
    }
    write_json(encoder / "reproduce.json", record)
    report = report_of(encoder)
    assert report.notes == ["Reproduced in 1.5 minutes.", "Left out by --quick: encoder: 20 seeds in place of 100."]
    assert report.unfinished[-1] == "not reproduced yet: mnist"
    assert [section.title.partition(":")[0] for section, _, _ in report.claims] == ["encoder", "other"]
    claims, run = report.sections[0].blocks
    assert (bool(claims.assumed), bool(run.assumed)) == (False, True), "told once"
    page = write_report(encoder).read_text(encoding="utf-8")
    assert page.index("not reproduced yet: mnist") < page.index("The claims") < page.index("Run of encoder")


def test_page_of_empty_folder(tmp_path):
    page = write_report(tmp_path).read_text(encoding="utf-8")
    assert "Unfinished." in page and "there are no records here yet" in page


@pytest.mark.parametrize("name", ["run.json", "recipe.json", "arrays.safetensors", "portrait.safetensors"])
@pytest.mark.parametrize("content", [b"", b"{}", b"[1, 2]"])
def test_damaged_records_are_named(encoder, name, content):
    (encoder / "whole").mkdir()
    write_json(encoder / "whole" / "claims.json", NO_CLAIMS | {"claims": [JUDGED]})
    (encoder / "encoder" / name).write_bytes(content)
    report = report_of(encoder)
    [told] = report.unfinished
    assert told.startswith("encoder/run.json cannot be read: ")
    assert [section.title.partition(":")[0] for section in report.sections] == ["mine"]
