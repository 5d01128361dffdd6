import numpy as np
import pytest
from playground_examples import decode

import deltarule
from deltarule.errors import BadInput
from deltarule.playground.play import answer, open_session, recipe_to_play
from deltarule.recipes import dataset_of, problem_of


@pytest.mark.parametrize("what", [None, "encoder", "boundary-xor", "iris", "diabetes", "one_hot", "momentum"])
def test_playable_names(what):
    recipe = recipe_to_play(what)
    assert problem_of(recipe, dataset_of(recipe)).members >= 1


@pytest.mark.parametrize(
    ("target", "output"), [("kind", "softmax"), ("length", "identity")], ids=["classes", "numbers"]
)
def test_table_target(tmp_path, target, output):
    file = tmp_path / "fruit.csv"
    rows = [f"{100 + n},{7 + n / 7},{'apple' if n % 2 else 'pear'}" for n in range(40)]
    file.write_text("\n".join(["weight,length,kind", *rows]), encoding="utf-8")
    if target == "length":
        file.write_text("\n".join(["weight,length", *(row.rpartition(",")[0] for row in rows)]), encoding="utf-8")
    session = open_session(file, target)
    network = session.workbench.moment.problem.network
    assert network.output.name == output and network.inputs == (2 if target == "kind" else 1)
    session.close()


@pytest.mark.slow
def test_texts_and_gaps_of_a_table(tmp_path):
    colors, answers = ("red", "green", "blue"), ("no", "yes", "no")
    rows = [f"{n if n % 9 else ''},{colors[n % 3]},{answers[n % 3]}" for n in range(60)]
    (tmp_path / "mine.csv").write_text("\n".join(["size,color,bought", *rows, "3,red,"]), encoding="utf-8")
    session = open_session(tmp_path / "mine.csv", "bought")
    dataset = session.workbench.moment.dataset
    assert dataset.classes == ("no", "yes") and len(dataset.train) == 60
    session.command("step", {"updates": 300})
    assert session.workbench.moment.values["accuracy"].max() == 1, "the color tells it"
    session.command("change", {"settings": {"data.split.test": 0.25}})
    assert len(session.workbench.moment.dataset.test) == 15
    session.close()


@pytest.mark.parametrize(
    ("what", "target", "sentence"),
    [
        ("nothing", None, "there is nothing called 'nothing'"),
        ("missing.csv", "y", "missing.csv"),
        ("missing.toml", None, "missing.toml"),
        ("iris", "kind", "--target names a column of a table"),
    ],
)
def test_unplayable_input(what, target, sentence):
    with pytest.raises(BadInput, match=sentence):
        open_session(what, target)


def test_frame_is_sent_once(session):
    reply, [frame] = answer(session, {"id": 1, "name": "frame", "table": {}})
    header, arrays = decode(frame)
    np.testing.assert_array_equal(arrays["theta"], session.workbench.moment.state.theta[0].astype(np.float32))
    seen = [header["last_step"], header["version"], 0]
    assert answer(session, {"id": 2, "name": "frame", "table": {"seen": seen}}) == ({"id": 2, "result": None}, [])
    session.command("step", {})
    assert answer(session, {"id": 3, "name": "frame", "table": {"seen": seen}})[1]


def test_widget_module():
    anywidget = pytest.importorskip("anywidget")
    widget = deltarule.play("xor")
    try:
        assert isinstance(widget, anywidget.AnyWidget)
        assert "import " not in "\n".join(line for line in widget._esm.splitlines() if line.startswith("import"))
        assert "export default { render }" in widget._esm
        assert widget.session.workbench.moment.dataset.name == "xor"
    finally:
        widget.session.close()
