"""`Network`: the sizes, activations and options of a multi-layer perceptron."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deltarule.errors import BadInput, count_of, short_repr
from deltarule.maths.activations import Activation
from deltarule.maths.elementary import Fixed
from deltarule.maths.initializers import Initializer
from deltarule.maths.layers import BATCH_NORM, DENSE, DENSE_WITHOUT_BIASES, DROPOUT, SCALING, Layer
from deltarule.maths.network import Entry, PlacedLayer, buffer_entries, parameter_entries
from deltarule.problem import registry
from deltarule.problem.registry import Named
from deltarule.problem.settings import NetworkSection
from deltarule.user_functions import call_user_function

_USUAL = (DENSE, DENSE_WITHOUT_BIASES, SCALING, BATCH_NORM, DROPOUT)
"""The layers of the short form."""


@dataclass(frozen=True, init=False)
class Network:
    """The architecture of a multi-layer perceptron, without parameters.

    Parameters
    ----------
    sizes : sequence of int, or of layers
        Units of every layer, inputs first and outputs last: [8, 3, 8] has 8 inputs, 3 hidden units, 8 outputs. Or the
        inputs and then all layers in order: a number for a dense layer of so many units, and names of layers and
        activations: [8, 3, "layer_norm", "relu", 8].
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
        For a size below 1, an unknown name, a list of the wrong length, and layers that do not fit each other.

    Notes
    -----
    docs/reference/recipes.md has all names. A table with a name and parameters may replace each: {"name": "leaky_relu",
    "slope": 0.2}. A table of a layer also has its `units`, and names what the layer takes from others: {"name": "tied",
    "W": "W1"}, {"name": "residual", "skip": "a1"}, where "x" are the data. Values are named by their kind and number: z
    (dense, glu, tied), n (norms), a (activations), d (dropout), s (scaling), r (residual), h (a layer of one's own
    without units); the number grows where a name is taken, and in
    front of units behind an activation.

    Examples
    --------
    >>> from deltarule import Network
    >>> Network([8, 3, 8], activation="sigmoid", output="sigmoid")
    Network 8-3-8 (sigmoid, sigmoid), 59 parameters
    >>> Network([8, 4, "relu", {"name": "glu", "units": 4}, {"name": "residual", "skip": "a1"}, 8])
    Network 8-4-4-8 (dense, relu, glu, residual, dense, identity), 116 parameters
    """

    sizes: tuple[int, ...]
    layers: tuple[PlacedLayer, ...] = field(repr=False)
    output: Activation
    initializers: tuple[Initializer, ...]
    entries: tuple[Entry, ...] = field(repr=False)
    buffers: tuple[Entry, ...] = field(repr=False)

    def __init__(
        self,
        sizes: Sequence[int] | NDArray[np.integer[Any]] | Sequence[Any],
        activation: Named | Activation | Sequence[Named | Activation] = NetworkSection.activation,
        output: Named | Activation = NetworkSection.output,
        *,
        bias: bool = NetworkSection.bias,
        batch_norm: bool = NetworkSection.batch_norm,
        scaling_layer: bool = NetworkSection.scaling_layer,
        initializer: Named | Initializer | Sequence[Named | Initializer] = NetworkSection.initializer,
    ) -> None:
        bias, batch_norm = switch("bias", bias), switch("batch_norm", batch_norm)
        scaling = switch("scaling_layer", scaling_layer)
        given = _check_list(sizes)
        if all(isinstance(item, int) for item in given):
            activations = _of_layers("activation", activation, len(given) - 2, "hidden layer")
            given = _usual_chain(given, activations, batch_norm=batch_norm, scaling=scaling)
        elif activation != NetworkSection.activation or batch_norm or scaling:
            raise BadInput(
                "a list of layers names its activations, norms and scaling itself; leave out the options activation, "
                "batch_norm and scaling_layer"
            )
        layers = place_layers(given, DENSE if bias else DENSE_WITHOUT_BIASES)
        units = {placed.number: placed.units for placed in layers}
        for name, value in (
            ("sizes", (layers[0].inputs, *units.values())),
            ("layers", layers),
            ("output", registry.activation(output)),
            ("initializers", _of_layers("initializer", initializer, len(units), "layer")),
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
    def depth(self) -> int:
        """The number of the last layer: L of the logits zL."""
        return len(self.sizes) - 1

    @property
    def activations(self) -> dict[int, Activation]:
        """The activations of layers by number, that of the output last."""
        hidden = {placed.number: placed.formula for placed in self.layers if isinstance(placed.formula, Activation)}
        return {**hidden, self.depth: self.output}

    @property
    def dropouts(self) -> tuple[PlacedLayer, ...]:
        """The places at which units may be dropped."""
        return tuple(placed for placed in self.layers if placed.formula == DROPOUT)

    def has(self, name: str) -> bool:
        """Whether a layer of that name is in the network."""
        return any(placed.formula.name == name for placed in self.layers)

    @property
    def has_biases(self) -> bool:
        """Whether a layer has biases."""
        return any(entry.role == "biases" for entry in self.entries)

    def __repr__(self) -> str:
        if all(placed.symbol == "a" or placed.formula in _USUAL for placed in self.layers):
            extras = {"no biases": not self.has_biases, "batch norm": bool(self.buffers)}
            extras["scaling layer"] = self.has("scaling")
            names = [one.name for one in self.activations.values()] + [name for name, is_so in extras.items() if is_so]
        else:
            names = [placed.formula.name for placed in self.layers] + [self.output.name]
        return f"Network {'-'.join(map(str, self.sizes))} ({', '.join(names)}), {self.parameters:,} parameters"


def switch(name: str, value: Any) -> bool:
    """Check that the value of the option `name` is True or False, and return it."""
    if not isinstance(value, bool | np.bool):
        raise BadInput(f"{name} is {short_repr(value)}; give True or False")
    return bool(value)


def _check_list(sizes: Any) -> list[Any]:
    """Return sizes and layers as a list, numbers checked."""
    sizes = sizes.tolist() if isinstance(sizes, np.ndarray) else sizes
    if isinstance(sizes, str) or not isinstance(sizes, Sequence) or len(sizes) < 2:
        raise BadInput(f"the layers are {short_repr(sizes)}; give at least two sizes, inputs first and outputs last")
    first, *others = sizes
    kinds = str | Mapping | Layer | Activation
    return [_check_size(first), *(item if isinstance(item, kinds) else _check_size(item) for item in others)]


def _check_size(size: Any) -> int:
    if not registry.is_size(size):
        raise BadInput(f"a layer has size {short_repr(size)}; give every layer a whole number of units, 1 or more")
    return int(size)


def _usual_chain(
    sizes: list[int], activations: Sequence[Activation], *, batch_norm: bool, scaling: bool
) -> list[int | Layer | Activation]:
    """Return the inputs and all layers of a network of some sizes."""
    inputs, *hidden, outputs = sizes
    chain: list[int | Layer | Activation] = [inputs, *([SCALING] if scaling else [])]
    for units, activation in zip(hidden, activations, strict=True):
        chain += [units, *([BATCH_NORM] if batch_norm else []), activation, DROPOUT]
    return [*chain, outputs]


def place_layers(given: Sequence[Any], dense: Layer) -> tuple[PlacedLayer, ...]:
    """Number layers, and check that they fit each other; `given` begins with the number of inputs."""
    width, *items = given
    number, used = 1, set[str]()
    placed: list[PlacedLayer] = []
    for position, item in enumerate(items, 1):
        formula, table = (dense, {"units": item}) if isinstance(item, int) else formula_and_place(item)
        one = PlacedLayer(formula, number, width, width)
        symbols = {one.symbol, *one.layer.arrays}
        if one.symbol == "z" or position == len(items):  # an activation behind it has its number
            symbols.add("a")
        if symbols & used:
            number, used = number + 1, set()
        used |= symbols - {"a"} | {one.symbol}
        one = _connect(PlacedLayer(formula, number, width, width), dict(table), placed, given[0])
        placed.append(one)
        width = one.units
    if not any(one.layer.arrays for one in placed):
        raise BadInput("no layer of the network has parameters; add one, such as a number of units")
    if isinstance(placed[-1].formula, Activation) or placed[-1].formula == DROPOUT:
        name = placed[-1].formula.name
        raise BadInput(f"the list of layers ends with {name}; end with a number of units, and give output={name!r}")
    return tuple(placed)


def formula_and_place(item: Any) -> tuple[Layer | Activation, Mapping[str, Any]]:
    """The layer or activation that an item of a list of layers names, and what its table says of its place."""
    if isinstance(item, Layer | Activation):
        return registry.find(registry.kind_of(item), item), {}
    name = item.get("name") if isinstance(item, Mapping) else item
    if name not in registry.names("layer"):
        if name not in registry.names("activation"):
            known = [*registry.names("layer"), *registry.names("activation")]
            hint = registry.hint_at(name, known) if isinstance(name, str) else f"; there are: {', '.join(known)}"
            raise BadInput(f"there is no layer or activation {short_repr(name)}{hint}")
        return registry.activation(item), {}
    if isinstance(item, str):
        return registry.layer(item), {}
    layer = registry.layer(name)
    places = {"units", *layer.shared, *layer.earlier}
    formula = registry.layer({key: value for key, value in item.items() if key not in places})
    return formula, {key: value for key, value in item.items() if key in places}


def describe_layer(item: Any) -> Any:
    """An item of a list of layers as recipes write it, with all parameters."""
    formula, place = formula_and_place(item)
    described = registry.describe_formula(formula)
    named = described if isinstance(described, dict) else {"name": described}
    return {**named, **place} if place else described


def _connect(one: PlacedLayer, table: dict[str, Any], placed: Sequence[PlacedLayer], inputs: int) -> PlacedLayer:
    """Return a layer with its units, and with the names of what it takes from the layers before it."""
    layer, what = one.layer, f"the layer '{one.layer.name}' ({one.name})"
    shapes = {entry.name: entry.shape for entry in parameter_entries(placed)}
    widths = {"x": inputs, **{other.name: other.units for other in placed}}
    names: dict[str, str] = {}
    units = table.pop("units", None)
    for key in (*layer.shared, *layer.earlier):
        known = shapes if key in layer.shared else widths
        if not isinstance(table.get(key), str) or table[key] not in known:
            raise BadInput(
                f"{what} takes {key} from a layer before it, and is given {short_repr(table.get(key))}; give one of "
                f"{', '.join(known)}"
            )
        names[key] = table[key]
    for key, letters in layer.shared.items():
        units = dict(zip(letters.split(), shapes[names[key]], strict=True)).get("H", units)
    for key in layer.earlier:
        if widths[names[key]] != one.inputs:
            raise BadInput(
                f"{what} adds {widths[names[key]]} units of {names[key]} to {one.inputs}; name a layer of as many units"
                if layer.name == "residual"
                else f"{what} has {one.inputs} inputs and {names[key]} has {widths[names[key]]} units; name another"
            )
    if layer.sets_units and units is None:
        raise BadInput(f'{what} has units of its own; say how many: {{"name": "{layer.name}", "units": {one.inputs}}}')
    if not layer.sets_units and units is not None:
        raise BadInput(f"{what} has as many units as inputs; leave out its units")
    units = _check_size(units) if layer.sets_units else one.inputs
    connected = PlacedLayer(one.formula, one.number, one.inputs, units, Fixed(names))
    _check_fit(connected, what, shapes)
    return connected


def _check_fit(one: PlacedLayer, what: str, shapes: Mapping[str, tuple[int, ...]]) -> None:
    """Check that a layer can take its sizes: arrays have whole ones, and a layer of a user's runs on a row of zeros."""
    layer = one.layer
    try:
        arrays = [
            one.shape(letters) for letters in (*(own.shape for own in layer.arrays.values()), *layer.shared.values())
        ]
    except ValueError as error:
        raise BadInput(f"{what} cannot have {one.inputs} inputs and {one.units} units: {error}") from None
    for key, shape in zip(layer.shared, arrays[len(layer.arrays) :], strict=True):
        if shapes[one.names[key]] != shape:
            raise BadInput(
                f"{what} has {one.inputs} inputs, for which {one.names[key]} has the wrong shape; name another"
            )
    if isinstance(one.formula, Activation) or registry.is_built_in(one.formula):
        return
    zeros = [np.zeros((1, *shape)) for shape in ((1, one.inputs), *arrays, *[(1, one.inputs)] * len(layer.earlier))]
    with np.errstate(all="ignore"):
        value = call_user_function(layer.function, zeros, layer.parameters, f"with these sizes {what}")[0]
    if np.shape(value)[1:] != (1, one.units):
        raise BadInput(f"{what} gives {np.shape(value)[-1]} units for {one.inputs} inputs, not {one.units}")


def _of_layers(kind: str, given: Any, count: int, noun: str) -> tuple[Any, ...]:
    """Return a formula for each of some layers, from one or a list."""
    if not isinstance(given, list | tuple):
        return (registry.find(kind, given),) * count
    if len(given) != count:
        names = f"{'is' if len(given) == 1 else 'are'} {count_of(len(given), kind)}"
        raise BadInput(f"there {names} for {count_of(count, noun)}; give one, or one for each")
    return tuple(registry.find(kind, one) for one in given)
