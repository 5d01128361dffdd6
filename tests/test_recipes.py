import inspect
import itertools
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from refusals import refuses
from scripts import module_at

from deltarule.data.pipeline import data_key
from deltarule.engines.reference import ReferenceEngine
from deltarule.errors import BadInput
from deltarule.json_files import to_jsonable
from deltarule.problem.configuration import configuration_hash, parse, parse_toml
from deltarule.problem.error_messages import as_toml
from deltarule.problem.recipe_sections import Configuration, Criterion, StudySection
from deltarule.problem.settings import SplitSection, settings_of
from deltarule.problem.state import initial_state
from deltarule.recipes import (
    Recipe,
    bundled_studies,
    dataset_of,
    expand_grid,
    explain_recipe,
    load_recipe,
    parse_setting,
    populations_of_settings,
    problem_of,
    training_of,
    with_experiment,
    with_settings,
)
from deltarule.training.train import train

XOR = """
[data]
name = "xor"
[network]
layers = ["auto", 3, 2, "auto"]
activation = "tanh"
output = "sigmoid"
[loss]
name = "binary_cross_entropy"
penalty = "l2"
[optimizer]
name = "momentum"
batch_size = 5
schedule = {name = "step", every = 2}
[stopping]
max_steps = 6
[run]
seeds = 2
[[experiment]]
name = "quick"
set = {"optimizer.learning_rate" = 1, "run.seeds" = 3}
"""


@pytest.fixture
def xor(tmp_path: Path) -> Recipe:
    return recipe_of(tmp_path, XOR)


def recipe_of(folder: Path, text: str) -> Recipe:
    file = folder / "mine.toml"
    file.write_text(text, encoding="utf-8")
    return load_recipe(file)


def table_of(folder: Path, name: str = "fruit.csv", kinds: str = "ab") -> Path:
    rows = [f"{n},{n % 3},{kinds[n % len(kinds)]}" for n in range(12)]
    folder.mkdir(exist_ok=True)
    file = folder / name
    file.write_text("\n".join(["weight,length,kind", *rows]), encoding="utf-8")
    return file


OWN = """
[data]
file = "fruit.csv"
target = "kind"
[network]
layers = ["auto", 3, "auto"]
output = "sigmoid"
[stopping]
max_steps = 1
"""


# --- finding recipes -------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("study", [name for name, _, _ in bundled_studies()])
def test_bundled_experiments_make_problems(study: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the data that every computer has, as without a network; the photographs take a minute to prepare."""
    monkeypatch.delenv("DELTARULE_DATA", raising=False)
    monkeypatch.setenv("DELTARULE_CACHE", str(tmp_path))
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")  # where nothing answers
    recipe, loaded = load_recipe(study), dict[str, Any]()
    for variant in [recipe, *(with_experiment(recipe, one.name) for one in recipe.configuration.experiment)]:
        rows = data_key(variant.configuration)
        loaded[rows] = loaded.get(rows) or dataset_of(variant)
        assert problem_of(variant, loaded[rows], seeds=1).members == 1


def test_recipe_with_bom_and_crlf(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_bytes(b"\xef\xbb\xbf" + XOR.replace("\n", "\r\n").encode())
    recipe = load_recipe(str(file))
    assert (recipe.name, recipe.folder) == ("mine", tmp_path)
    assert recipe.configuration == recipe_of(tmp_path, XOR).configuration


@pytest.mark.parametrize(
    "study, sentence",
    [
        ("digit", "there is no study 'digit'; did you mean 'digits'? (or give the path of a TOML file)"),
        ("qqq", "there is no study 'qqq'; there are: "),
        ("missing.toml", "missing.toml cannot be read as a recipe: No such file or directory; give a study's name"),
        ("latin.toml", "latin.toml cannot be read as a recipe: 'utf-8' codec can't decode byte"),
        ("wrong.toml", "wrong.toml is not TOML: Invalid value (at line 1, column 5)"),
        ("keys.toml", "keys.toml: there is no key 'a'"),
        ("data.toml", "data.toml: data.name: there is no data set 'xorr'; did you mean 'xor'? (a table of your own"),
    ],
)
def test_a_study_that_cannot_be_read(
    study: str, sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "latin.toml").write_bytes("a = 'é'".encode("latin-1"))
    (tmp_path / "wrong.toml").write_text("a = =", encoding="utf-8")
    (tmp_path / "keys.toml").write_text("a = 1\n" + XOR, encoding="utf-8")
    (tmp_path / "data.toml").write_text(XOR.replace('"xor"', '"xorr"'), encoding="utf-8")
    with pytest.raises(BadInput) as caught:
        load_recipe(study)
    assert sentence in str(caught.value)


# --- settings --------------------------------------------------------------------------------------------------------

plain = (
    st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | st.text("aé '\"\\=#\n", max_size=5)
)


@given(st.recursive(plain, lambda inner: st.lists(inner, max_size=3), max_leaves=5))
def test_parse_setting_reads_toml(value: Any) -> None:
    assert parse_setting(f" run.seeds = {as_toml(value)} ") == ("run.seeds", value)


@pytest.mark.parametrize(
    "text, told",
    [
        *((text, "lacks a part; give key=value, such as optimizer") for text in ("learning_rate", "=5", "a.b=", "")),
        *((f"data.file={value}", "is not TOML; give a number, true") for value in ("my data.csv", "[1, 2", "a # b")),
    ],
)
def test_parse_setting_rejects_what_is_no_setting(text: str, told: str) -> None:
    with pytest.raises(BadInput, match=told):
        parse_setting(text)


@pytest.mark.parametrize(
    "settings, rule",
    [
        ({"stopping.times": 3}, {"stopping.threshold": 0.1}),
        ({"stopping.metric": "accuracy"}, {"stopping.threshold": 0.9}),
        ({"stopping.metric": "accuracy"}, {"stopping.patience": 3}),
    ],
)
def test_stop_settings_without_rule(xor: Recipe, settings: dict[str, Any], rule: dict[str, Any]) -> None:
    [(key, value)], [needed] = settings.items(), rule
    with refuses(key, needed):
        with_settings(xor, settings)
    both = with_settings(xor, settings | rule)
    for later in (both, with_settings(with_settings(both, {needed: "none"}), rule)):  # which takes the rule away
        assert getattr(later.configuration.stopping, key.partition(".")[2]) == value


@given(rates=st.lists(st.floats(0, 1), min_size=1, max_size=3), names=st.sampled_from([["sgd"], ["sgd", "adam"]]))
def test_expand_grid(rates: list[float], names: list[str]) -> None:
    table = {"data": {"name": "xor"}, "network": {"layers": [2, 1]}, "stopping": {"max_steps": 1}}
    grid = {"optimizer.learning_rate": rates, "optimizer": {"name": names}}
    found = expand_grid(Recipe("mine", Path(), parse(table | {"grid": grid})))
    assert [tuple(settings.values()) for settings, _ in found] == list(itertools.product(rates, names))
    for settings, one in found:
        assert (one.configuration.optimizer.learning_rate, one.configuration.optimizer.name) == tuple(settings.values())
        assert one.configuration.grid == {}


# --- data ------------------------------------------------------------------------------------------------------------


def test_order_of_data_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "recipe").mkdir()
    recipe = recipe_of(tmp_path / "recipe", OWN)
    monkeypatch.chdir(tmp_path)
    with refuses("fruit.csv"):
        dataset_of(recipe)
    table_of(tmp_path, kinds="ab")
    assert dataset_of(recipe).classes == ("a", "b")
    table_of(tmp_path / "recipe", kinds="cd")
    assert dataset_of(recipe).classes == ("c", "d")
    table_of(tmp_path / "data", kinds="ef")
    assert dataset_of(recipe, "data").classes == ("e", "f")
    assert dataset_of(recipe).classes == ("c", "d")


def test_bundled_study_on_own_data(tmp_path: Path) -> None:
    own = {"data.file": str(table_of(tmp_path, kinds="abc")), "data.target": "kind", "data.split.test": 3}
    recipe = with_settings(load_recipe("digits"), own)
    dataset = dataset_of(recipe)
    assert (dataset.name, len(dataset.train), len(dataset.parts["test"])) == ("fruit.csv", 9, 3)
    assert problem_of(recipe, dataset).network.sizes == (2, 128, 3)


def test_options_stand_beside_the_name(tmp_path: Path) -> None:
    table_of(tmp_path, kinds="01")
    recipe = recipe_of(tmp_path, OWN)
    file = {"name": "fruit.csv", "task": "regress"}
    assert dataset_of(with_settings(recipe, {"data.file": file})).classes == ()
    assert len(dataset_of(with_settings(recipe, {"data.name": {"name": "linear", "samples": 7}})).train) == 7
    with refuses("fruit.csv", "target", "data.target"):
        dataset_of(with_settings(recipe, {"data.file.target": "y"}))
    with refuses("xor", "size"):
        dataset_of(with_settings(recipe, {"data.name": {"name": "xor", "size": 3}}))


def test_split_before_scaling(xor: Recipe) -> None:
    dataset = dataset_of(with_settings(xor, {"data.split": {"test": 8, "seed": 1}, "data.scale": "standardize"}))
    assert {part: len(rows) for part, rows in dataset.parts.items()} == {"train": 13, "test": 8}
    np.testing.assert_allclose(dataset.train.x.mean(0), 0, atol=1e-12)
    assert abs(dataset.parts["test"].x.mean(0)).max() > 0.01


@pytest.mark.parametrize(
    "settings, criterion, sentence",
    [
        ({"stopping.patience": 3}, None, "stopping.patience needs validation rows; give data.split.val"),
        ({}, {"name": "accuracy", "part": "test"}, "study.criterion needs test rows; give"),
    ],
)
def test_missing_part_is_rejected(xor: Recipe, settings: dict[str, Any], criterion: Any, sentence: str) -> None:
    study = StudySection(criterion=criterion)
    recipe = with_settings(replace(xor, configuration=replace(xor.configuration, study=study)), settings)
    with pytest.raises(BadInput, match=sentence):
        dataset_of(recipe)
    dataset_of(with_settings(recipe, {"data.split": {"validation": 3, "test": 3}}))


# --- problems --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "kinds, settings, sizes",
    [
        ("ab", {}, (2, 3, 1)),
        ("ab", {"network.output": "softmax"}, (2, 3, 2)),
        ("abc", {}, (2, 3, 3)),
        (["0.5", "1.5", "7"], {"network.output": "identity"}, (2, 3, 1)),
        ("abc", {"network.layers": [2, "auto"]}, (2, 3)),
    ],
)
def test_auto_layer_sizes(tmp_path: Path, kinds: Any, settings: dict[str, Any], sizes: Any) -> None:
    table_of(tmp_path, kinds=kinds)
    recipe = with_settings(recipe_of(tmp_path, OWN), settings)
    problem = problem_of(recipe, dataset_of(recipe))
    assert problem.network.sizes == sizes
    assert problem.y.shape == (12, sizes[-1])


def test_every_key_reaches_the_problem(tmp_path: Path) -> None:
    recipe = with_settings(
        recipe_of(tmp_path, XOR),
        {
            "network.activation": ["tanh", {"name": "leaky_relu", "slope": 0.3}],
            "network.bias": False,
            "network.batch_norm": True,
            "network.scaling_layer": True,
            "network.dropout": [0.1, 0.2],
            "network.initializer": {"name": "uniform", "range": 0.1, "biases": "same"},
            "network.initial_scale": 3,
            "loss.reduction": "sum",
            "loss.penalty": "l1",
            "loss.strength": 0.25,
            "loss.penalize_biases": True,
            "loss.label_smoothing": 0.2,
            "optimizer.name": "nesterov",
            "optimizer.momentum": 0.7,
            "optimizer.learning_rate": 5,
            "optimizer.schedule": {"name": "cosine", "steps": 9, "per": "epoch"},
            "run.seeds": [4, 2],
            "run.data_seed": 8,
            "run.dropout_seed": 9,
            "run.dtype": "float32",
        },
    )
    problem = problem_of(recipe, dataset_of(recipe))
    layers, activations = problem.network.layers, problem.network.activations
    assert [activation.name for activation in activations.values()] == ["tanh", "leaky_relu", "sigmoid"]
    assert activations[2].parameters["slope"] == 0.3
    assert [layer.name for layer in layers] == ["s1", "z1", "n1", "a1", "d1", "z2", "n2", "a2", "d2", "z3"]
    assert {entry.symbol for entry in problem.network.entries} == {"scale", "W", "gamma", "beta"}
    first = problem.network.initializers[0]
    assert (first.parameters["range"], first.biases) == (0.1, "same")
    assert (problem.loss.name, problem.reduction) == ("binary_cross_entropy", "sum")
    assert problem.penalty is not None and problem.penalty.name == "l1"
    assert (problem.optimizer.name, problem.schedule.name, problem.schedule.per) == ("nesterov", "cosine", "epoch")
    assert problem.batch_size == 5
    assert problem.dtype == np.float32
    np.testing.assert_allclose(np.unique(problem.y), [0.1, 0.9], rtol=1e-6)
    for found, expected in (
        (problem.initial_scale, [3, 3]),
        (problem.strength, [0.25, 0.25]),
        (problem.numbers["momentum"], [0.7, 0.7]),
        (problem.numbers["learning_rate"], [5, 5]),
        (problem.schedule_numbers["steps"], [9, 9]),
        (problem.dropout, [[0.1, 0.2]] * 2),
        (problem.seeds, [4, 2]),
        (problem.data_seeds, [8, 8]),
        (problem.dropout_seeds, [9, 9]),
    ):
        np.testing.assert_array_equal(found, expected)


# --- several configurations at once ----------------------------------------------------------------------------------

NUMBERS = {
    "optimizer.learning_rate": st.sampled_from([0.01, 0.1, 1]),
    "optimizer.momentum": st.sampled_from(["none", 0, 0.5]),
    "optimizer.schedule": st.sampled_from(["step", {"name": "step", "every": 1}, {"name": "step", "factor": 0.1}]),
    "loss.strength": st.sampled_from([0, 0.01]),
    "network.dropout": st.sampled_from([0, 0.5, [0.25, 0]]),
    "network.initial_scale": st.sampled_from([1, 0.5]),
    "run.seeds": st.sampled_from([1, 3, [7, 2]]),
    "run.data_seed": st.sampled_from([0, 4]),
    "run.dropout_seed": st.sampled_from(["none", 4]),
}
number_settings = st.lists(st.fixed_dictionaries({}, optional=NUMBERS), min_size=1, max_size=4)


@given(settings=number_settings)
def test_population_members_equal_own_problems(settings: list[dict[str, Any]]) -> None:
    recipe = Recipe("xor", Path(), parse_toml(XOR))
    dataset = dataset_of(recipe)
    [population] = populations_of_settings(recipe, dataset, settings)
    engine = ReferenceEngine()
    together, _ = engine.advance(population.problem, initial_state(population.problem), 3)
    for place, one in enumerate(settings):
        alone = problem_of(with_settings(recipe, one), dataset)
        own, _ = engine.advance(alone, initial_state(alone), 3)
        members = np.flatnonzero(population.settings == place)
        assert population.problem.seeds[members].tolist() == alone.seeds.tolist()
        np.testing.assert_array_equal(together.theta[members], own.theta)


def test_populations_are_split_by_structure(xor: Recipe) -> None:
    settings: list[dict[str, Any]] = [
        {"optimizer.learning_rate": 1},
        {"network.layers": [2, 3, 1]},
        {"optimizer.name": "nesterov"},
        {"optimizer.learning_rate": 2},
        {"optimizer.schedule": {"name": "step", "per": "epoch"}},
        {"loss.name": {"name": "naive_binary_cross_entropy", "epsilon": 1e-4}},
        {"loss.name": "naive_binary_cross_entropy"},
        {"stopping.max_steps": 5},
        {"optimizer.batch_size": 4},
        {"run.dtype": "float32"},
        {"data.name": "linear", "run.seeds": 1},
    ]
    populations = populations_of_settings(xor, dataset_of(xor), settings)
    assert [population.settings.tolist() for population in populations] == [
        [0, 0, 3, 3], [1, 1], [2, 2], [4, 4], [5, 5], [6, 6], [7, 7], [8, 8], [9, 9], [10],
    ]  # fmt: skip
    assert [population.dataset.name for population in populations] == ["xor"] * 9 + ["linear"]
    assert populations[6].recipe.configuration.stopping.max_steps == 5


# --- training and showing --------------------------------------------------------------------------------------------


def test_training_of_rules(xor: Recipe) -> None:
    settings = {
        "stopping.max_epochs": 50,
        "stopping.max_steps": "none",
        "stopping.patience": 2,
        "stopping.metric": "accuracy",
        "data.split.validation": 6,
        "run.history_every": 3,
    }
    recipe = with_settings(xor, settings)
    dataset = dataset_of(recipe)
    problem = problem_of(recipe, dataset)
    rules = training_of(recipe, dataset, problem)
    assert set(rules) <= set(inspect.signature(train).parameters)
    assert rules["validation"][1].shape == (6, 1)
    run = train(problem, **rules)
    assert run.reasons == ("patience", "patience")
    assert run.history.steps[:3] == [0, 3, 6]
    assert training_of(xor, dataset_of(xor), problem_of(xor, dataset_of(xor)))["validation"] is None


@pytest.mark.parametrize("study", [name for name, _, _ in bundled_studies()])
def test_explained_recipe_round_trip(study: str) -> None:
    recipe = load_recipe(study)
    told = explain_recipe(recipe)
    assert json.loads(json.dumps(to_jsonable(told), allow_nan=False))["study"] == study
    keys = told["keys"]
    momentum = {"momentum"} if isinstance(keys["optimizer"]["name"], dict) else set()
    keys["optimizer"] = {key: value for key, value in keys["optimizer"].items() if key not in momentum}
    assert configuration_hash(parse(keys)) == configuration_hash(recipe.configuration)


# --- the reference page ----------------------------------------------------------------------------------------------

DOCS = Path(__file__).parents[1] / "docs"
PAGE = (DOCS / "reference" / "recipes.md").read_text(encoding="utf-8")


SECTIONS = {
    name: form.section for name, table in settings_of(Configuration).items() if (form := table.form).section is not None
}


def test_page_lists_every_section() -> None:
    headings = [heading.strip("[]") for heading in re.findall(r"^## `(.*)`$", PAGE, re.MULTILINE)]
    assert headings == list(settings_of(Configuration))
    shown = [SECTIONS["study"], Criterion, SECTIONS["data"], SplitSection, *list(SECTIONS.values())[2:]]
    assert re.findall(r"^```\{settings\} (.*)$", PAGE, re.MULTILINE) == [section.__name__ for section in shown]


@pytest.mark.needs("sphinx")
def test_table_of_a_section_has_every_key_with_its_default() -> None:
    described = module_at(DOCS / "extensions" / "settings.py").described
    for section in (*SECTIONS.values(), Criterion, SplitSection):
        rows = [row.split(" | ") for row in described(section.__name__).splitlines()[2:]]
        assert [row[0].strip("| `") for row in rows] == list(settings_of(section))
        assert all(row[3].strip(" |").endswith(".") for row in rows)
    assert "| `learning_rate` | a number of 0 or more | `0.01` | How long a step is" in described("OptimizerSection")


@pytest.mark.parametrize("text", re.findall(r"^```toml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL))
def test_the_pages_recipes_run(tmp_path: Path, text: str) -> None:
    recipe = with_settings(recipe_of(tmp_path, text), {"stopping.max_steps": 3})
    dataset = dataset_of(recipe)
    for _, one in expand_grid(recipe):
        problem = problem_of(one, dataset, seeds=2)
        assert np.isfinite(train(problem, **training_of(one, dataset, problem)).objective).all()
