"""Register custom layers, each proved first."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from deltarule.errors import BadInput, short_repr
from deltarule.maths.elementary import Fixed
from deltarule.maths.layers import Layer, Own
from deltarule.problem import registry
from deltarule.problem.network import switch
from deltarule.program.derivative import with_derived_backward
from deltarule.proofs import formula_calls as calls
from deltarule.proofs.layer_proofs import prove_layer, returns_backward

SHAPES = ("D H", "1 H", "1 D", "D D", "H H")
SHARED_SHAPES = ("D H", "H D", "1 H", "1 D", "D D", "H H")
"""Shapes of parameters: D inputs and H units of the layer."""

_TAKEN = frozenset({"x", "y", "w", "s", "z", "n", "a", "d", "r", "h", "units", "name", "keep", "dropout", "share"})
"""Names of values and of what an update gives, which no array of a layer may have."""


def register_layer(
    name: str,
    function: Callable[..., Any],
    *,
    arrays: Mapping[str, str | tuple[str, float]] | None = None,
    shared: Mapping[str, str] | None = None,
    earlier: Sequence[str] = (),
    parameters: Mapping[str, float] | None = None,
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
        ("1 D", 1.0). With H in a shape the layer has `units` of its own, else as many as inputs.
    shared : mapping of str to str, optional
        Parameters of other layers that it takes, and their shapes. A network names them: {"name": …, "W": "W1"}.
    earlier : sequence of str, optional
        Values [.., B, D] of earlier layers that it takes. A network names them: {"name": …, "skip": "a1"}.
    parameters : mapping of str to float, optional
        Names and default values of further numbers.
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
    own = {key: _own(name, key, given) for key, given in (arrays or {}).items()}
    others = {key: _check_shape(name, key, letters, SHARED_SHAPES) for key, letters in (shared or {}).items()}
    _check_names(name, [*own, *others, *earlier])
    has_units = any("H" in letters for letters in (*(one.shape for one in own.values()), *others.values()))
    layer = Layer(
        name,
        "z" if has_units else "h",
        function,
        arrays=Fixed(own),
        shared=Fixed(others),
        earlier=tuple(earlier),
        parameters=calls.check_parameters("layer", name, parameters),
    )
    if not returns_backward(layer):
        layer = replace(layer, function=with_derived_backward(function))
    agreement = prove_layer(layer, is_derivative=switch("derivative", derivative))
    layer = replace(layer, agreement=Fixed(agreement))
    registry.add("layer", layer)
    return layer


def _own(name: str, key: str, given: Any) -> Own:
    """Return an array of a layer from its shape, or from its shape and start."""
    if isinstance(given, tuple) and len(given) == 2:
        letters, start = given
        if not isinstance(start, int | float) or isinstance(start, bool):
            raise BadInput(f"the array '{key}' of the layer '{name}' starts at {short_repr(start)}; give a number")
        return Own(_check_shape(name, key, letters, SHAPES), float(start))
    return Own(_check_shape(name, key, given, SHAPES))


def _check_shape(name: str, key: str, letters: Any, allowed: Sequence[str]) -> str:
    if letters not in allowed:
        raise BadInput(
            f"the array '{key}' of the layer '{name}' has the shape {short_repr(letters)}; give one of "
            f"{', '.join(map(repr, allowed))}, D inputs and H units, or that and a start: ('1 H', 0.0)"
        )
    return str(letters)


def _check_names(name: str, keys: Sequence[Any]) -> None:
    for key in keys:
        if not isinstance(key, str) or not key.isidentifier() or key[-1].isdigit() or key in _TAKEN:
            raise BadInput(
                f"the layer '{name}' takes something called {short_repr(key)}; give a name of letters that is not "
                "that of a value, as W, b or gamma"
            )
    if len(set(keys)) < len(keys):
        raise BadInput(f"the layer '{name}' takes two things of one name; give each a name of its own")
