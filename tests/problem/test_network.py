import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deltarule.errors import BadInput
from deltarule.maths.activations import ACTIVATIONS
from deltarule.problem.network import Network, switch


@given(st.lists(st.integers(1, 9), min_size=2, max_size=5), st.booleans(), st.booleans())
def test_layers_follow_the_sizes(sizes: list[int], bias: bool, batch_norm: bool) -> None:
    network = Network(sizes, "tanh", "softmax", bias=bias, batch_norm=batch_norm)
    assert [(layer.inputs, layer.units) for layer in network.layers] == list(zip(sizes, sizes[1:], strict=False))
    assert (network.inputs, network.outputs) == (sizes[0], sizes[-1])
    assert [layer.activation.name for layer in network.layers] == ["tanh"] * (len(sizes) - 2) + ["softmax"]
    assert all(layer.bias == bias for layer in network.layers)
    assert [layer.batch_norm for layer in network.layers] == [batch_norm] * (len(sizes) - 2) + [False]
    weights = sum(D * H for D, H in zip(sizes, sizes[1:], strict=False))
    normalized = sum(sizes[1:-1]) * batch_norm
    assert network.parameters == weights + bias * sum(sizes[1:]) + 2 * normalized
    assert (network.buffers[-1].stop if network.buffers else 0) == 2 * normalized


def test_a_list_gives_every_hidden_layer_its_activation() -> None:
    network = Network([2, 3, 4, 1], ["relu", {"name": "leaky_relu", "slope": 0.5}], ACTIVATIONS["sigmoid"])
    assert [layer.activation.name for layer in network.layers] == ["relu", "leaky_relu", "sigmoid"]
    assert network.layers[1].activation.parameters["slope"] == 0.5
    assert network.output is ACTIVATIONS["sigmoid"]


def test_repr_describes_the_network() -> None:
    assert repr(Network([8, 3, 8], "sigmoid", "sigmoid")) == "Network 8-3-8 (sigmoid, sigmoid), 59 parameters"
    plain = Network([2000, 3, 1], bias=False, batch_norm=True)
    assert repr(plain) == "Network 2000-3-1 (relu, identity, no biases, batch norm), 6,009 parameters"


def test_equal_descriptions_are_equal_networks() -> None:
    assert Network([2, 3, 1]) == Network((2, np.int64(3), 1), "relu") == Network(np.array([2, 3, 1]))
    assert Network([2, 3, 1]) != Network([2, 3, 1], "tanh")


@pytest.mark.parametrize("sizes", ["23", 5, None, [], [3], {2, 1}], ids=repr)
def test_sizes_are_a_list_of_two_or_more(sizes: object) -> None:
    with pytest.raises(BadInput) as refused:
        Network(sizes)  # type: ignore[arg-type]
    assert str(refused.value) == f"the layers are {sizes!r}; give at least two sizes, inputs first and outputs last"


@pytest.mark.parametrize("size", [0, -1, 1.0, "3", None, True, float("nan"), [3]], ids=repr)
def test_a_size_is_a_whole_number(size: object) -> None:
    for sizes in ([2, size, 1], [size, 1], [2, size]):
        with pytest.raises(BadInput) as refused:
            Network(sizes)  # type: ignore[arg-type]
        assert str(refused.value) == f"a layer has size {size!r}; give every layer a whole number of units, 1 or more"


@pytest.mark.parametrize(("given", "hidden"), [(["relu"], 2), ([], 1), (["relu"] * 3, 2), (["relu"], 0)])
def test_a_list_of_activations_has_one_for_each_hidden_layer(given: list[str], hidden: int) -> None:
    with pytest.raises(BadInput) as refused:
        Network([2, *[3] * hidden, 1], given)
    names = "is 1 activation" if len(given) == 1 else f"are {len(given)} activations"
    layers = "1 hidden layer" if hidden == 1 else f"{hidden} hidden layers"
    assert str(refused.value) == f"there {names} for {layers}; give one, or one for each"


@pytest.mark.parametrize("value", ["no", "false", 0, 1, None, 0.0, []], ids=repr)
def test_switches_are_true_or_false(value: object) -> None:
    for name in ("bias", "batch_norm"):
        with pytest.raises(BadInput) as refused:
            Network([2, 3, 1], **{name: value})  # type: ignore[arg-type]
        assert str(refused.value) == f"{name} is {value!r}; give True or False"


def test_a_switch_of_numpy_counts() -> None:
    assert switch("bias", np.bool(True)) is True


def test_unknown_names_are_refused() -> None:
    for arguments in ({"activation": "rely"}, {"output": "softmaxx"}, {"initializer": "glorott"}):
        with pytest.raises(BadInput, match="did you mean"):
            Network([2, 3, 1], **arguments)  # type: ignore[arg-type]


def test_equal_networks_have_equal_hashes() -> None:
    one, same = (Network([2, 3, 1], {"name": "leaky_relu", "slope": 0.2}) for _ in range(2))
    assert len({one, same, Network([2, 3, 1], "relu")}) == 2
