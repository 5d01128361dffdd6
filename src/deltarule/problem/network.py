"""`Network`: the sizes, activations and options of a multi-layer perceptron."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deltarule.errors import BadInput, count_of, short_repr
from deltarule.maths.activations import Activation
from deltarule.maths.initializers import Initializer
from deltarule.maths.network import Entry, Layer, buffer_entries, parameter_entries
from deltarule.problem import registry
from deltarule.problem.registry import Named
from deltarule.problem.settings import NetworkSection


@dataclass(frozen=True, init=False)
class Network:
    """The architecture of a multi-layer perceptron, without parameters.

    Parameters
    ----------
    sizes : sequence of int
        Units of every layer, inputs first and outputs last: [8, 3, 8] has 8 inputs, 3 hidden units, 8 outputs.
    activation : str, mapping, Activation or a sequence of them
        Name of the hidden layers' activation, or a list with one for each hidden layer.
    output : str, mapping or Activation
        Name of the output layer's activation.
    bias : bool
        Whether layers have biases.
    batch_norm : bool
        Whether hidden layers normalize their pre-activations over the batch.
    scaling_layer : bool
        Whether each input is multiplied by its own weight, initially 1 (the array `scale1`).
    initializer : str, mapping, Initializer or a sequence of them
        Name of the distribution of the initial weights, or a list with one for each layer; {"name": ..., "biases":
        "same"} applies it to biases.

    Raises
    ------
    BadInput
        For a size below 1, an unknown name or a list of the wrong length.

    Notes
    -----
    docs/reference/recipes.md has all names. A table with a name and parameters may replace each: {"name": "leaky_relu",
    "slope": 0.2}.

    Examples
    --------
    >>> from deltarule import Network
    >>> Network([8, 3, 8], activation="sigmoid", output="sigmoid")
    Network 8-3-8 (sigmoid, sigmoid), 59 parameters
    """

    sizes: tuple[int, ...]
    layers: tuple[Layer, ...] = field(repr=False)
    initializers: tuple[Initializer, ...]
    entries: tuple[Entry, ...] = field(repr=False)
    buffers: tuple[Entry, ...] = field(repr=False)

    def __init__(
        self,
        sizes: Sequence[int] | NDArray[np.integer[Any]],
        activation: Named | Activation | Sequence[Named | Activation] = NetworkSection.activation,
        output: Named | Activation = NetworkSection.output,
        *,
        bias: bool = NetworkSection.bias,
        batch_norm: bool = NetworkSection.batch_norm,
        scaling_layer: bool = NetworkSection.scaling_layer,
        initializer: Named | Initializer | Sequence[Named | Initializer] = NetworkSection.initializer,
    ) -> None:
        checked, bias, batch_norm = _check_sizes(sizes), switch("bias", bias), switch("batch_norm", batch_norm)
        hidden, scaling = len(checked) - 2, switch("scaling_layer", scaling_layer)
        activations = (*_of_layers("activation", activation, hidden, "hidden layer"), registry.activation(output))
        shapes = zip(pairwise(checked), activations, strict=True)
        layers = tuple(
            Layer(n, *sizes, activation, bias, batch_norm=batch_norm and n <= hidden, scaling=scaling and n == 1)
            for n, (sizes, activation) in enumerate(shapes, 1)
        )
        for name, value in (
            ("sizes", checked),
            ("layers", layers),
            ("initializers", _of_layers("initializer", initializer, len(layers), "layer")),
            ("entries", parameter_entries(layers)),
            ("buffers", buffer_entries(layers)),
        ):
            object.__setattr__(self, name, value)

    @property
    def inputs(self) -> int:
        """D, the number of inputs."""
        return self.sizes[0]

    @property
    def outputs(self) -> int:
        """C, the number of outputs."""
        return self.sizes[-1]

    @property
    def parameters(self) -> int:
        """P, the length of θ: W1 by rows, b1, W2 and so on, as in `entries`."""
        return self.entries[-1].stop

    @property
    def output(self) -> Activation:
        """The activation of the output layer."""
        return self.layers[-1].activation

    def __repr__(self) -> str:
        first = self.layers[0]
        extras = {"no biases": not first.bias, "batch norm": first.batch_norm, "scaling layer": first.scaling}
        parts = [*(layer.activation.name for layer in self.layers), *(name for name, is_so in extras.items() if is_so)]
        return f"Network {'-'.join(map(str, self.sizes))} ({', '.join(parts)}), {self.parameters:,} parameters"


def switch(name: str, value: Any) -> bool:
    """Check that the value of the option `name` is True or False, and return it."""
    if not isinstance(value, bool | np.bool):
        raise BadInput(f"{name} is {short_repr(value)}; give True or False")
    return bool(value)


def _check_sizes(sizes: Any) -> tuple[int, ...]:
    sizes = sizes.tolist() if isinstance(sizes, np.ndarray) else sizes
    if isinstance(sizes, str) or not isinstance(sizes, Sequence) or len(sizes) < 2:
        raise BadInput(f"the layers are {short_repr(sizes)}; give at least two sizes, inputs first and outputs last")
    for size in sizes:
        if not isinstance(size, int | np.integer) or isinstance(size, bool) or size < 1:
            raise BadInput(f"a layer has size {short_repr(size)}; give every layer a whole number of units, 1 or more")
    return tuple(int(size) for size in sizes)


def _of_layers(kind: str, given: Any, count: int, noun: str) -> tuple[Any, ...]:
    """Return a formula for each of some layers, from one or a list."""
    if not isinstance(given, list | tuple):
        return (registry.find(kind, given),) * count
    if len(given) != count:
        names = f"{'is' if len(given) == 1 else 'are'} {count_of(len(given), kind)}"
        raise BadInput(f"there {names} for {count_of(count, noun)}; give one, or one for each")
    return tuple(registry.find(kind, one) for one in given)
