"""Write a recognized or guessed network as a NumPy program; sentences quote its lines."""

import linecache
import tomllib
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from deltarule.checking.mistakes.evidence import GradientEvidence
from deltarule.checking.mistakes.network_matching import Like, NetworkMatch, match_network
from deltarule.checking.mistakes.rules import NETWORK_FILE
from deltarule.checking.tape.traced_array import UntraceableError
from deltarule.checking.user_code.arrays import as_numpy
from deltarule.checking.user_code.callables import Code
from deltarule.checking.user_code.references import contents_of
from deltarule.errors import BadInput
from deltarule.maths.activations import ACTIVATIONS
from deltarule.maths.losses import LOSSES
from deltarule.maths.update import Objective
from deltarule.problem.network import Network
from deltarule.problem.registry import is_built_in
from deltarule.program.numpy_text import Passes

_EXPRESSIONS = tomllib.loads(Path(__file__).with_name("network_expressions.toml").read_text(encoding="utf-8"))
_ACTIVATIONS, _LOSSES = _EXPRESSIONS["activations"], _EXPRESSIONS["losses"]


def network_program(match: NetworkMatch, evidence: GradientEvidence) -> Code | None:
    """The code of a recognized network's loss, as a function of the arrays."""
    formulas: list[Any] = [match.objective.loss, *match.network.activations.values()]
    layers = [placed.layer for placed in match.network.layers if placed.symbol != "a"]
    is_written = all(formula.name in {**_ACTIVATIONS, **_LOSSES} for formula in formulas)
    if not is_written or not all(map(is_built_in, [*formulas, *layers])):
        return None
    source = "\n    ".join(["def loss(params):", *_statements(match)])
    linecache.cache[NETWORK_FILE] = (len(source), None, source.splitlines(keepends=True), NETWORK_FILE)
    factor = 1 / match.divisor if match.divisor else match.factor
    names: dict[str, Any] = {"np": np, "x": match.x, "y": match.y, "factor": factor, "softmax": _softmax}
    exec(compile(source, NETWORK_FILE, "exec"), names)
    return Code(tuple(evidence.names), tuple(evidence.values), names["loss"], lambda values: list(evidence.gradients))


def _statements(match: NetworkMatch) -> Iterator[str]:
    """The statements of the forward pass."""
    shapes = {entry.name: entry.shape for entry in match.network.entries}
    for name, i in match.layout.index.items():
        is_turned = match.layout.transposed and name.startswith("W")
        shape = shapes[name][::-1] if is_turned else shapes[name]
        reshaped = "" if match.layout.shapes[i] == shape else f".reshape{shape}"
        yield f"{name} = params[{i}]{reshaped}{'.T' if is_turned else ''}"
    network = match.network
    parts = network.layers, network.output, network.entries, network.buffers
    passes = Passes(Objective(*parts, LOSSES["squared_error"], "sum"), np.dtype(float), _expression)
    for statement in passes.training({"part": "1 / len(x)"}, ()):
        if statement.startswith(f"da{network.depth} = "):  # the way back
            break
        yield statement.replace(f"a{network.depth} = ", "p = ")
    loss = match.objective.loss
    yield f"errors = {_LOSSES[loss.name].format(**loss.parameters)}"
    weights = [name for name in match.layout.index if match.penalty and name.startswith("W")]
    yield f"return factor * errors.sum(){''.join(f' + {match.penalty / 2!r} * ({W} ** 2).sum()' for W in weights)}"


def _expression(function: Callable[..., Any], *arguments: str, **parameters: float) -> str:
    """The text of an activation; the way back is not written."""
    name = next((each.name for each in ACTIVATIONS.values() if each.function is function), "identity")
    return str(_ACTIVATIONS[name]).format(z=arguments[0], **parameters)


def _softmax(z: Any) -> Any:
    powers = np.exp(z - z.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


_GUESSED_ACTIVATIONS = ("tanh", "relu", "sigmoid", "softplus", "leaky_relu")
_GUESSED_OUTPUTS = ("identity", "softmax", "sigmoid")
_MAX_ARRAYS = 6
"""Arrays that are tried as the inputs x; twice as many are tried as the targets y."""


def guess_network(code: Code, evidence: GradientEvidence, loss: float) -> NetworkMatch | None:
    """Find a network, and data for it, with the reference gradient."""
    weights = [value.shape for value in evidence.values if value.ndim == 2 and min(value.shape) > 1]
    if not weights or len(evidence.values) not in (len(weights), 2 * len(weights)):
        return None
    arrays = list(_referenced_arrays(code, evidence))
    for shapes in (weights, [shape[::-1] for shape in weights]):
        sizes = [shapes[0][0], *(shape[1] for shape in shapes)]
        if [shape[0] for shape in shapes] != sizes[:-1]:
            continue
        inputs = [array for array in arrays if array.ndim == 2 and sizes[0] in array.shape and array.dtype.kind == "f"]
        hidden = _GUESSED_ACTIVATIONS if len(sizes) > 2 else ("tanh",)
        data = product(inputs[:_MAX_ARRAYS], arrays[: 2 * _MAX_ARRAYS])
        for (x, y), activation, output in product(data, hidden, _GUESSED_OUTPUTS):
            if x is not y and set(y.shape) & set(x.shape):
                with suppress(BadInput, ValueError):
                    network = Network(sizes, activation, output, bias=len(evidence.values) > len(weights))
                    match = match_network(evidence, evidence.references, loss, Like(network, x, y))
                    if match is not None and not match.objective.kind:
                        return match
    return None


def _referenced_arrays(code: Code, evidence: GradientEvidence) -> Iterator[Any]:
    """The arrays that the code refers to and that may be its data."""
    shapes = {value.shape for value in evidence.values if value.ndim == 2}
    contents = {id(value): value for value in contents_of(code.roots)}
    for value in contents.values():
        if hasattr(value, "shape") and hasattr(value, "dtype"):
            with suppress(RuntimeError, TypeError, ValueError, UntraceableError):
                array = np.asarray(as_numpy(value))
                is_data = array.ndim in (1, 2) and array.size > 2 and array.dtype.kind in "fiub"
                if is_data and array.shape not in shapes:
                    yield array
