"""Other people's code, as they wrote it, in one form: a loss and a gradient of a list of arrays.

A function may take its parameters as they are given, one by one, or not at all: then it reads arrays that stand
somewhere (globals, an object's attributes), and these are moved where they stand, and put back.
"""

import inspect
import io
import re
import sys
import traceback
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stdout, suppress
from dataclasses import dataclass
from functools import partial
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from deltarule.checking.arrays import (
    Arrays,
    gradient_arrays,
    has_form,
    is_rows,
    number_of,
    other_losses,
    taken_apart,
)
from deltarule.errors import BadInput, DeltaruleError, is_interruption, is_out_of_memory
from deltarule.problem.problem import Floats

Values = Sequence[Floats]


@dataclass(frozen=True, eq=False)
class Code:
    """A loss and its gradient, of parameters in a fixed order.

    names, start        the parameters, and where the gradient is to be checked
    loss, gradient      of values in place of `start`; the gradient's arrays in the shapes that they came in
    complete            the gradient goes its own way forward; else the loss has to be called before
    held                the code reads its parameters where they stand, in their own dtype
    repeatable          whether the gradient may be asked for again, elsewhere
    blur                rounding errors that the way in which the gradient was obtained adds to it
    restore             puts everything back
    changed             what a call changes of the values handed to it, by the function's name
    notes               what else may be the reason where a gradient is not right
    """

    names: tuple[str, ...]
    start: tuple[Floats, ...]
    loss: Callable[[Values], Any]
    gradient: Callable[[Values], list[Floats]]
    held: bool
    complete: bool = False
    repeatable: bool = True
    blur: tuple[Floats, ...] | None = None
    restore: Callable[[], None] = lambda: None
    changed: Callable[[], dict[str, tuple[str, ...]]] = dict
    notes: Callable[[], tuple[str, ...]] = tuple


def from_functions(loss: Callable[..., Any], gradient: Callable[..., Any] | None, params: Any) -> Code:
    """Code in two functions, or in one that returns loss and gradient together.

    >>> code = from_functions(lambda w: w @ w, lambda w: 2 * w, np.array([1.0, 2.0]))
    >>> code.loss(code.start), code.gradient(code.start)
    (np.float64(5.0), [array([2., 4.])])
    """
    together = gradient is None or gradient is loss
    one, other = _name_of(loss, "loss"), "" if gradient is None else _name_of(gradient, "gradient")
    given = taken_apart(params, names=argument_names(loss))
    if together or gradient is None:
        call_loss = call_gradient = caller(loss, given, one, lambda result: has_form(_rest(result, one), given))
    else:
        call_loss, call_gradient = _pair_callers(loss, one, gradient, other, given)
    if not call_loss.held and _reads_elsewhere(call_loss, given):
        call_loss.held = call_gradient.held = True
    held = call_loss.held or call_gradient.held
    holder = Standing(given) if held else None

    def gradient_at(values: Values) -> list[Floats]:
        result = call_gradient(values, holder)
        return without_loss(result, given, one) if together else gradient_arrays(result, given, other)

    def restore() -> None:
        if holder is not None:
            holder.restore()
        with suppress(BadInput):
            for call in (call_loss, call_gradient):  # what they leave in globals or caches is of these parameters again
                call([value.copy() for value in given.values], holder)

    return Code(
        names=given.names,
        start=tuple(value.copy() if held else value.astype(np.float64) for value in given.values),
        loss=lambda values: number_of(call_loss(values, holder), one)[0],
        gradient=gradient_at,
        held=held,
        complete=together,
        restore=restore,
        changed=lambda: {
            name: tuple(changed)
            for name, call in ((one, call_loss), (other, call_gradient))
            if name and (changed := call.changes(holder))
        },
        notes=lambda: other_losses(call_loss([value.copy() for value in given.values], holder), one),
    )


def without_loss(result: Any, given: Arrays, what: str) -> list[Floats]:
    """The gradient in what one function returned together with the loss."""
    return gradient_arrays(_rest(result, what), given, what)


def _rest(result: Any, what: str) -> Any:
    """What one function returned beside the loss."""
    if not isinstance(result, Mapping | tuple | list) or len(result) < 2:
        raise BadInput(f"{what} returns no gradient beside the loss; give a function for the gradient, too")
    _, rest = number_of(result, what)
    return rest[0] if len(rest) == 1 else rest


class Standing:
    """Parameters that code reads where they stand: written to in place, and put back in the end.

    source  the arrays, or a function that finds those that stand there now (code that makes new ones in an update)
    """

    def __init__(self, source: Arrays | Callable[[], Arrays]) -> None:
        self._find = source if callable(source) else lambda: source
        first = self._find()
        for (one, value), (other, too) in combinations(zip(first.names, first.values, strict=True), 2):
            if np.shares_memory(value, too):
                raise BadInput(f"{one} and {other} are the same memory, so that one moves the other; name one of them")
        for name, value, leaf in zip(first.names, first.values, _leaves_of(first), strict=True):
            if not isinstance(leaf, np.ndarray):
                kind = "list" if isinstance(leaf, list) else "plain number"
                raise BadInput(f"{name} is a {kind}, which cannot be moved from outside; make it an array")
            if not value.flags.writeable:
                raise BadInput(f"{name} is read-only, so that it cannot be moved; give an array that may be written to")
        self.names, self._before = first.names, tuple(value.copy() for value in first.values)

    def read_arrays(self) -> tuple[Floats, ...]:
        """What stands there now."""
        return tuple(value.copy() for value in self._find().values)

    def write(self, values: Values) -> None:
        """Put other numbers there."""
        for array, value in zip(self._find().values, values, strict=True):
            array[...] = value

    def restore(self) -> None:
        """Put back what stood there in the beginning."""
        self.write(self._before)


def _leaves_of(given: Arrays) -> list[Any]:
    """The parameters as they stand, plain numbers among them."""
    found: list[Any] = []

    def collect(structure: Any, within: bool) -> None:
        if isinstance(structure, Mapping):
            structure = list(structure.values())
        if isinstance(structure, list | tuple) and not is_rows(structure, within):
            for one in structure:
                collect(one, True)
        elif structure is not None:
            found.append(structure)

    collect(given.structure, False)
    return found


def elsewhere(values: Values) -> list[Floats]:
    """Parameters nearby, each entry moved by another share of its size: softmax does not see it if all move alike."""
    golden = (5**0.5 - 1) / 2
    shares = [0.5 + (np.arange(one.size).reshape(one.shape) * golden) % 1 for one in values]
    return [
        (one + 2.0**-6 * share * np.maximum(1, np.abs(one))).astype(one.dtype)
        for one, share in zip(values, shares, strict=True)
    ]


class Caller:
    """A function, and how it wants its parameters."""

    def __init__(self, function: Callable[..., Any], given: Arrays, what: str, style: str) -> None:
        self.function, self.given, self.what, self.held = function, given, what, style == "held"
        self.style = style

    def __call__(self, values: Values, holder: Standing | None) -> Any:
        """What the function gives for other values of the parameters."""
        if self.held:
            assert holder is not None
            holder.write(values)
            return self.call(self.given.structure)
        return self.call(self.given.rebuilt(values))

    def call(self, structure: Any) -> Any:
        """Call the function with the parameters in their own structure, if it takes any."""
        if self.style == "held":
            return run(self.function, (), {}, self.what)
        if self.style == "whole":
            return run(self.function, (structure,), {}, self.what)
        if self.style == "by name":
            return run(self.function, (), structure, self.what)
        items = structure.values() if isinstance(structure, Mapping) else structure
        return run(self.function, tuple(items), {}, self.what)

    def rank(self, reads: "Reads") -> int:
        """How well a call like this goes: 0 it raises, 1 the result cannot be read, 2 it can, 3 it has its form."""
        rank = 0
        with suppress(BadInput):
            result = quietly(lambda: self([value.copy() for value in self.given.values], None))
            rank = 1
            rank = 2 + reads(result)
        return rank

    def changes(self, holder: Standing | None) -> list[str]:
        """Which parameters the function changes when it is called."""
        before = self.given.values if holder is None else holder.read_arrays()
        values = [value.copy() for value in before]
        self(values, holder)
        after = holder.read_arrays() if holder is not None and self.held else values
        changed = [not np.array_equal(one, other) for one, other in zip(before, after, strict=True)]
        if holder is not None:
            holder.write(before)
        return [name for name, moved in zip(self.given.names, changed, strict=True) if moved]


def _reads_elsewhere(call: Caller, given: Arrays) -> bool:
    """Whether a loss moves with the parameters where they stand and, though it takes some, not with what it is handed:
    `lambda _: net.loss(x, y)`.
    """
    moved = elsewhere(given.values)
    try:
        before, after = (quietly(partial(_call_loss, call, values, None)) for values in (given.values, moved))
    except BadInput:  # there is no loss, or none a step away
        return False
    if before != after:
        return False
    holder = Standing(given)
    call.held = True
    try:
        return bool(quietly(partial(_call_loss, call, moved, holder)) != before)
    except BadInput:
        return False
    finally:
        holder.restore()
        call.held = False


def _call_loss(call: Caller, values: Values, holder: Standing | None) -> Any:
    return number_of(call([value.copy() for value in values], holder), call.what)[0]


Reads = Callable[[Any], bool]
"""Whether a result has the form that it should have; raises `BadInput` for one that cannot be read."""


def caller(function: Callable[..., Any], given: Arrays, what: str, reads: Reads = lambda result: True) -> Caller:
    """A function ready to be called with values of the parameters, in the likeliest way of those that go best.

    Raises `BadInput` for what cannot be called, or not with these parameters.
    """
    return max(_rank_calls(function, given, what, reads), key=lambda way: way[1])[0]


def caller_like(other: Caller, function: Callable[..., Any], given: Arrays, what: str) -> Caller:
    """A function that is not to be tried, as a call leaves something behind: called as the other one, if it can be."""
    ways = _ways(function, given, what)
    return next((way for way in ways if way.style == other.style), ways[0])


def _pair_callers(
    loss: Callable[..., Any], what: str, gradient: Callable[..., Any], named: str, given: Arrays
) -> tuple[Caller, Caller]:
    """A loss and its gradient, called alike where both can be: of a list, 2 * W is a list of two."""
    losses = _rank_calls(loss, given, what, lambda result: bool(number_of(result, what)))
    gradients = _rank_calls(
        gradient, given, named, lambda result: bool(gradient_arrays(result, given, named)) and has_form(result, given)
    )
    pairs = [(one, other) for one in losses for other in gradients]
    best = max(pairs, key=lambda pair: (pair[0][1], pair[1][1], pair[0][0].style == pair[1][0].style))
    return best[0][0], best[1][0]


def _rank_calls(function: Callable[..., Any], given: Arrays, what: str, reads: Reads) -> list[tuple[Caller, int]]:
    """The ways to call a function, the likeliest first, and how well each goes; a single one is not tried."""
    ways = _ways(function, given, what)
    return [(way, way.rank(reads) if len(ways) > 1 else 0) for way in ways]


def _ways(function: Callable[..., Any], given: Arrays, what: str) -> list[Caller]:
    if not callable(function):
        raise BadInput(f"{what} is {type(function).__name__}, which cannot be called; give a function")
    return [Caller(function, given, what, style) for style in _styles(function, given, what)]


def _styles(function: Callable[..., Any], given: Arrays, what: str) -> list[str]:
    """How a function may take its parameters: "held" (it takes none), "whole", "by name" or "one by one".

    Of two the likelier first: loss(params, scale=1.0) means all of them; loss(W, b=0.0) will not work with all in W.
    """
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # some functions made in C do not tell
        return ["whole"]
    kinds = [parameter.kind for parameter in signature.parameters.values()]
    structure = given.structure
    count = len(structure) if isinstance(structure, Mapping | list | tuple) else 1
    if isinstance(structure, Mapping) and all(isinstance(key, str) for key in structure):
        accepted = {name for name, one in signature.parameters.items() if one.kind not in _BY_PLACE}
        if set(structure) <= accepted or kinds == [inspect.Parameter.VAR_KEYWORD]:
            return ["by name"]
    if _takes(signature, 0) and inspect.Parameter.VAR_POSITIONAL not in kinds:
        return ["held"]
    whole = _takes(signature, 1) and (count == 1 or inspect.Parameter.VAR_POSITIONAL not in kinds)
    if _takes(signature, count) and isinstance(structure, Mapping | list | tuple):
        if not whole:
            return ["one by one"]
        return ["whole", "one by one"]
    if whole:
        return ["whole"]
    raise BadInput(
        f"{what} takes {_describe_parameters(signature)} and params holds {', '.join(given.names)}; give a function "
        "of the "
        "parameters alone, as lambda params: loss(params, x, y), or of nothing where it reads them itself"
    )


_BY_PLACE = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


def _takes(signature: inspect.Signature, count: int) -> bool:
    try:
        signature.bind(*range(count))
    except TypeError:
        return False
    return True


def _describe_parameters(signature: inspect.Signature) -> str:
    names = ", ".join(signature.parameters)
    return f"({names})"


def argument_names(function: Callable[..., Any]) -> tuple[str, ...]:
    """What a function calls its arguments: good names for parameters that come in a list."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return ()
    return tuple(one.name for one in parameters if one.kind == inspect.Parameter.POSITIONAL_OR_KEYWORD)


def _name_of(function: Any, otherwise: str) -> str:
    name = getattr(function, "__name__", "")
    return name if name and name != "<lambda>" else otherwise


def quietly(function: Callable[[], Any]) -> Any:
    """What a function gives; what it prints, and NumPy's warnings, are not shown, as it is called a thousand times."""
    with redirect_stdout(io.StringIO()), np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return function()


def run(function: Callable[..., Any], positional: tuple[Any, ...], named: Mapping[str, Any], what: str) -> Any:
    """Call a function of somebody else's; whatever it raises becomes one sentence, and that it ends the program too.

    >>> run(lambda w: w / [], (1.0,), {}, "loss")
    Traceback (most recent call last):
        ...
    deltarule.errors.BadInput: loss raised TypeError: unsupported operand type(s) for /: 'float' and 'list' (...)
    """
    outside = sys.exception()
    try:
        result = function(*positional, **named)
    except DeltaruleError:
        raise
    except (Exception, SystemExit) as error:  # sys.exit(0) would pass for a check that found nothing wrong
        if is_interruption(error, outside) or is_out_of_memory(error):
            raise
        frames = traceback.extract_tb(error.__traceback__)[1:] or traceback.extract_tb(error.__traceback__)
        own = [frame for frame in frames if "site-packages" not in frame.filename and frame.filename[0] != "<"]
        last = (own or frames)[-1]
        said = re.sub(r"\s+", " ", str(error)).strip()
        place = f" ({Path(last.filename).name}, line {last.lineno})"
        if isinstance(error, SyntaxError):  # it tells its place itself
            place = ""
        raise BadInput(f"{what} raised {type(error).__name__}{': ' if said else ''}{said}{place}") from error
    if inspect.iscoroutine(result):
        result.close()
        raise BadInput(f"{what} is an async function; give a plain one")
    return result
