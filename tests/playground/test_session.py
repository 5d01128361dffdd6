import json
import subprocess
import sys
import time

import numpy as np
import pytest
from playground_examples import decode
from refusals import refuses

from deltarule.engines.reference import ReferenceEngine
from deltarule.errors import BadInput
from deltarule.playground import picture, workbench
from deltarule.problem.state import initial_state
from deltarule.recipes import dataset_of, load_recipe, problem_of
from deltarule.training.train import train

POINTS = "x,y,class\n" + "\n".join(f"{n % 7},{n % 5},{'a' if n % 3 else 'b'}" for n in range(30))


def test_settings(session):
    settings = session.command("settings", {})
    shown = {one["key"]: one for one in session.command("catalog", {})["settings"]}
    assert set(shown) <= set(settings["values"]) and "adaptive" not in shown["optimizer.schedule"]["choices"]


def test_own_rows_are_deleted_at_the_end(session):
    session.command("own-data", {"csv": POINTS})
    moment = session.workbench.moment
    assert (moment.dataset.classes, moment.dataset.features) == (("a", "b"), ("x", "y"))
    session.command("step", {"updates": 3})
    assert session.workbench.moment.state.step == 3
    folder = moment.recipe.configuration.data.file.rpartition("/")[0]
    session.close()
    assert not __import__("os").path.exists(folder)


def test_explained_gradient(session):
    session.command("step", {"updates": 4})
    _, arrays = decode(session.frame({}))
    explained = session.command("explain", {"quantity": "∂J/∂W1", "index": [1, 2]})
    assert explained["value"] == pytest.approx(arrays["gradient"][1 * 4 + 2], rel=1e-5)


def test_a_number_varies(session):
    session.command("change", {"settings": {"optimizer.name": "momentum"}})
    session.command("change", {"settings": {"grid": {"optimizer.name.momentum": [0, 0.5]}}})
    assert session.workbench.moment.problem.numbers["momentum"].tolist() == [0, 0, 0, 0.5, 0.5, 0.5]
    header, _ = decode(session.frame({"member": 4}))
    assert header["varied"] == ["0", "0.5"] and header["multiples"] == [0, 1, 2, 3, 4, 5]
    session.command("change", {"settings": {"grid": {}}})
    assert session.workbench.moment.problem.members == 3


def test_story(session):
    session.command("story", {"name": "07-momentum"})
    assert session.workbench.moment.problem.members == 4
    with refuses("momentum"):
        session.command("story", {"name": "momentum"})


def test_data_change_while_a_frame_is_drawn(session, monkeypatch):
    def draw(*given):
        session.command("change", {"settings": {"data.name": "iris"}})
        return drawn(*given)

    drawn = picture.draw
    monkeypatch.setattr(picture, "draw", draw)
    header, arrays = decode(session.frame({}))
    assert header["version"] < session.workbench.version and arrays["theta"].size == 2 * 4 + 4 + 4 * 2 + 2


def test_exported_recipe(session, tmp_path):
    session.command("step", {"updates": 12})
    (tmp_path / "recipe.toml").write_text(session.command("export", {"kind": "recipe"})["text"], encoding="utf-8")
    recipe = load_recipe(tmp_path / "recipe.toml")
    run = train(problem_of(recipe, dataset_of(recipe)), engine="reference", max_steps=12)
    np.testing.assert_array_equal(run.state.theta, session.workbench.moment.state.theta)


def test_exported_script(session, tmp_path):
    session.command("step", {"updates": 5})
    export = session.command("export", {"kind": "script"})
    (tmp_path / export["name"]).write_text(export["text"], encoding="utf-8")
    done = subprocess.run([sys.executable, export["name"]], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "5" in done.stdout


def test_exported_weights(session):
    session.command("step", {"updates": 6})
    export = session.command("export", {"kind": "weights", "member": 2, "step": 3})
    problem = session.workbench.moment.problem
    expected, _ = ReferenceEngine().advance(problem, initial_state(problem), 3)
    table = json.loads(export["text"])
    assert table["step"] == 3
    assert np.concatenate([np.ravel(array) for array in table["parameters"].values()]).tolist() == (
        expected.theta[2].tolist()
    )


@pytest.mark.parametrize(
    ("name", "table", "sentence"),
    [
        ("step", {"updates": 10**9}, "updates is 1000000000"),
        ("why", {"member": "1"}, "give a whole number"),
        ("why", {"step": 1.5}, "give a whole number"),
        ("change", {"settings": {"optimizer.learning_rate": "fast"}}, "optimizer.learning_rate"),
        ("change", {"settings": {"run.seeds": 100_000}}, "networks"),
        ("change", {"settings": {"grid": {"optimizer.learning_rate": "1"}}}, "optimizer.learning_rate"),
        ("edit", {"place": 10**6, "value": 1.0}, "place is 1000000"),
        ("edit", {"place": 0, "value": float("inf")}, "a finite number"),
        ("own-data", {"csv": "x,y\n1"}, "no row of"),
        ("own-data", {"csv": "x,y\n1,2\n", "target": "z"}, "'z'"),
        ("explain", {"quantity": "J", "index": [], "sample": 999}, "sample is 999"),
        ("formula", {"kind": "loss", "function": "p -", "derivative": "p"}, "it ends too early"),
    ],
)
def test_bad_command(session, name, table, sentence):
    session.command("step", {"updates": 2})
    before = session.workbench.moment
    with pytest.raises(BadInput, match=sentence):
        session.command(name, table)
    after = session.workbench.moment
    assert (after.recipe, after.dataset, after.state.step) == (before.recipe, before.dataset, 2)


@pytest.mark.slow
def test_formula(session):
    wrong = {"kind": "activation", "function": "tanh(z)", "derivative": "a^2 - 1"}
    answer = session.command("formula", wrong)
    assert answer["text"].startswith("Wrong at 25 of 25 points") and "has the wrong sign" in answer["text"]
    assert session.workbench.moment.problem.network.activations[1].name == "yours"
    session.command("formula", {"kind": "activation", "function": None})
    assert session.workbench.moment.problem.network.activations[1].name == "tanh"


def test_typed_formula_survives_a_grid_and_no_other_story(session):
    def is_typed():
        return session.workbench.moment.problem.network.activations[1].name == "yours"

    session.command("formula", {"kind": "activation", "function": "z", "derivative": "1"})
    session.command("change", {"settings": {"grid": {"optimizer.learning_rate": [0.1, 0.2]}}})
    assert is_typed()
    session.command("story", {"name": "03-too-high-a-rate"})
    assert not is_typed()


def test_criterion_is_kept_when_a_key_is_varied(session):
    session.command("story", {"name": "08-overfitting"})
    criterion = session.workbench.moment.recipe.configuration.study.criterion
    session.command("change", {"settings": {"grid": {"optimizer.learning_rate": [0.1, 0.2]}}})
    assert criterion is not None and session.workbench.moment.recipe.configuration.study.criterion == criterion


def test_whole_number_of_the_page_is_whole_however_it_is_written(session):
    session.command("change", {"settings": {"optimizer.batch_size": 10.0}})
    assert session.workbench.moment.problem.batch_size == 10


def test_why(session):
    session.command("change", {"settings": {"network.initial_scale": 0, "network.initializer": "zeros"}})
    session.command("step", {"updates": 60})
    answer = session.command("why", {"member": 1})
    assert answer["header"].startswith("Examined 1 of 3 members")
    assert answer["findings"] and all(one["fix"] for one in answer["findings"])


def test_training_pauses_when_no_page_asks_for_anything(session, monkeypatch):
    monkeypatch.setattr(workbench, "PAGE_PATIENCE_SECONDS", 0.2)
    session.command("play", {})
    assert session.workbench.is_playing  # nobody has a page yet, as in a script
    session.respond("frame", {}, timeout=0.01)
    deadline = time.monotonic() + 60
    while session.workbench.is_playing and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not session.workbench.is_playing


def test_speed_changes_a_training_but_starts_none(session):
    session.command("speed", {"updates_per_second": 5})
    assert not session.workbench.is_playing and session.workbench.moment.state.step == 0


@pytest.mark.slow
def test_grids_of_too_many_members_are_refused_by_their_size(session):
    grid = {"optimizer.learning_rate": [0.001 + n * 1e-6 for n in range(300_000)]}
    with refuses("300,000", "10,000"):
        session.command("change", {"settings": {"grid": grid}})
