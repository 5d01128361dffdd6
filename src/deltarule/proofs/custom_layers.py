"""Register custom layers: each backward pass is proved first, and that engines can call it.

x [K, B, D]   each array [K, rows, columns]   value [K, B, H]     K members · B rows · D inputs · H units

All entries of ∂J/∂x and of the gradients of the arrays are compared with central differences of J = Σ upstream · value,
for several sizes, scales and upstream gradients.
"""

import re
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from deltarule.errors import BadInput, RunFailed, count_of, short_repr
from deltarule.maths.activations import Activation
from deltarule.maths.elementary import Fixed
from deltarule.maths.layers import Layer, Own
from deltarule.maths.network import PlacedLayer, numbered
from deltarule.problem import registry
from deltarule.problem.network import switch
from deltarule.problem.problem import Floats
from deltarule.program.derivative import with_derived_backward
from deltarule.program.program import NotTraceable
from deltarule.program.recorder import location
from deltarule.proofs import formula_calls as calls
from deltarule.user_functions import call_user_function

_TAKEN = frozenset({"x", "y", "w", "s", "z", "n", "a", "d", "r", "h", "units", "name", "keep", "dropout", "share"})
"""Names of values and of what an update gives, which no array of a layer may have."""
TOLERANCE = 1e-6
"""Of central differences, relative to the largest derivative of an array: their error is below 1e-9 where a layer is
smooth, and a mistake of a thousandth is found."""
_STEP = 2.0**-17
_SIZES = ((2, 5, 3, 4), (2, 1, 1, 1), (3, 4, 6, 2), (2, 2, 8, 8), (2, 2, 12, 12))
"""K, B, D and H of the cases: the first three that a layer can take, as not each divides its units into groups."""
_SAME = 1e-9


def register_layer(
    name: str,
    function: Callable[..., Any],
    *,
    arrays: Mapping[str, str | tuple[str, float]] | None = None,
    shared: Mapping[str, str] | None = None,
    earlier: Sequence[str] = (),
    parameters: Mapping[str, float] | None = None,
    sizes: Mapping[str, int] | None = None,
    derivative: bool = True,
) -> Layer:
    """Prove the backward pass of a custom layer, then register it.

    Parameters
    ----------
    name : str
        What it is called in the list of layers of `Network`.
    function : callable
        `function(x, *arrays, *shared, *earlier, **parameters)` returns the layer's value [.., B, H] and its backward
        pass: a function from ∂J/∂ the value to a tuple of ∂J/∂x and the gradient of everything else, in order. It may
        return the value alone: then the backward pass is derived from its operations.
    arrays : mapping of str to str or tuple, optional
        Its parameters in order: the shape in letters, D inputs and H units, such as "D H" or "1 H", which the
        initializer of the network draws as weights and biases; or that and the number at which all of it starts,
        ("1 D", 1.0). A size may also be a number, a name of `sizes`, or such with * and / between them: "D 1", "H/2 r".
        With H in a shape the layer has `units` of its own, else as many as inputs.
    shared : mapping of str to str, optional
        Parameters of other layers that it takes, and their shapes. A network names them: {"name": …, "W": "W1"}.
    earlier : sequence of str, optional
        Values [.., B, D] of earlier layers that it takes. A network names them: {"name": …, "skip": "a1"}.
    parameters : mapping of str to float, optional
        Names and default values of further numbers.
    sizes : mapping of str to int, optional
        Names of further sizes, which shapes may use, and their defaults: with {"r": 2} a shape may be "D r". A network
        sets them: {"name": …, "units": 6, "r": 3}.
    derivative : bool, default=True
        Whether the backward pass is the derivative. False declares that it is meant to be another one, such as a
        straight-through estimator: then it is compared with the derivative, not proved.

    Returns
    -------
    Layer
        Its `agreement` has for each gradient the cosine of the angle to the derivative: 1 where it is the derivative.

    Raises
    ------
    RunFailed
        Where the backward pass is not the derivative, with the worst entry.
    BadInput
        Where the function cannot be used as it is, or mixes members or rows, and for a name that is taken.

    Notes
    -----
    In front of the axes [B, D] and [D, H] may stand one of members: use the axes -1 and -2, `np.swapaxes(W, -1, -2)`
    for Wᵀ, and keepdims=True. A function that the recorder of programs can read is compiled.

    Examples
    --------
    >>> import numpy as np
    >>> from deltarule import Network, register_layer, unregister
    >>> layer = register_layer("sines", lambda x, W, b: np.sin(x @ W + b), arrays={"W": "D H", "b": "1 H"})
    >>> Network([2, {"name": "sines", "units": 8}, 1])
    Network 2-8-1 (sines, dense, identity), 33 parameters
    >>> unregister("layer", "sines")
    """
    calls.check_new("layer", name, function)
    if name in registry.names("activation"):
        raise BadInput(f"there is an activation '{name}', beside which a list of layers could not tell it; rename it")
    sizes = _check_sizes(name, sizes or {}, parameters or {})
    own = {key: _own(name, key, given, sizes) for key, given in (arrays or {}).items()}
    others = {key: _check_shape(name, key, letters, sizes) for key, letters in (shared or {}).items()}
    _check_names(name, [*own, *others, *earlier])
    layer = Layer(
        name,
        "",
        function,
        arrays=Fixed(own),
        shared=Fixed(others),
        earlier=tuple(earlier),
        parameters=calls.check_parameters("layer", name, parameters),
        sizes=Fixed(sizes),
    )
    layer = replace(layer, symbol="z" if layer.sets_units else "h")
    if not returns_backward(layer):
        layer = replace(layer, function=with_derived_backward(function))
    agreement = prove_layer(layer, is_derivative=switch("derivative", derivative))
    layer = replace(layer, agreement=Fixed(agreement))
    registry.add("layer", layer)
    return layer


def _own(name: str, key: str, given: Any, sizes: Mapping[str, int]) -> Own:
    """Return an array of a layer from its shape, or from its shape and start."""
    if isinstance(given, tuple) and len(given) == 2:
        letters, start = given
        if not isinstance(start, int | float) or isinstance(start, bool):
            raise BadInput(f"the array '{key}' of the layer '{name}' starts at {short_repr(start)}; give a number")
        return Own(_check_shape(name, key, letters, sizes), float(start))
    return Own(_check_shape(name, key, given, sizes))


def _check_sizes(name: str, sizes: Mapping[str, int], taken: Mapping[str, float]) -> dict[str, int]:
    for key, size in sizes.items():
        if not isinstance(key, str) or not key.isidentifier() or key in ("D", "H", "name", "units", *taken):
            raise BadInput(
                f"the layer '{name}' has a size called {short_repr(key)}; give a name that is not D, H, name, units or "
                "that of a parameter"
            )
        if not registry.is_size(size):
            raise BadInput(f"the size '{key}' of the layer '{name}' is {short_repr(size)}; give a whole number from 1")
    return dict(sizes)


def _check_shape(name: str, key: str, letters: Any, sizes: Mapping[str, int]) -> str:
    words = letters.split() if isinstance(letters, str) else []
    factor = "|".join(["D", "H", *sizes, r"[1-9]\d*"])
    if len(words) != 2 or not all(re.fullmatch(rf"({factor})([*/]({factor}))*", word) for word in words):
        raise BadInput(
            f"the array '{key}' of the layer '{name}' has the shape {short_repr(letters)}; give two sizes, such as "
            "'D H' or '1 H/2', of D inputs, H units, numbers and names of sizes, or that and a start: ('1 H', 0.0)"
        )
    return str(letters)


def _check_names(name: str, keys: Sequence[Any]) -> None:
    for key in keys:
        if not isinstance(key, str) or not key.isidentifier() or key in _TAKEN:
            raise BadInput(
                f"the layer '{name}' takes something called {short_repr(key)}; give a name of letters that is not "
                "that of a value, as W, b or gamma"
            )
    if len({numbered(key, 1) for key in keys}) < len(keys):
        raise BadInput(f"the layer '{name}' takes two things of one name; give each a name of its own")


@dataclass(frozen=True)
class _Case:
    """A layer with numbers for all that it takes; `training` without which it is the layer of evaluation."""

    layer: Layer
    operands: dict[str, Floats]
    upstream: Floats
    training: bool

    @property
    def function(self) -> Callable[..., Any]:
        function = self.layer.function if self.training else self.layer.evaluation
        assert function is not None
        return function

    def call(self, operands: Mapping[str, Floats]) -> tuple[Floats, Callable[[Floats], Any]]:
        what = f"{_title(self.layer)}" + ("" if self.training else " in evaluation")
        result = _called(self.function, tuple(operands.values()), self.layer.parameters, what)
        expected = 2 + (len(self.layer.statistics) if self.training else 0)
        if not isinstance(result, tuple) or len(result) != expected or not callable(result[1]):
            parts = ["its value", "its backward pass", *(self.layer.statistics if self.training else ())]
            raise BadInput(f"{what} returns {_shape_text(result)}; return a tuple of {', '.join(parts)}")
        value, backward = result[:2]
        return np.asarray(value), backward

    def gradients(self, operands: Mapping[str, Floats], upstream: Floats) -> dict[str, Floats]:
        """Return what the backward pass gives for x and all that learns, by name."""
        names = [name for name in operands if name not in (*self.layer.given, *self.layer.statistics)]
        what = f"the backward pass of {_title(self.layer)}"
        returned = _called(self.call(operands)[1], (upstream,), {}, what)
        parts = returned if isinstance(returned, tuple) else (returned,)
        if len(parts) != len(names):
            wanted = ", ".join(f"∂J/∂{name}" for name in names)
            raise BadInput(f"{what} returns {count_of(len(parts), 'array')}; return {wanted}, in this order")
        gradients = dict(zip(names, map(np.asarray, parts), strict=True))
        for name, gradient in gradients.items():
            if gradient.shape != operands[name].shape:
                raise BadInput(
                    f"{what} gives ∂J/∂{name} the shape {gradient.shape} for {name} of {operands[name].shape}; give "
                    "the same shape"
                )
        return gradients


def _title(layer: Layer) -> str:
    return f"the {'activation' if layer.symbol == 'a' else 'layer'} '{layer.name}'"


def returns_backward(layer: Layer) -> bool:
    """Whether a layer's function returns a backward pass, not the value alone."""
    case = _case(layer, _sizes_of(layer)[0], 1.0, np.random.default_rng(0), training=True)
    arguments = tuple(case.operands.values())
    return isinstance(_called(layer.function, arguments, layer.parameters, f"{_title(layer)}"), tuple)


def _sizes_of(layer: Layer) -> list[tuple[int, int, int, int]]:
    """Return the first three sizes that a layer can take; raise an error where it takes none."""
    taken: list[tuple[int, int, int, int]] = []
    errors: list[Exception] = []
    for sizes in _SIZES:
        try:
            case = _case(layer, sizes, 1.0, np.random.default_rng(0), training=True)
            _called(layer.function, tuple(case.operands.values()), layer.parameters, _title(layer))
        except (BadInput, ValueError) as error:  # also of a shape that is no whole number
            errors.append(error)
        else:
            taken.append(sizes)
    if all(inputs == 1 for *_, inputs, _ in taken):  # with which much is right by chance
        last = errors[-1]  # for the sizes that most layers can take
        raise last if isinstance(last, BadInput) else BadInput(f"{_title(layer)}: {last}")
    return taken[:3]


def prove_layer(layer: Layer, *, is_derivative: bool = True) -> dict[str, float]:
    """Prove a layer's backward pass; return by array its least agreement with the derivative, 1 for the same.

    The agreement is the cosine of the angle between both; a backward pass that is declared to be another one is only
    compared.
    """
    agreement: dict[str, float] = {}
    for training in (True, False):
        if not training and layer.evaluation in (None, layer.function):
            continue
        for number, sizes in enumerate(_sizes_of(layer)):
            for scale in (0.3, 1.0, 3.0):
                case = _case(layer, sizes, scale, np.random.default_rng(number), training=training)
                _check_value(case, sizes)
                for name, cosine in _compare(case, is_derivative=is_derivative).items():
                    agreement[name] = min(cosine, agreement.get(name, 1.0))
    return agreement


def prove_rowwise(activation: Activation) -> Floats:
    """Prove the backward pass of an activation that couples the units of a row, and return values of it."""
    layer = Layer(activation.name, "a", activation.forward)
    prove_layer(layer)
    case = _case(layer, _SIZES[0], 3.0, np.random.default_rng(0), training=True)
    return case.call(case.operands)[0]


def _called(function: Callable[..., Any], arguments: Sequence[Any], parameters: Mapping[str, Any], what: str) -> Any:
    try:
        with np.errstate(all="ignore"):
            return call_user_function(function, arguments, parameters, what)
    except NotTraceable as reason:
        where = location(traceback.extract_tb(reason.__traceback__))
        raise BadInput(f"{what} has no derived backward pass: {reason}{where}; return one of your own") from None
    except BadInput as error:
        if not isinstance(error.__cause__, ValueError | IndexError):
            raise
        hint = "arrays have an axis of members in front: use axes -1 and -2, and np.swapaxes(W, -1, -2) for Wᵀ"
        raise BadInput(f"{error}; {hint}") from None


def _case(
    layer: Layer, sizes: tuple[int, int, int, int], scale: float, random: np.random.Generator, *, training: bool
) -> _Case:
    K, B, D, H = sizes
    placed = PlacedLayer(layer, 1, D, H if layer.sets_units else D)

    def drawn(*shape: int) -> Floats:
        return scale * random.normal(size=(K, *shape))

    operands = {"x": drawn(B, D)}
    operands |= {name: drawn(*placed.shape(own.shape)) for name, own in layer.arrays.items()}
    operands |= {name: drawn(*placed.shape(letters)) for name, letters in layer.shared.items()}
    operands |= {name: drawn(B, D) for name in layer.earlier}
    if not training:
        operands |= {name: 0.5 + random.random((K, 1, placed.units)) for name in layer.statistics}
    elif "share" in layer.given:
        weights = 0.5 + random.random((K, B, 1))
        operands["share"] = weights / weights.sum(-2, keepdims=True)
    return _Case(layer, operands, random.normal(size=(K, B, placed.units)), training)


def _check_value(case: _Case, sizes: tuple[int, int, int, int]) -> None:
    """Check that a layer's value has its shape and dtype, and for each member and row depends on that one alone."""
    operands, what = case.operands, f"{_title(case.layer)}"
    copies = {name: array.copy() for name, array in operands.items()}
    value, _ = case.call(copies)
    if not all(np.array_equal(copies[name], array) for name, array in operands.items()):
        raise BadInput(f"{what} changes what it is given; let it make a new array")
    if value.shape != case.upstream.shape:
        raise BadInput(
            f"{what} gives the shape {value.shape} for x of {operands['x'].shape}; give {case.upstream.shape}: "
            "[members, rows, units]"
        )
    if not np.isfinite(value).all():
        raise BadInput(f"{what} gives {value[~np.isfinite(value)][0]}; make it finite for all finite numbers")
    if not np.array_equal(value, case.call(operands)[0]):
        raise BadInput(f"{what} is different from call to call; it may depend on nothing but what it is given")
    last = {name: array[-1] for name, array in operands.items()}
    if not _is_close(case.call(last)[0], value[-1]):
        raise BadInput(f"{what} gives one member other values alone; use axes -1 and -2, and keepdims=True")
    by_rows = ("x", *case.layer.earlier)
    _check_shared_rows(case, by_rows)
    first = {name: array[:, :1] if name in by_rows else array for name, array in operands.items()}
    if "share" not in operands and not _is_close(case.call(first)[0], value[:, :1]):
        raise BadInput(f"{what} gives a row other values alone; it may mix the units of a row, but no rows")
    singles = {name: array.astype(np.float32) for name, array in operands.items()}
    calls.check_dtype(
        what,
        case.call(singles)[0].dtype,
        lambda *arrays: case.function(*arrays, **case.layer.parameters),
        [*singles.values()],
    )


def _check_shared_rows(case: _Case, by_rows: Sequence[str]) -> None:
    """Check a layer as the first of a network, where all members have the same x [B, D]."""
    layer, what = case.layer, _title(case.layer)
    if layer.given or layer.statistics or not layer.arrays:
        return
    shared = {name: array[0] if name in by_rows else array for name, array in case.operands.items()}
    own = {
        name: np.broadcast_to(array[:1], array.shape) if name in by_rows else array
        for name, array in case.operands.items()
    }
    advice = "take the shapes of what it makes from what it computes with its arrays"
    expected, value = case.call(own)[0], case.call(shared)[0]
    if not _is_close(np.broadcast_to(value, expected.shape) if value.ndim < expected.ndim else value, expected):
        raise BadInput(f"{what} gives other values where all members share x [rows, inputs]; {advice}")
    expected_gradients = case.gradients(own, case.upstream)
    returned = _called(case.call(shared)[1], (case.upstream,), {}, f"the backward pass of {what}")
    for name, gradient in zip(expected_gradients, returned, strict=True):
        if name in layer.arrays and not _is_close(np.asarray(gradient), expected_gradients[name]):
            raise BadInput(f"∂J/∂{name} of {what} is another where all members share x [rows, inputs]; {advice}")


def _is_close(found: Floats, expected: Floats) -> bool:
    return found.shape == expected.shape and np.allclose(found, expected, rtol=_SAME, atol=_SAME)


def _compare(case: _Case, *, is_derivative: bool) -> dict[str, float]:
    """Compare all gradients with central differences, and return the cosines."""
    cosines = {}
    for name, gradient in case.gradients(case.operands, case.upstream).items():
        expected = np.empty_like(case.operands[name])
        for index in np.ndindex(expected.shape):
            expected[index] = _central_difference(case, name, index)
        if is_derivative:
            _refuse_difference(case.layer, name, gradient, expected)
        lengths = float(np.linalg.norm(gradient) * np.linalg.norm(expected))
        is_same = np.array_equal(gradient, expected)  # if both are 0
        cosines[name] = float((gradient * expected).sum() / lengths) if lengths else float(is_same)
    return cosines


def _central_difference(case: _Case, name: str, index: Sequence[int]) -> float:
    values = []
    for step in (_STEP, -_STEP):
        array = case.operands[name].copy()
        array[tuple(index)] += step
        values.append(case.call({**case.operands, name: array})[0])
    return float((case.upstream * (values[0] - values[1])).sum() / (2 * _STEP))


def _refuse_difference(layer: Layer, name: str, gradient: Floats, expected: Floats) -> None:
    scale = max(1.0, float(np.abs(expected).max()))
    errors = np.abs(gradient - expected) / scale
    if not (errors <= TOLERANCE).all():  # not for NaN either
        worst = np.unravel_index(np.nanargmax(np.where(np.isnan(errors), np.inf, errors)), errors.shape)
        at = ", ".join(map(str, worst[1:]))
        raise RunFailed(
            f"the backward pass of {_title(layer)} is wrong: ∂J/∂{name}[{at}] is {gradient[worst]:.6g}, and a "
            f"central difference gives {expected[worst]:.6g}. Correct it; or leave the backward pass out, and it is "
            "derived; or say derivative=False if it is meant to be another one"
        )


def _shape_text(result: Any) -> str:
    return f"a tuple of {len(result)}" if isinstance(result, tuple) else f"a {type(result).__name__}"
