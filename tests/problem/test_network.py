from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deltarule.errors import BadInput
from deltarule.maths.activations import ACTIVATIONS
from deltarule.problem.network import Network


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


def test_equal_descriptions_are_equal_networks() -> None:
    assert Network([2, 3, 1]) == Network((2, np.int64(3), 1), "relu") == Network(np.array([2, 3, 1]))
    assert Network([2, 3, 1]) != Network([2, 3, 1], "tanh")
    one, same = (Network([2, 3, 1], {"name": "leaky_relu", "slope": 0.2}) for _ in range(2))
    assert len({one, same, Network([2, 3, 1], "relu")}) == 2


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"sizes": 5}, "the layers are 5; give at least two sizes, inputs first and outputs last"),
        ({"sizes": [3]}, "the layers are [3]; give at least two sizes, inputs first and outputs last"),
        ({"sizes": [2, 0, 1]}, "a layer has size 0; give every layer a whole number of units, 1 or more"),
        ({"sizes": [2, 1.0]}, "a layer has size 1.0; give every layer a whole number of units, 1 or more"),
        ({"activation": ["relu", "tanh"]}, "there are 2 activations for 1 hidden layer; give one, or one for each"),
        ({"activation": "rely"}, "there is no activation 'rely'; did you mean 'relu'?"),
        ({"bias": "no"}, "bias is 'no'; give True or False"),
        ({"batch_norm": 1}, "batch_norm is 1; give True or False"),
    ],
)
def test_bad_arguments_get_a_sentence(arguments: dict[str, Any], sentence: str) -> None:
    with pytest.raises(BadInput) as refused:
        Network(**{"sizes": [2, 3, 1], **arguments})
    assert str(refused.value) == sentence
