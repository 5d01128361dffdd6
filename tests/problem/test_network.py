import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from refusals import refuses

from deltarule.errors import BadInput
from deltarule.maths.activations import ACTIVATIONS
from deltarule.problem.network import Network


@given(st.lists(st.integers(1, 9), min_size=2, max_size=5), st.booleans(), st.booleans())
def test_layers_follow_the_sizes(sizes: list[int], bias: bool, batch_norm: bool) -> None:
    network = Network(sizes, "tanh", "softmax", bias=bias, batch_norm=batch_norm)
    dense = [(layer.inputs, layer.units) for layer in network.layers if layer.symbol == "z"]
    assert dense == list(zip(sizes, sizes[1:], strict=False))
    assert (network.inputs, network.outputs) == (sizes[0], sizes[-1])
    assert [one.name for one in network.activations.values()] == ["tanh"] * (len(sizes) - 2) + ["softmax"]
    hidden = ["z", "n", "a", "d"] if batch_norm else ["z", "a", "d"]
    assert [layer.symbol for layer in network.layers] == hidden * (len(sizes) - 2) + ["z"]
    assert network.has_biases == bias and network.depth == len(sizes) - 1
    weights = sum(D * H for D, H in zip(sizes, sizes[1:], strict=False))
    normalized = sum(sizes[1:-1]) * batch_norm
    assert network.parameters == weights + bias * sum(sizes[1:]) + 2 * normalized
    assert (network.buffers[-1].stop if network.buffers else 0) == 2 * normalized


def test_a_list_gives_every_hidden_layer_its_activation() -> None:
    network = Network([2, 3, 4, 1], ["relu", {"name": "leaky_relu", "slope": 0.5}], ACTIVATIONS["sigmoid"])
    assert [one.name for one in network.activations.values()] == ["relu", "leaky_relu", "sigmoid"]
    assert network.activations[2].parameters["slope"] == 0.5
    assert network.output is ACTIVATIONS["sigmoid"]


def test_equal_descriptions_are_equal_networks() -> None:
    assert Network([2, 3, 1]) == Network((2, np.int64(3), 1), "relu") == Network(np.array([2, 3, 1]))
    assert Network([2, 3, 1]) != Network([2, 3, 1], "tanh")
    one, same = (Network([2, 3, 1], {"name": "leaky_relu", "slope": 0.2}) for _ in range(2))
    assert len({one, same, Network([2, 3, 1], "relu")}) == 2


def test_a_list_of_layers_that_spells_out_the_short_form_is_that_network() -> None:
    short = Network([2, 3, 1], "tanh", batch_norm=True, scaling_layer=True)
    spelled = Network([2, "scaling", 3, "batch_norm", "tanh", "dropout", 1])
    assert spelled.layers == short.layers and spelled.entries == short.entries


def test_layers_that_share_parameters_or_values_have_no_entries_of_their_own() -> None:
    skip, tied = {"name": "residual", "skip": "a1"}, {"name": "tied", "W": "W1"}
    network = Network([5, 4, "relu", "layer_norm", {"name": "glu", "units": 4}, skip, tied])
    assert [layer.name for layer in network.layers] == ["z1", "a1", "n1", "z2", "r2", "z3"]
    assert [entry.name for entry in network.entries] == "W1 b1 gamma1 beta1 W2 b2 V2 c2 b3".split()
    assert network.sizes == (5, 4, 4, 5)


@pytest.mark.parametrize(
    ("layers", "sentence"),
    [
        ([2, "layer_nrm", 1], "there is no layer or activation 'layer_nrm'; did you mean 'layer_norm'?"),
        ([2, "xyz", 1], "there is no layer or activation 'xyz'; there are: dense, scaling"),
        ([2, 3, "relu"], "the list of layers ends with relu; end with a number of units, and give output='relu'"),
        ([2, "relu", {"name": "residual", "skip": "x"}], "no layer of the network has parameters"),
        ([2, 3, {"name": "glu"}], 'the layer \'glu\' (z2) has units of its own; say how many: {"name": "glu"'),
        ([2, 3, {"name": "layer_norm", "units": 3}], "the layer 'layer_norm' (n1) has as many units as inputs"),
        ([2, 3, {"name": "layer_norm", "eps": 1}], "the layer 'layer_norm' has no parameter 'eps'"),
        ([2, 3, "residual"], "(r1) takes skip from a layer before it, and is given None; give one of x, z1"),
        ([2, 3, {"name": "residual", "skip": "x"}], "adds 2 units of x to 3; name a layer of as many units"),
        ([2, 3, 4, {"name": "tied", "W": "W1"}], "has 4 inputs, for which W1 has the wrong shape; name another"),
        ([2, 3, {"name": "tied", "W": "W9"}], "takes W from a layer before it, and is given 'W9'"),
        ([2, 3.5, "relu", 1], "a layer has size 3.5"),
    ],
)
def test_layers_that_do_not_fit_get_a_sentence(layers: list[Any], sentence: str) -> None:
    with pytest.raises(BadInput, match=re.escape(sentence)):
        Network(layers)


def test_a_list_of_layers_takes_no_options_that_it_says_itself() -> None:
    with refuses("activation", "batch_norm", "scaling_layer"):
        Network([2, 3, "relu", 1], batch_norm=True)


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
