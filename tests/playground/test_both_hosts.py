"""What the page without Python accepts, refuses, computes and says is what the workbench in Python does."""

import json
import tempfile
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from node_process import NodeProcess, needs_node
from playground_examples import decode
from sklearn.model_selection import train_test_split

from deltarule.engines.reference import ReferenceEngine
from deltarule.errors import BadInput
from deltarule.json_files import to_jsonable
from deltarule.maths.network import views
from deltarule.playground import page_bundle
from deltarule.playground.custom_formulas import read_pair, with_formulas
from deltarule.playground.own_page import write_page
from deltarule.playground.play import recipe_to_play
from deltarule.playground.population import population_of
from deltarule.playground.rules import KNOWN, rules
from deltarule.playground.session import Session
from deltarule.playground.settings import list_stories
from deltarule.problem import registry
from deltarule.problem.configuration import parse_toml
from deltarule.problem.state import initial_state
from deltarule.recipes import Recipe, dataset_of, with_settings

pytestmark = needs_node
NEEDS_PYTHON = "deltarule play"
"""What a refusal of the page says where Python could do what is asked."""


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    file = write_page(recipe_to_play(), tmp_path_factory.mktemp("page") / "page.html")
    folder = (Path(page_bundle.__file__).parent / "page").as_uri()
    process = NodeProcess(Path(__file__).with_name("page_runner.mjs"), folder, str(file))
    yield process
    process.close()


def in_python(commands, steps):
    """What the workbench in Python makes of commands."""
    session = Session(recipe_to_play(), tempfile.TemporaryDirectory())
    answers = []
    try:
        session.command("change", {"settings": {"run.engine": "reference"}})
        for name, table in commands:
            try:
                answer = session.command(name, table)
                answers.append({"text": answer["text"] if isinstance(answer, dict) else None})
            except BadInput as error:
                answers.append({"refused": str(error)})
        if steps:
            session.command("step", {"updates": steps})
        workbench, moment = session.workbench, session.workbench.moment
        diverged = sorted(
            ([one.member, one.step, one.layer, one.where] for one in workbench.divergences.values()),
            key=lambda one: (one[1], one[0]),
        )
        return SimpleNamespace(
            answers=answers, theta=moment.state.theta, solved=moment.is_solved.tolist(), diverged=diverged
        )
    finally:
        session.close()


def agree(page, *commands, steps=3, rtol=1e-9):
    """Hold that both hosts make the same of commands; returns the page's answers."""
    commands = [("change", {"settings": {"run.seeds": 2}}), *commands]
    found, expected = page.ask({"commands": commands, "steps": steps}), in_python(commands, steps)
    for one, other in zip(found["answers"], expected.answers, strict=True):
        if NEEDS_PYTHON in one.get("refused", ""):
            assert "refused" not in other or "deltarule play" not in other["refused"]
            return found
        assert one.get("refused") == other.get("refused")
        # Python also names the mistake, below the verdict.
        assert (one.get("text") or "").partition("\n")[0] == (other.get("text") or "").partition("\n")[0]
    theta = np.array([[float(number) for number in member] for member in found["theta"]])
    np.testing.assert_allclose(theta, expected.theta, rtol=rtol, atol=rtol)
    assert found["solved"] == expected.solved
    assert found["diverged"] == expected.diverged
    return found


def change(**settings):
    return "change", {"settings": {key.replace("__", "."): value for key, value in settings.items()}}


VALUES = [
    *(None, "none", True, False, 0, 1, 2, 7.5, -1, 0.5, 1e9, 1e-7, 10, "x", "", [], [0.1, 0.2], [1, 1], {"name": "x"}),
    *(["auto", 3, "auto"], ["auto", "auto"], [2, 4, 2], [3, 4, 2], ["auto", 0, "auto"], "softmax", "sigmoid", "relu"),
    *({"name": "elu", "alpha": 2}, ["tanh"], ["tanh", "relu"], "zeros", {"name": "normal", "std": -1}, "he_normal"),
    *("huber", {"name": "huber", "delta": 0}, "l1", "L2", "momentum", {"name": "momentum", "momentum": 1}, "adamw"),
    *({"name": "adam", "beta_1": 0.5}, "step", {"name": "step", "every": 0}, {"name": "step", "per": "epoch"}),
    *("circles", {"name": "spirals", "noise": 0.2}, {"name": "xor", "noise": 0.2}, "moons", "adaptive", "unit"),
]
KEYS = sorted(
    KNOWN | {"data.split.test", "loss.label_smoothing", "stopping.max_steps", "learning_rate", "network.layer"}
)


@pytest.mark.slow
@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(key=st.sampled_from(KEYS), value=st.sampled_from(VALUES))
def test_any_value_of_any_key(page, key, value):
    if key not in ("data.file", "data.target"):  # the page has no files
        agree(page, change(**{key: value}), steps=2)


@pytest.mark.slow
@settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(key=st.sampled_from(KEYS), values=st.lists(st.sampled_from(VALUES), max_size=2))
def test_any_grid(page, key, values):
    if key not in ("data.file", "data.target", "data.name", "data.split"):  # Python varies data in a sweep alone
        agree(page, change(grid={key: values}), steps=2)


@pytest.mark.parametrize("share", [0.1, 0.25, 0.5, 17, 0.9999, 299, 300, 1.5, -0.1, 1])
def test_test_share(page, share):
    agree(page, change(data__split__test=share), steps=5)


def test_momentum_varies(page):
    agree(page, change(optimizer__name="momentum"), change(grid={"optimizer.momentum": [0, 0.5, 0.9]}), steps=30)
    found = agree(page, change(optimizer__name="momentum"), change(grid={"optimizer.momentum": [0, 0.9]}), steps=30)
    assert found["theta"][0] != found["theta"][2]


def test_a_varied_key_is_fixed_again_when_it_or_its_formula_is_set(page):
    varied = change(grid={"optimizer.name.beta1": [0.5, 0.9]})
    assert len(agree(page, varied, change(optimizer__name="sgd"))["theta"]) == 2
    assert len(agree(page, varied, change(optimizer__learning_rate=0.1))["theta"]) == 4


@pytest.mark.parametrize(
    ("kind", "function", "derivative"),
    [
        ("activation", "tanh(z)", "1 - a^2"),
        ("activation", "tanh(z)", "1 - z^2"),
        ("activation", "sqrt(z)", "0.5 / sqrt(z)"),
        ("activation", "z > 0", "0"),
        ("activation", "0 < z < 1", "0"),
        ("activation", "1_000 * z", "1000"),
        ("activation", "01 * z", "1"),
        ("activation", "z # the identity", "1"),
        ("activation", "log(z - 9)", "1 / (z - 9)"),
        ("activation", "exp(z,)", "a"),
        ("activation", "2 ^ -z ^ 2", "1"),
        ("loss", "(p - y)^2", "p - y"),
        ("loss", "-y * log(p)", "-y / p"),
        ("loss", "p", "z"),
    ],
)
def test_typed_formula(page, kind, function, derivative):
    agree(page, ("formula", {"kind": kind, "function": function, "derivative": derivative}), steps=3)


@pytest.mark.parametrize(
    ("name", "table"),
    [
        *(
            ("formula", {"kind": kind, "function": "z", "derivative": "1"})
            for kind in ("", "penalty", "__proto__", True)
        ),
        *(("formula", {"kind": "activation", "function": given, "derivative": "1"}) for given in (1, ["z"], "１*z")),
        *(("formula", {"kind": "activation", "function": "z\u00a0+ 1", "derivative": given}) for given in ("1", None)),
        *(("change", {"settings": settings}) for settings in (None, [], "x", 1, {"__proto__": 1}, {"a.toString": 1})),
        *(("change", {"settings": {"grid": {key: [1]}}}) for key in ("toString", "__proto__", "network.valueOf")),
        *(("change", {"settings": {key: "toString"}}) for key in ("optimizer.name", "loss.name", "data.name")),
        *(("change", {"settings": {key: "x"}}) for key in ("data.target", "network.activation.slope", "data.split")),
        ("change", {}),
        ("change", {"settings": {"network.layers": ["auto", *[0.5] * 40, "auto"]}}),
        *(("edit", {"place": place, "value": 1}) for place in (-1, 114, 10**6, "a", 0.5)),
        *(("edit", {"place": 0, **table}) for table in ({"value": "0,5"}, {"locked": "yes"}, {"member": "0"})),
        *(("story", {"name": name}) for name in (None, 5, "", "momentum", "constructor")),
    ],
)
def test_any_form_of_a_command(page, name, table):
    agree(page, (name, table), steps=0)


BESIDE = {"kind": "activation", "function": "tanh(z)", "derivative": "1 - a^3", "beside": True}


@pytest.mark.slow
@pytest.mark.parametrize(
    "commands",
    [
        [("formula", BESIDE)],
        [("formula", {**BESIDE, "function": "sin(z) + z", "derivative": "cos(z)"})],
        [("formula", BESIDE), change(optimizer__learning_rate=0.3), ("formula", {**BESIDE, "beside": False})],
        [("formula", BESIDE), ("formula", {"kind": "activation"}), change(run__seeds=3)],
        [change(grid={"optimizer.learning_rate": [0.1, 0.2]}), ("formula", BESIDE)],
        [("formula", BESIDE), change(grid={"optimizer.learning_rate": [0.1, 0.2]})],
    ],
)
def test_two_derivatives_beside_each_other(page, commands):
    agree(page, *commands, steps=20)


@pytest.mark.slow
def test_networks_part_where_their_objectives_do(page):
    """The right side trains as tanh does; both hosts name the update at which the other side has left it."""
    commands = [("story", {"name": "13-wrong-derivative"}), change(run__seeds=2), ("formula", BESIDE)]
    recipe = with_settings(recipe_to_play("wrong-derivative"), {"run.seeds": 2, "run.engine": "reference"})
    tanh = population_of(recipe, dataset_of(recipe))
    yours = with_formulas(tanh, {"activation": read_pair("activation", "tanh(z)", "1 - a^3")})
    objectives = [ReferenceEngine().advance(one, initial_state(one), 40)[1].objective for one in (tanh, yours)]
    first = (np.abs(np.subtract(*objectives)) > 0.01 * np.maximum(*objectives)).argmax(0).tolist()
    assert min(first) > 0
    found = page.ask({"commands": commands, "steps": 40, "partings": [0, 1, 2]})
    assert found["partings"] == [*first, first[0]]
    session = Session(recipe, tempfile.TemporaryDirectory())
    session.command("formula", BESIDE)
    session.command("step", {"updates": 40})
    assert [session.command("parting", {"member": member})["step"] for member in range(3)] == [*first, first[0]]
    moment = session.workbench.moment
    np.testing.assert_allclose(moment.state.theta[:2], found["theta"][:2], rtol=1e-9)
    np.testing.assert_array_equal(
        moment.state.theta[2:], ReferenceEngine().advance(yours, initial_state(yours), 40)[0].theta
    )
    session.command("formula", {**BESIDE, "derivative": "1 - a^2"})
    session.command("step", {"updates": 5})
    assert session.command("parting", {"member": 1}) == {"step": None}
    session.command("formula", {"kind": "activation"})
    with pytest.raises(BadInput, match="no two derivatives train beside each other"):
        session.command("parting", {})
    session.close()


RATE_AND_SCALE = ["optimizer.learning_rate", "network.initial_scale"]
PLACES = [[rate, scale] for rate in (0.001, 0.03, 0.3, 30) for scale in (0.03, 1, 10)]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("commands", "keys", "outcomes"),
    [
        ([("story", {"name": "14-what-can-be-trained"})], RATE_AND_SCALE, {"solved", "learning", "stuck", "diverged"}),
        ([change(run__seeds=[3])], RATE_AND_SCALE, {"stuck"}),
        (
            [change(data__name="iris", optimizer__name="momentum"), ("formula", BESIDE)],
            ["optimizer.learning_rate", "optimizer.name.momentum"],
            {"learning"},
        ),
    ],
)
def test_map_of_what_can_be_trained(page, commands, keys, outcomes):
    """Each place has the outcome that its network has alone, whatever the other places, in both hosts."""
    places = PLACES if keys == RATE_AND_SCALE else [[0.1, 0.0], [0.1, 0.9], [1e9, 0.5]]
    asked = {"keys": keys, "values": places, "updates": 200}
    found = page.ask({"commands": commands, "steps": 0, "map": asked})["map"]
    session = Session(recipe_to_play(), tempfile.TemporaryDirectory())
    for name, table in [change(run__engine="reference"), *commands, ("formula", {"kind": "activation"})]:
        session.command(name, table)
    if ("formula", BESIDE) in commands:
        session.command("formula", {**BESIDE, "beside": False})
    drawn = session.command("map", asked)
    assert found == drawn and outcomes <= set(drawn)
    index = drawn.index("solved") if "solved" in drawn else len(places) - 1
    settings = {**dict(zip(keys, places[index], strict=True)), "run.seeds": [3 if outcomes == {"stuck"} else 0]}
    assert session.command("map", {**asked, "values": [places[index]]}) == [drawn[index]]
    session.command("change", {"settings": {**settings, "grid": {}}})
    session.command("reset", {})
    session.command("step", {"updates": 200})
    assert session.workbench.moment.is_solved.tolist() == [drawn[index] == "solved"]
    assert bool(session.workbench.divergences) == (drawn[index] == "diverged")
    session.close()


@pytest.mark.parametrize(
    "asked",
    [
        {"keys": RATE_AND_SCALE, "values": [[-1, 1]]},
        {"keys": ["optimizer.rate", "network.initial_scale"], "values": [[1, 1]]},
        {"keys": ["optimizer.learning_rate"], "values": [[1]]},
        {"keys": RATE_AND_SCALE, "values": []},
        {"keys": RATE_AND_SCALE, "values": [["much", 1]]},
    ],
)
def test_a_map_that_cannot_be_drawn(page, asked):
    refused = page.ask({"commands": [("map", asked)], "steps": 0})["answers"][0]["refused"]
    session = Session(recipe_to_play(), tempfile.TemporaryDirectory())
    with pytest.raises(BadInput) as error:
        session.command("map", asked)
    session.close()
    assert refused.partition(" give ")[0] == str(error.value).partition(" give ")[0]


def test_typed_formula_ends_with_another_story(page):
    typed = ("formula", {"kind": "activation", "function": "z", "derivative": "1"})
    agree(page, typed, ("story", {"name": "03-too-high-a-rate"}), steps=3)
    agree(page, typed, change(grid={"optimizer.learning_rate": [0.01, 0.02]}), steps=3)


@pytest.mark.sampled(4)
@pytest.mark.parametrize("story", [story["name"] for story in list_stories()])
def test_stories(page, story):
    agree(page, ("story", {"name": story}), steps=20, rtol=1e-6)  # batch norm amplifies the order of sums


def test_divergence_has_its_step_layer_and_array(page):
    hills = change(
        data__name="hills", optimizer__name="sgd", network__activation="identity", optimizer__learning_rate=2
    )
    assert agree(page, hills, steps=60, rtol=np.inf)["diverged"]


@settings(deadline=None)
@given(data=st.data())
def test_rows_that_are_set_aside_are_those_of_scikit_learn(page, data):
    rows, classes = data.draw(st.integers(6, 200)), data.draw(st.integers(1, 5))
    labels = data.draw(st.lists(st.integers(0, classes - 1), min_size=rows, max_size=rows)) if classes > 1 else None
    count, seed = data.draw(st.integers(1, rows - 1)), data.draw(st.integers(0, 2**32 - 1))
    try:
        _, test = train_test_split(np.arange(rows), test_size=count, random_state=seed, stratify=labels)
    except ValueError:  # too few of a class, which is refused before
        return
    split = {"labels": labels or [], "rows": rows, "count": count, "seed": seed}
    assert page.ask({"split": split}) == sorted(test.tolist())


# --- the past ---------------------------------------------------------------------------------------------------------

CLUSTERS = change(data__name={"name": "clusters", "noise": 0.3}, run__seeds=30, optimizer__learning_rate=0.1)


def test_the_past_shows_who_had_solved_it_then(page):
    """Every number of a frame of the past is of its update, in both hosts, also for members that are not drawn."""
    session = Session(recipe_to_play(), tempfile.TemporaryDirectory())
    for name, table in [change(run__engine="reference"), CLUSTERS, ("step", {"updates": 60})]:
        session.command(name, table)
    problem, dataset = session.workbench.moment.problem, session.workbench.moment.dataset
    views = [{"member": member, "step": step} for member, step in ((0, 0), (3, 4), (26, 15), (1, 60))]
    found = page.ask({"commands": [CLUSTERS], "steps": 60, "views": views})["seen"]
    for view, alone in zip(views, found, strict=True):
        header, served = decode(session.frame(view))
        state, _ = ReferenceEngine().advance(problem, initial_state(problem), view["step"])
        right = ReferenceEngine().outputs(problem, state, dataset.train.x)[1].argmax(-1) == dataset.train.answers
        solved = right.mean(1) >= 0.95
        drawn = np.arange(30) // 24 == view["member"] // 24
        for frame in (served, {name: np.array(array, float) for name, array in alone["arrays"].items()}):
            np.testing.assert_array_equal(frame["solved members"][drawn], solved[drawn])
            np.testing.assert_allclose(frame["theta"], state.theta[view["member"]], rtol=1e-5)
        assert header["step"] == alone["header"]["step"] == view["step"]
        np.testing.assert_array_equal(served["solved members"], solved)
    session.close()
    assert 0 < solved.sum()


@pytest.mark.parametrize("settings", [{"optimizer.learning_rate": 0.3}, {"optimizer.name": {"name": "rmsprop"}}])
def test_a_change_goes_on_from_the_weights_and_the_past_before_it_stays(page, settings):
    commands = [change(run__seeds=3, network__layers=["auto", 3, "auto"])]
    views = [{"member": 1, "step": step} for step in (12, 20, 31)]
    found = page.ask({"commands": commands, "steps": 20, "later": settings, "views": views})
    session = Session(recipe_to_play(), tempfile.TemporaryDirectory())
    for command in [change(run__engine="reference"), *commands]:
        session.command(*command)
    for command in [("step", {"updates": 20}), ("change", {"settings": settings}), ("step", {"updates": 20})]:
        session.command(*command)
    np.testing.assert_allclose(found["theta"], session.workbench.moment.state.theta, rtol=1e-7, atol=1e-10)
    for view, alone in zip(views, found["seen"], strict=True):
        served = decode(session.frame(view))[1]
        for name in ("theta", "solved members", "objective of members"):
            np.testing.assert_allclose(alone["arrays"][name], served[name], rtol=1e-5, atol=1e-6)
    session.close()


@pytest.mark.slow
def test_any_update_of_a_long_run_is_seen_at_once(page):
    """Of 100,000 updates each is recomputed within 0.3 s, and exactly; curves are even in updates."""
    small = change(data__name="xor", network__layers=["auto", 2, "auto"], run__seeds=3)
    views = [{"member": 1, "step": step} for step in (99_999, 77_777, 50_001, 31_415, 5_432, 100, 3)]
    found = page.ask({"commands": [small], "steps": 100_000, "views": views})["seen"]
    recipe = with_settings(
        recipe_to_play(), {"data.name": "xor", "network.layers": ["auto", 2, "auto"], "run.engine": "reference"}
    )
    problem = population_of(with_settings(recipe, {"run.seeds": 3}), dataset_of(recipe))
    state = initial_state(problem).take([1])
    assert max(frame["seconds"] for frame in found) < 0.3
    for view, frame in zip(
        views[:3:-1], found[:3:-1], strict=True
    ):  # earlier ones, which the reference engine also reaches
        state, _ = ReferenceEngine().advance(problem, state, view["step"] - state.step)
        np.testing.assert_allclose(frame["arrays"]["theta"], state.theta[0], rtol=1e-4)
        assert frame["first"] == frame["arrays"]["theta"], "the member that is shown does not wait for the others"
    steps = np.array(found[0]["arrays"]["curve steps"])
    gaps = np.diff(steps)  # a point is recorded every 60 ms: the faster the computer, the fewer there are
    assert 10 < len(steps) <= 300 and gaps.max() < max(2_000, 3 * np.median(gaps))


# --- tables -----------------------------------------------------------------------------------------------------------

KINDS = [(number**2 % 29, number % 3, "uv"[number % 5 < 2]) for number in range(24)]
LONG = "\n".join(["a,b,y", *(f"{(number * 37) % 101},{'rgb'[number % 3]},{'uv'[number % 2]}" for number in range(150))])


def table(*rows, names="a,b,y", sep=","):
    return "\n".join([names.replace(",", sep), *(sep.join(map(str, row)) for row in rows)])


@pytest.mark.parametrize(
    ("csv", "target"),
    [
        *((table(*KINDS, sep=sep), None) for sep in ",;\t|"),
        (table(*((f"{one[0]},5", one[1], one[2]) for one in KINDS), sep=";"), None),
        ("\n".join(f"{a},{b},{y}" for a, b, y in KINDS), None),
        (table(*((a, ["red", "", "blue"][b], y) for a, b, y in KINDS)), None),
        (table(*((a, ["1.5", "NA", "2"][b], y) for a, b, y in KINDS)), None),
        (table(*((a, b, a * a) for a, b, _ in KINDS)), None),
        (table(*((a, 7, b) for a, b, _ in KINDS)), None),
        (table(*((a, b, y if a % 5 else "") for a, b, y in KINDS)), None),
        *((LONG, name) for name in ("a", "b", "y", "q")),
        *((text, None) for text in ("", "x", "y\n1\n2", "a,a,y\n1,2,x\n3,4,y", "a,b,y\n1,2,x,9\n3,4,y,8")),
        *((text, None) for text in ("a,b,y\n1,2,x\n3,5,x", "a,b,y\n1,2,x\n3,4", 'a,b,y\n1,"2,x\n3,5,y\n')),
        ("sep=;\n" + table(*KINDS, sep=";"), None),
        ("A title\n\n" + table(*((f'"{a}"', b, f'"{y}, ""quoted"""') for a, b, y in KINDS)), None),
    ],
)
def test_table_is_read_as_by_python(page, csv, target):
    agree(page, ("own-data", {"csv": csv, "target": target}), steps=3, rtol=1e-7)


@pytest.mark.parametrize("cell", ["2024-01-{:02d}", "0{:03d}", "{} kg", "${}"])
def test_table_that_python_alone_reads(page, cell):
    csv = table(*((cell.format(a + 1), b, y) for a, b, y in KINDS))
    [*_, answer] = page.ask({"commands": [("own-data", {"csv": csv})], "steps": 0})["answers"]
    assert NEEDS_PYTHON in answer["refused"]


# --- explained numbers ------------------------------------------------------------------------------------------------


def explained_in_python(commands, steps, questions):
    session = Session(recipe_to_play(), tempfile.TemporaryDirectory())
    try:
        for name, table in [change(run__engine="reference"), *commands, ("step", {"updates": steps})]:
            session.command(name, table)
        return [session.command("explain", question) for question in questions]
    finally:
        session.close()


def questions(layers, sample, member=0):
    """What the page asks: units and weights of each layer, and the objective of a point."""
    of_point = [
        (f"{name}{layer}", [0, int(layer < layers)]) for layer in range(1, layers + 1) for name in ("z", "a", "δ")
    ]
    of_weights = [
        (f"{name}{layer}{end}", [1, int(layer < layers)]) for layer in range(1, layers + 1) for name, end in UPDATED
    ]
    asked = [(*one, {"sample": sample}) for one in (*of_point, ("J", []))] + [(*one, {}) for one in of_weights]
    return [{"member": member, "quantity": name, "index": index, **more} for name, index, more in asked]


UPDATED = (("∂J/∂W", ""), ("W", "_new"))


def explain_alike(page, *commands, layers=2, steps=3, sample=5):
    commands = [change(run__seeds=2, network__layers=["auto", 3, "auto"]), *commands]
    asked = questions(layers, sample, member=1)
    found = page.ask({"commands": commands, "steps": steps, "questions": asked})["explained"]
    expected = explained_in_python(commands, steps, asked)
    for one, other in zip(found, expected, strict=True):
        assert {**one, "value": None} == {**other, "value": None}
        np.testing.assert_allclose(float(one["value"]), other["value"], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", list(registry.names("activation")))
def test_explained_activation(page, name):
    explain_alike(page, change(network__activation=name))


@pytest.mark.parametrize("name", registry.names("optimizer"))
def test_explained_optimizer(page, name):
    explain_alike(page, change(optimizer__name=name))


@pytest.mark.parametrize(
    "commands",
    [
        [change(loss__penalty="l2", loss__strength=0.01)],
        [change(loss__penalty="l1", loss__strength=0.01, network__activation="relu")],
        [change(loss__penalty="l2_per_sample", loss__strength=0.01)],
        [change(data__name="hills")],
        [change(data__name="hills", loss__name="huber")],
        [change(data__name="iris")],
        [change(network__output="sigmoid", loss__name="squared_error")],
        [change(loss__reduction="sum", optimizer__batch_size=7)],
        [change(loss__reduction="mean_elements", network__output="sigmoid", loss__name="squared_error")],
        [change(network__bias=False, optimizer__schedule="exponential")],
        [
            change(
                optimizer__name={"name": "momentum", "momentum": 0.5}, network__activation={"name": "elu", "alpha": 2}
            )
        ],
        [("formula", {"kind": "activation", "function": "z^2", "derivative": "z > 0"})],
        [("formula", {"kind": "loss", "function": "(p - y)^2", "derivative": "p - y"})],
    ],
)
def test_explained_settings(page, commands):
    explain_alike(page, *commands)


@pytest.mark.parametrize(
    ("quantity", "index"),
    [("z1", [0, 9]), ("z9", [0, 0]), ("z1", [0]), ("J", [0]), ("", []), ("toString", []), ("W1", [0, 0])],
)
def test_what_has_no_formula(page, quantity, index):
    asked = [{"quantity": quantity, "index": index, "sample": 0}]
    [found] = page.ask({"commands": [change(run__seeds=2)], "steps": 1, "questions": asked})["explained"]
    with pytest.raises(BadInput) as error:
        explained_in_python([change(run__seeds=2)], 1, asked)
    assert found == {"refused": str(error.value)}


def test_what_python_alone_explains_is_said(page):
    asked = questions(2, 0)
    found = page.ask({"commands": [change(network__batch_norm=True)], "steps": 2, "questions": asked})["explained"]
    assert all(NEEDS_PYTHON in one["refused"] for one in found)


# --- why not learning? ------------------------------------------------------------------------------------------------

SIGMOID = {"network__output": "sigmoid", "loss__name": "binary_cross_entropy"}
NAMED = ("zero_weights", "symmetric_weights", "unscaled_inputs", "saturated_units", "dead_units", "vanishing_gradient")


@pytest.mark.sampled(6)
@pytest.mark.parametrize(
    ("commands", "code"),
    [
        ([change(network__initial_scale=0.0)], "zero_weights"),
        ([change(network__initializer="constant", **SIGMOID)], "symmetric_weights"),
        ([change(data__name="wine", data__scale="none", network__activation="relu")], "unscaled_inputs"),
        ([change(network__initial_scale=40.0)], "saturated_units"),
        ([("story", {"name": "04-dead-relus"}), change(optimizer__learning_rate=30, run__seeds=2)], "dead_units"),
        ([("story", {"name": "10-vanishing-gradients"}), change(run__seeds=2)], "vanishing_gradient"),
        ([("story", {"name": "10-vanishing-gradients"}), change(run__seeds=1)], "class_never_predicted"),
        ([change(data__name="hills", network__layers=["auto", 4, "auto"])], ""),
        ([change(network__activation="softmax", network__initial_scale=40.0)], "saturated_units"),
        ([("formula", {"kind": "activation", "function": "z", "derivative": "1"})], ""),
    ],
)
def test_causes_are_those_that_python_finds(page, commands, code):
    commands, steps = [change(run__seeds=2), *commands], 30
    found = page.ask({"commands": commands, "steps": steps})["why"]
    session = Session(recipe_to_play(), tempfile.TemporaryDirectory())
    for name, table in [change(run__engine="reference"), *commands, ("step", {"updates": steps})]:
        session.command(name, table)
    expected = session.command("why", {"member": 0})
    session.close()
    known = [one for one in expected["findings"] if one["code"] in (*NAMED, "class_never_predicted")]
    assert found["findings"] == known
    assert found["header"].partition(";")[0] == expected["header"].partition(";")[0]
    assert not code or code in [one["code"] for one in known]


# --- files to take along ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "commands",
    [
        [],
        [("story", {"name": story["name"]}) for story in list_stories()[5:7]],
        [("story", {"name": "08-overfitting"})],
        [
            change(
                data__name={"name": "circles", "noise": 0.3},
                data__split__test=0.2,
                loss__penalty="l2",
                loss__strength=0.01,
            )
        ],
        [change(network__layers=["auto", 3, 4, "auto"], network__activation=["tanh", {"name": "elu", "alpha": 2}])],
        [
            change(optimizer__name="momentum"),
            change(optimizer__momentum=0.5, run__seeds=[4, 7], optimizer__batch_size=7),
        ],
        [change(data__name="iris", optimizer__schedule={"name": "step", "every": 2}, network__dropout=[0.1, 0.2])],
    ],
)
def test_a_recipe_of_the_page_trains_the_same_in_python(page, commands):
    commands = [change(run__seeds=2), *commands]
    found = page.ask({"commands": commands, "steps": 4, "files": ["recipe", "weights", "script"]})
    recipe, weights, script = found["taken"]
    problem = population_of(
        Recipe("page", Path(), parsed := parse_toml(recipe)), dataset_of(Recipe("page", Path(), parsed))
    )
    state, _ = ReferenceEngine().advance(problem, initial_state(problem), parsed.stopping.max_steps)
    np.testing.assert_allclose(np.array(found["theta"], float), state.theta, rtol=1e-7, atol=1e-9)
    arrays = views(state.theta[1], problem.network.entries)
    for name, array in json.loads(weights)["parameters"].items():
        np.testing.assert_allclose(
            array, np.squeeze(arrays[name]) if name[0] != "W" else arrays[name], rtol=1e-7, atol=1e-9
        )
    assert NEEDS_PYTHON in script


def test_points_of_ones_own_have_no_recipe(page):
    [recipe, weights] = page.ask(
        {"commands": [("own-data", {"csv": POINTS})], "steps": 1, "files": ["recipe", "weights"]}
    )["taken"]
    assert "these points are your own" in recipe and json.loads(weights)["step"] == 1


# --- addresses --------------------------------------------------------------------------------------------------------


POINTS = "x0,x1,class\n" + "\n".join(f"{x / 7:.4f},{y / 5:.4f},class {(x + y) % 2}" for x in range(7) for y in range(5))


OF_FILES, DERIVED = ("data.name", "data.file", "data.target"), ("data.split", "optimizer.momentum", "run.engine")


@pytest.mark.parametrize(
    "commands",
    [
        [change(optimizer__learning_rate=0.3, network__layers=["auto", 4, "auto"], run__seeds=3)],
        [("story", {"name": "06-encoder-code"})],
        [("story", {"name": "06-encoder-code"}), change(run__seeds=5)],
        [change(criterion={"name": "accuracy", "part": "train", "at_least": 0.6})],
        [change(grid={"optimizer.learning_rate": [0.1, 0.2]}, run__seeds=2)],
        [change(optimizer__name={"name": "momentum", "momentum": 0.3})],
        [change(data__name="circles"), change(data__split__test=0.2)],
        [("formula", {"kind": "activation", "function": "z^2 + 1", "derivative": "2 * z"})],
        [("story", {"name": "13-wrong-derivative"}), change(run__seeds=3)],
        [("story", {"name": "13-wrong-derivative"}), ("formula", BESIDE)],
        [("story", {"name": "13-wrong-derivative"}), ("formula", {"kind": "activation"})],
        [("own-data", {"csv": POINTS})],
        [("own-data", {"csv": POINTS}), change(run__seeds=2)],
    ],
)
def test_address_brings_back_the_experiment(page, commands):
    there = page.ask({"commands": commands, "steps": 5})
    assert all("refused" not in answer for answer in there["answers"])
    back = page.ask({"commands": [], "steps": 5, "hash": there["address"]})
    assert back["trouble"] == ""
    assert [back[key] for key in ("theta", "solved")] == [there[key] for key in ("theta", "solved")]
    same = ("values", "grid", "typed", "criterion", "csv")
    assert [back["settings"][key] for key in same] == [there["settings"][key] for key in same]
    with closing(Session(recipe_to_play(), tempfile.TemporaryDirectory())) as served:
        for name, table in [*there["way"], change(run__engine="reference"), ("step", {"updates": 5})]:
            served.command(name, table)
        np.testing.assert_allclose(there["theta"], served.workbench.moment.state.theta, rtol=1e-6, atol=1e-9)
        found = to_jsonable(served.settings())
        told = there["settings"]["values"]
        alike = {key: found["values"][key] for key in told if key not in (*OF_FILES, *DERIVED)}
        assert alike == {key: told[key] for key in alike}
        assert [found[key] for key in same[1:]] == [there["settings"][key] for key in same[1:]]
        assert page.ask({"write": {"settings": found, "story": there["story"]}}) == there["address"]


@pytest.mark.parametrize(
    "address",
    [
        *("story=nonsense", "optimizer.learning_rate=fast", "optimizer.learning_rate=-1", "nonsense.key=1", "grid=[]"),
        *("network.layers=[]", "network.layers=null", "run.seeds=0", "data.name=null", 'data.name={"name":"moons"}'),
        *("points=1", "points=x,y,class%0Aa,b,c", "activation=1", 'activation=["z"]', 'loss=["p","q"]', "%%%", "a=b=c"),
        *('grid={"optimizer.learning_rate":[]}', "optimizer.name={}", "run.seeds=1e99", "network.activation=[]"),
        *("__proto__=1", "constructor=1", 'loss.name="toString"', 'data.file="x.csv"', "data.split=null"),
        f'grid={{"optimizer.learning_rate":{[0.1] * 5000}}}',
        f'network.layers=["auto",{"1," * 500}"auto"]',
        'network.layers=["auto",3,"tanh","auto"]',
    ],
)
def test_wrong_address_ends_in_a_sentence_and_the_default(page, address):
    usual, found = page.ask({"commands": [], "steps": 1}), page.ask({"commands": [], "steps": 1, "hash": address})
    assert found["trouble"] and "undefined" not in found["trouble"] and "not a function" not in found["trouble"]
    assert found["theta"] == usual["theta"]


def test_many_drawn_points_have_no_address(page):
    many = "\n".join(["x0,x1,class", *(f"{i / 300:.4f},0.5,class {i % 2}" for i in range(300))])
    assert page.ask({"commands": [("own-data", {"csv": many})], "steps": 1})["address"] == ""


@pytest.mark.parametrize(
    ("commands", "outputs", "loss"),
    [
        ([], {"softmax"}, "cross_entropy"),
        ([change(loss__name="squared_error")], {"softmax", "relu", "sigmoid", "identity"}, "cross_entropy"),
        ([change(data__name="hills")], {"identity", "exponential"}, "huber"),
        ([change(data__name="hills"), change(network__output="exponential")], {"tanh"}, "absolute_error"),
        ([change(network__output="sigmoid", loss__name="binary_cross_entropy")], {"sigmoid"}, "binary_cross_entropy"),
    ],
)
def test_outputs_and_losses_that_are_offered_are_those_that_are_not_refused(page, commands, outputs, loss):
    found = page.ask({"commands": commands, "steps": 0, "offers": ["network.output", "loss.name"]})["offered"]
    for offered, allowed in found.values():
        assert offered == allowed
    assert outputs <= set(found["network.output"][0]) and loss in found["loss.name"][0]


def test_rules_are_of_all_keys():
    described = rules()
    assert set(described["on_page"]) <= set(described["keys"])
    assert {rule["form"] for rule in described["keys"].values()} >= {"number", "flag", "choice", "formula", "seeds"}
