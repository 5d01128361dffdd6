import datetime
import itertools
import subprocess
import sys
import tomllib
from dataclasses import asdict
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from layer_chains import CHAINS
from refusals import refuses

from deltarule import Network
from deltarule.errors import BadInput
from deltarule.problem.configuration import (
    check_beside_grid,
    configuration_hash,
    create_network,
    parse,
    parse_toml,
    with_changes,
)
from deltarule.problem.error_messages import as_toml
from deltarule.problem.recipe_sections import Configuration
from deltarule.problem.settings import SETTINGS, settings_of

SHORTEST = {"data": {"name": "xor"}, "network": {"layers": [2, 3, 1]}, "stopping": {"max_steps": 10}}
KEYS = list(SETTINGS)


def refused(table: dict[str, Any]) -> str:
    with pytest.raises(BadInput) as caught:
        parse(table)
    return str(caught.value)


def with_key(dotted: str, value: Any) -> dict[str, Any]:
    section, key = dotted.split(".")
    return {**SHORTEST, section: {**SHORTEST.get(section, {}), key: value}}


# What TOML can hold, the parts of a recipe among it so that the search gets past the first check.
words = st.sampled_from(["name", "none", "auto", "relu", "step", "per", "momentum", "every", "set", "value", "", "é\n"])
scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([0, 1, -1, 10**400, 2**64])
    | st.floats()
    | words
    | st.text(max_size=5)
    | st.just(datetime.date(2020, 2, 29))
)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3), max_leaves=6
)
section_names = st.sampled_from([*settings_of(Configuration), "unknown"])
key_names = st.sampled_from([*(key.split(".")[1] for key in KEYS), *KEYS, "what", "why", "criterion"]) | words


# --- the promise: a sentence, whatever is given ----------------------------------------------------------------------


@pytest.mark.slow
@given(st.dictionaries(section_names, st.dictionaries(key_names, values, max_size=4) | values, max_size=5))
@example({"run": {"seeds": [[0]]}})
@example({"network": {"activation": {"name": "leaky_relu", "slope": 10**400}}})
@example({"optimizer": {"schedule": {"per": []}}})
@example({"loss": {"name": {"name": "quantile", "quantile": "a"}}})
def test_any_table_parses_or_gets_a_sentence(table: dict[str, Any]) -> None:
    try:
        configuration = parse(table, "here")
    except BadInput as error:
        assert str(error).startswith("here: ")
        assert "\n" not in str(error)
    else:
        assert configuration == parse(asdict(configuration))


@pytest.mark.parametrize(
    "dotted, value, sentence",
    [
        ("optimizer.learning_rate", [0.1, 1], "optimizer.learning_rate is [0.1, 1]; give a number of 0 or more"),
        ("optimizer.learning_rate", True, "optimizer.learning_rate is true; give a number of 0 or more"),
        ("network.layers", [2, 0, 1], "network.layers is [2, 0, 1]; give a list of at least two sizes"),
        ("network.layers", [2, "auto", 1], 'network.layers is [2, "auto", 1]; give a list of at least two sizes'),
        ("network.layers", [2, [3], 1], "network.layers is [2, [3], 1]; give a list of at least two sizes"),
        ("network.layers", ["tanh", 2, 1], 'network.layers is ["tanh", 2, 1]; give a list of at least two sizes'),
        ("network.layers", [2, 3, "layernorm", 1], "there is no layer or activation 'layernorm'; did you mean"),
        ("network.layers", [2, {"name": "glu"}, 1], "the layer 'glu' (z1) has units of its own; say how many"),
        (
            "network.layers",
            [2, 3, {"name": "tied", "W": ["W1"]}, 1],
            "the layer 'tied' (z2) takes W from a layer before it, and is given ['W1']; give one of W1, b1",
        ),
        ("network.layers", [2, 3, {"name": "residual", "skip": "x"}, 1], "the layer 'residual' (r1) adds 2 units of x"),
        ("network.layers", [2, 3, "softmax"], "the list of layers ends with softmax; end with a number of units"),
        ("network.dropout", 1, "network.dropout is 1.0; give a number from 0 to under 1"),
        ("network.bias", 1, "network.bias is 1; give true or false"),
        ("network.activation", "relo", "network.activation: there is no activation 'relo'; did you mean 'relu'?"),
        ("network.activation", ["relu", 3], 'network.activation is ["relu", 3]; give the name of an activation'),
        ("loss.reduction", "mean", 'loss.reduction is "mean"; give "sum", "mean_samples" or "mean_elements"'),
        ("run.seeds", 10**9, "run.seeds is 1000000000; give a whole number from 1 to 1,000,000"),
        ("run.seeds", [1, 2, 1], "run.seeds is [1, 2, 1]; give a whole number"),
        ("data.split", {"test": 1.0}, "data.split.test is 1.0; give a share of the training rows"),
        ("data.split", {"tset": 0.1}, "there is no key 'data.split.tset'; did you mean 'test'?"),
        ("data.name", {"size": 8}, "data.name is {size = 8}; give the name of a data set"),
    ],
)
def test_wrong_value_gets_a_sentence(dotted: str, value: Any, sentence: str) -> None:
    assert refused(with_key(dotted, value)).startswith(f"the recipe: {sentence}")


@pytest.mark.parametrize("chain", CHAINS.values(), ids=CHAINS)
def test_a_recipe_names_layers(chain: list[Any]) -> None:
    for ends in ([chain[0], chain[-1]], ["auto", chain[-1]]):
        table = SHORTEST | {"network": {"layers": [ends[0], *chain[1:-1], ends[1]]}}
        configuration = parse(table)
        text = "\n".join(f"{section} = {as_toml(keys)}" for section, keys in asdict(configuration).items())
        assert configuration == parse(asdict(configuration)) == parse_toml(text)
        assert create_network(configuration, chain) == Network(chain)


def test_equal_layers_have_one_hash() -> None:
    lists = ([2, 3, "layer_norm", 1], [2, 3, {"name": "layer_norm", "epsilon": 1e-5}, 1], [2, 3, "tanh", 1])
    short, long, other = (configuration_hash(parse(SHORTEST | {"network": {"layers": layers}})) for layers in lists)
    assert short == long != other


@pytest.mark.parametrize(
    "table, sentence",
    [
        ({"optimiser": {}}, "there is no key 'optimiser'; did you mean 'optimizer'?"),
        ({"run": {"xyz": 1}}, "there is no key 'run.xyz'; there are: seeds, data_seed, dropout_seed, dtype"),
        ({"optimizer": 3}, "optimizer is 3; give a table of keys"),
        ({"network": {}}, "network.layers is missing; give a list of at least two sizes"),
        ({"study": {"criterion": 3}}, "study.criterion is 3; give the name of a metric, or a table with its name"),
        ({"assumption": [{"what": "a", "value": 1}]}, "assumption 1: why is missing; give a text"),
        ({"experiment": [{"name": "", "set": {}}]}, 'experiment 1: name is ""; give a text that no other'),
        ({"grid": 3}, "grid is 3; give a table of keys with lists"),
        ({"grid": {"optimizer.learning_rate": 0.1}}, "grid: optimizer.learning_rate is 0.1; give a list"),
        ({"grid": {"optimizer.learning_rate": [0.1, "a"]}}, 'optimizer.learning_rate is "a"; give a number'),
        ({"grid": {"learning_rate": [0.1]}}, "there is no key 'learning_rate' that can be set; did you mean"),
        ({"experiment": [{"name": "a", "set": {"run.seeds": 0}}]}, "experiment 'a': run.seeds is 0; give"),
        (
            {"experiment": [{"name": "a", "set": {"optimizer.momentum": 0.5}}]},
            "experiment 'a': the optimizer 'sgd' has",
        ),
        ({"experiment": [{"name": "a", "set": {}}] * 2}, "there are two experiments named 'a'"),
    ],
)
def test_errors_of_a_section_are_reported(table: dict[str, Any], sentence: str) -> None:
    assert refused(SHORTEST | table).startswith(f"the recipe: {sentence}")


# --- keys that can be set, and fit each other ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "settings, sentence",
    [
        ({"network.activation": ["relu", "tanh"]}, "there are 2 activations for 1 hidden layer; give one, or one"),
        ({"network.dropout": [0.1, 0.2]}, "network.dropout is (0.1, 0.2); give a rate, one for each hidden layer (1)"),
        ({"optimizer.momentum": 0.5}, "the optimizer 'sgd' has no momentum"),
        ({"optimizer.learning_rate_factors": {"W3": 0.5}}, "learning_rate_factors has 'W3', which the network lacks"),
        ({"loss.name": "cross_entropy"}, "the loss 'cross_entropy' needs predictions that sum to 1"),
        ({"stopping.max_steps": "none"}, "stopping.max_steps and stopping.max_epochs are both missing"),
        ({"data.name": "none"}, 'data.name is "none" and data.file is "none"; give one of them'),
        ({"data.name": "xor", "data.file": "a.csv"}, 'data.name is "xor" and data.file is "a.csv"; give one of them'),
        ({"data.target": "y"}, 'data.target is "y", but only a file has a choice of targets'),
        ({"learning_rate": 1}, "no key 'learning_rate' that can be set; did you mean 'optimizer.learning_rate'?"),
        ({"optimizer.learnin_rate": 1}, "did you mean 'optimizer.learning_rate'?"),
        ({"lr": 1}, "did you mean 'optimizer.learning_rate'?"),
        ({"study.title": 1}, "there is no key 'study.title' that can be set; keys begin with data, network"),
        ({"": 1}, "there is no key '' that can be set; keys begin with"),
        ({"optimizer.learning_rate.x": 1}, "optimizer.learning_rate has no parameters"),
        ({"optimizer.schedule.every": 1}, "the schedule 'constant' has no parameter 'every'"),
    ],
)
def test_settings_that_are_refused(settings: dict[str, Any], sentence: str) -> None:
    with pytest.raises(BadInput) as caught:
        with_changes(parse(SHORTEST), settings)
    assert sentence in str(caught.value)


# --- setting keys ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dotted", [key for key in KEYS if SETTINGS[key].is_optional])
def test_none_removes_an_optional_key(dotted: str) -> None:
    section, key = dotted.split(".")
    if dotted not in ("data.name", "stopping.max_steps"):
        assert getattr(getattr(with_changes(parse(SHORTEST), {dotted: "none"}), section), key) is None


@pytest.mark.parametrize(
    "settings, expected",
    [
        ({"optimizer.name": "adam", "optimizer.name.beta1": 0.5}, {"name": {"name": "adam", "beta1": 0.5}}),
        (
            {"optimizer.schedule": "step", "optimizer.schedule.every": 5, "optimizer.schedule.factor": 0.1},
            {"schedule": {"name": "step", "every": 5, "factor": 0.1}},
        ),
        (
            {"optimizer.name": "momentum", "optimizer.name.momentum": 0.5},
            {"name": {"name": "momentum", "momentum": 0.5}},
        ),
    ],
)
def test_the_order_of_keys_changes_nothing(settings: dict[str, Any], expected: dict[str, Any]) -> None:
    before = {"optimizer": {"schedule": {"name": "step", "every": 10, "factor": 0.3}}}
    plain = parse(SHORTEST | {"optimizer": {**before["optimizer"], **expected}})
    for order in itertools.permutations(settings):
        assert with_changes(parse(SHORTEST | before), {key: settings[key] for key in order}) == plain


def test_other_data_replace_those_of_the_recipe_and_back() -> None:
    own = with_changes(parse(SHORTEST), {"data.file": "a.csv", "data.target": "y"})
    assert (own.data.name, own.data.file, own.data.target) == (None, "a.csv", "y")
    back = with_changes(own, {"data.name": "xor"})
    assert (back.data.name, back.data.file, back.data.target) == ("xor", None, None)


# --- grid and experiments --------------------------------------------------------------------------------------------


def test_quotes_around_dotted_keys_change_nothing() -> None:
    quoted, nested = (
        parse(SHORTEST | tomllib.loads(text))
        for text in (
            """[grid]
            "optimizer.learning_rate" = [1, 2]
            "optimizer.name" = ["sgd", {name = "adam", beta1 = 0.5}]
            [[experiment]]
            name = "a"
            set = {"optimizer.schedule" = {name = "step", every = 5}, "data.split.test" = 3}""",
            """[grid]
            optimizer.learning_rate = [1, 2]
            optimizer.name = ["sgd", {name = "adam", beta1 = 0.5}]
            [[experiment]]
            name = "a"
            set = {optimizer.schedule = {name = "step", every = 5}, data.split.test = 3}""",
        )
    )
    assert quoted == nested
    assert list(quoted.grid) == ["optimizer.learning_rate", "optimizer.name"]


def test_a_key_that_is_set_is_removed_from_the_grid() -> None:
    grid = {"optimizer.schedule": ["step"], "optimizer.name": ["sgd"], "run.seeds": [2, 3]}
    configuration = parse(SHORTEST | {"grid": grid})
    assert list(with_changes(configuration, {"run.seeds": 5}).grid) == ["optimizer.schedule", "optimizer.name"]


@pytest.mark.parametrize(
    "settings, left",
    [
        ({"data.file": "my.csv", "data.target": "y"}, ["run.data_seed"]),
        ({"data.name": "linear"}, ["run.data_seed"]),
        ({"data.scale": "unit"}, ["data.name", "data.name.seed", "run.data_seed"]),
    ],
)
def test_other_data_are_removed_from_the_grid(settings: dict[str, Any], left: list[str]) -> None:
    grid = {"data.name": ["linear"], "data.name.seed": [1, 2], "run.data_seed": [1, 2]}
    assert list(with_changes(parse(SHORTEST | {"grid": grid}), settings).grid) == left


def test_a_parameter_of_a_formula_in_the_grid_is_refused() -> None:
    configuration = parse(SHORTEST | {"grid": {"optimizer.schedule": ["constant", {"name": "step", "every": 10}]}})
    part = with_changes(configuration, {"optimizer.schedule.every": 5, "optimizer.schedule": "step"})
    part = with_changes(part, {"optimizer.schedule.factor": 0.5})  # without a grid that sets the schedule
    assert part.optimizer.schedule == {"name": "step", "every": 5, "factor": 0.5}
    with refuses("optimizer.schedule.factor", "optimizer.schedule"):
        check_beside_grid(configuration, ["optimizer.schedule.factor"])
    both = with_changes(configuration, {"optimizer.schedule.factor": 0.5, "optimizer.schedule": "step"})
    assert (both.optimizer.schedule, both.grid) == ({"name": "step", "factor": 0.5}, {})


def test_pydantic_is_imported_only_to_read_recipes() -> None:
    code = "import sys, deltarule; sys.exit('pydantic' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
