"""The pieces of a program that may be put elsewhere, and their values there."""

import ast
import re
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from time import thread_time
from types import CodeType, ModuleType
from typing import Any

import numpy as np

from deltarule.checking.repair.probe import EditPlace, as_numpy
from deltarule.checking.repair.program import RunningProgram
from deltarule.checking.repair.roles import is_gradient

_PURE_FUNCTIONS = {
    *("dot", "sum", "mean", "reshape", "transpose", "len", "float", "copy", "astype", "max", "outer", "exp", "log"),
    *("tanh", "sqrt", "abs", "where", "maximum", "sign", "square", "swapaxes"),
}
MAX_TEXT = 34
"""Characters of a piece of the program that is used elsewhere."""
SECONDS_FOR_ATOMS = 0.3
MAX_ATOMS = 45
MAX_CONSTANTS = 6
MAX_SIZE = 4_000_000
"""Entries of a value that an edit may make."""


def is_whole(value: Any) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def is_mask(value: Any) -> bool:
    return isinstance(value, bool | np.bool_) or (isinstance(value, np.ndarray) and value.dtype.kind == "b")


def is_numeric(value: Any) -> bool:
    if is_whole(value) or isinstance(value, float | np.number):
        return True
    plain = as_numpy(value)
    return isinstance(plain, np.ndarray) and plain.dtype.kind in "fiub" and plain.size > 0


def shape_of(value: Any) -> tuple[int, ...]:
    shape = getattr(value, "shape", ())
    return tuple(shape) if isinstance(shape, tuple) else ()


def key_of(value: Any) -> Any:
    """What is equal for values that count as equal."""
    if isinstance(value, tuple | list):
        return tuple(map(key_of, value))
    if is_numeric(value) or is_mask(value):
        rounded = np.round(np.asarray(as_numpy(value), float), 10) + 0.0
        return shape_of(value), is_mask(value), rounded.tobytes()
    return repr(value)[:200]


def evaluate(text: str, place: EditPlace) -> list[Any]:
    """The values of a text where a place stands, at each recorded visit."""
    values = [eval(_compiled(text), place.function.namespace, dict(names)) for names in place.environments]
    if any(getattr(value, "size", 0) > MAX_SIZE for value in values if isinstance(value, np.ndarray)):
        raise ValueError
    return values


def evaluate_far(text: str, place: EditPlace) -> Any:
    """The value of a text where a place stands, at another point; None without one."""
    if place.far is None:
        return None
    with place.far.arranged():
        return eval(_compiled(text), place.function.namespace, dict(place.far.names))


@lru_cache(maxsize=256)
def _compiled(text: str) -> CodeType:
    """An expression, which is evaluated here and then at another point."""
    return compile(text, "<edit>", "eval")


@dataclass(frozen=True)
class PlaceAtoms:
    """The pieces that have a value at a place: numbers and arrays with it, whole numbers such as len(x), the others."""

    numbers: list[tuple[str, Any]]
    counts: list[str]
    others: list[str]


class Atoms:
    """The pieces of the program that have a number at some place, nearest first."""

    def __init__(self, program: RunningProgram) -> None:
        self.pieces: dict[str, ast.AST] = {}
        for file in program.files:
            functions = [n for n in ast.walk(file.tree) if isinstance(n, ast.FunctionDef | ast.Lambda)]
            for owner in [file.tree, *functions]:
                for node in ast.walk(owner):
                    if isinstance(node, ast.Subscript | ast.Attribute | ast.Call | ast.BinOp) and _is_pure(node):
                        text = ast.unparse(node)
                        if len(text) <= MAX_TEXT:
                            self.pieces[text] = owner
        constants = [
            getattr(node, "value", 0.0) for file in program.files for node in ast.walk(file.tree) if _is_decimal(node)
        ]
        self.constants = [repr(value) for value in dict.fromkeys(constants)][:MAX_CONSTANTS]
        self._cache: dict[tuple[int, int], PlaceAtoms] = {}

    def at(self, place: EditPlace) -> PlaceAtoms:
        key = (id(place.function), place.line)
        if key not in self._cache:
            self._cache[key] = self._find_atoms(place)
        return self._cache[key]

    def _is_far(self, text: str, place: EditPlace) -> bool:
        """Whether a piece stands in another function alone; a value that it only names, as p["W"], is near."""
        return self.pieces[text] is not place.function.node and re.fullmatch(r"\w+(\.\w+|\['\w+'\])", text) is None

    def _find_atoms(self, place: EditPlace) -> PlaceAtoms:
        names = place.environments[0]
        own = _attributes_of_self(names)
        local = {*names, *own}
        numbers: dict[Any, tuple[str, Any]] = {}
        counts: dict[Any, list[str]] = {}
        others: list[str] = []
        end = thread_time() + SECONDS_FOR_ATOMS
        for text in self._texts_near(place, own):
            if thread_time() > end or len(numbers) > MAX_ATOMS:
                break
            try:
                values = evaluate(text, place)
            except Exception:  # of a combination of the user's own values that means nothing
                continue
            if all(map(is_whole, values)):
                counts.setdefault(tuple(values), []).append(text)
            elif all(map(is_numeric, values)):
                key = _key_of_number(text, values, names)
                for length, counted in _counts(text, values):
                    counts.setdefault(counted, []).append(length)
                if key not in numbers or text in names:  # of equal local values the last is nearest
                    numbers[key] = text, values[0]
            elif text in local and not isinstance(values[0], ModuleType | str | type):
                others.append(text)
        shortest = (sorted(texts, key=len)[:3] for texts in counts.values())
        return PlaceAtoms(list(numbers.values()), list(chain.from_iterable(shortest)), others[:12])

    def _texts_near(self, place: EditPlace, own: Sequence[str]) -> list[str]:
        """The texts that may have a value at a place, the nearest first."""
        namespace = place.function.namespace
        plain_globals = [name for name, value in namespace.items() if isinstance(value, int | float)]
        near = sorted(self.pieces, key=lambda text: (self._is_far(text, place), len(text)))
        used = {node.id for node in ast.walk(place.function.node) if isinstance(node, ast.Name)}
        others = sorted(namespace, key=lambda name: name not in used)
        texts = [*place.environments[0], *plain_globals, *own, *near, *self.constants, *others]
        return [text for text in dict.fromkeys(texts) if not text.startswith("_")]


def _attributes_of_self(names: Mapping[str, Any]) -> list[str]:
    return [f"self.{name}" for name in getattr(names.get("self"), "__dict__", ())]


def _key_of_number(text: str, values: Sequence[Any], local: Container[str]) -> Any:
    """What is equal for equal values; a gradient of its own name stays apart, and zeros that are filled later."""
    is_own = (text in local and is_gradient(text)) or not np.any(as_numpy(values[0]))
    return text if is_own else key_of(values)


def _is_decimal(node: ast.AST) -> bool:
    """Whether a node is a decimal number, which may be a factor of the forward pass."""
    return isinstance(node, ast.Constant) and isinstance(node.value, float) and node.value not in (0.0, 1.0, 0.5, 2.0)


def _counts(text: str, values: Sequence[Any]) -> Iterator[tuple[str, tuple[int, ...]]]:
    """The lengths and sizes of an array, as text and as numbers."""
    shapes = [shape_of(value) for value in values]
    if isinstance(ast.parse(text, mode="eval").body, ast.BinOp | ast.UnaryOp):
        return
    for i in range(min(map(len, shapes))):
        if max(shape[i] for shape in shapes) > 1:
            yield f"{text}.shape[{i}]" if len(shapes[0]) > 1 else f"len({text})", tuple(shape[i] for shape in shapes)
    if len(shapes[0]) > 1:
        yield f"{text}.size", tuple(int(np.prod(shape)) for shape in shapes)


def _is_pure(node: ast.AST) -> bool:
    for inner in ast.walk(node):
        if isinstance(inner, ast.Lambda | ast.NamedExpr | ast.JoinedStr):
            return False
        if isinstance(inner, ast.Call) and ast.unparse(inner.func).rpartition(".")[2] not in _PURE_FUNCTIONS:
            return False
    return True


_REDUCTIONS = ("sum", "mean", "max", "min", "std", "var", "argmax", "softmax")


def is_axis(place: EditPlace) -> bool:
    """Whether a place is the axis of a sum."""
    if not isinstance(place.node, ast.Constant | ast.UnaryOp) or not is_whole(place.values[0]):
        return False
    owner = place.owner
    if isinstance(owner, ast.keyword):
        return owner.arg == "axis"
    is_call = isinstance(owner, ast.Call) and place.slot == "args"
    return is_call and ast.unparse(owner.func).rpartition(".")[2] in _REDUCTIONS  # type: ignore[attr-defined]


def is_in_product(place: EditPlace) -> bool:
    owner = place.owner
    if isinstance(owner, ast.BinOp):
        return isinstance(owner.op, ast.MatMult)
    is_call = isinstance(owner, ast.Call) and place.slot == "args"
    return is_call and ast.unparse(owner.func).rpartition(".")[2] in ("dot", "matmul")  # type: ignore[attr-defined]


def one_argument_functions(trees: Sequence[ast.Module]) -> list[str]:
    """The names of the program's functions of one argument, such as its activations."""
    names = []
    for statement in [statement for tree in trees for statement in tree.body]:
        if isinstance(statement, ast.FunctionDef) and len(statement.args.args) == 1:
            names.append(statement.name)
        elif isinstance(statement, ast.Assign) and isinstance(statement.value, ast.Lambda):
            if len(statement.value.args.args) == 1 and isinstance(statement.targets[0], ast.Name):
                names.append(statement.targets[0].id)
    return names[:6]
