"""Record the values of a program's expressions, and find which entries of the gradient move with each.

An edit of an expression can help only if wrong entries move with its value. It is tried the earlier, the fewer right
entries move. What moves the loss belongs to the forward pass.
"""

import ast
import builtins
import copy
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from types import FrameType, ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deltarule.checking.repair.program import (
    Change,
    RunningFunction,
    RunningProgram,
    applied,
    compile_function,
    swapped,
)
from deltarule.checking.user_code.running_code import SourceFile
from deltarule.proofs.differences import Floats

Mask = NDArray[np.bool_]
_NAME = "__deltarule_probe__"
MAX_RECORDED_VISITS, MAX_RECORDED_NUMBERS = 3, 12
"""Visits of a place at which its value is recorded: of numbers more, since their signs agree easily."""
_COMPREHENSIONS = ("<listcomp>", "<genexpr>", "<dictcomp>", "<setcomp>")


@dataclass(frozen=True, eq=False)
class FarPoint:
    """The local names at another point, with what makes the program's data those of that point."""

    names: dict[str, Any]
    arranged: Callable[[], AbstractContextManager[Any]]


@dataclass(eq=False)
class EditPlace:
    """An expression of the program, where an edit may be made.

    environments, values   the local names and its value at its first visits
    far                    the local names at its first visit at another point
    moves                  which entries of the gradient change with its value; None if that was not tried
    is_forward             the loss changes with its value
    depth                  how deep it stands in the statement
    whole, template        the whole value of its statement that it is a part of, and its text with `PART` in this place
    """

    node: ast.expr
    owner: ast.AST
    slot: str
    index: int | None
    function: RunningFunction
    environments: list[dict[str, Any]] = field(default_factory=list)
    values: list[Any] = field(default_factory=list)
    far: "FarPoint | None" = None
    visits: int = 0
    moves: Mask | None = None
    is_forward: bool = False
    statement: ast.stmt | None = None
    depth: int = 0
    whole: "EditPlace | None" = None
    template: str = ""

    @property
    def line(self) -> int:
        return self.node.lineno

    @property
    def file(self) -> SourceFile:
        return self.function.file

    def change(self, text: str) -> Change:
        """The change that puts another expression here; raises `SyntaxError` for a text that is none."""
        new = ast.parse(text, mode="eval").body
        for node in ast.walk(new):
            ast.copy_location(node, self.node)
        return Change(self.owner, self.slot, self.index, new)


PART = "part__"


def find_wholes(places: Sequence[EditPlace]) -> None:
    """Find the whole value that each place is a part of: what is assigned or returned."""
    by_node = {place.node: place for place in places}
    for place in places:
        node: ast.AST | None = place.node
        while node is not None and not isinstance(node, ast.stmt):
            owner = place.file.parents.get(node)
            place.depth += 1
            if node in by_node and _is_whole(by_node[node], owner):
                place.whole = by_node[node]
                break
            node = owner
        if place.whole is None or not _is_pure(place.whole.node, place):
            place.whole = None
        elif place.whole is place:
            place.template = PART
        else:
            with applied([place.change(PART)]):
                place.template = ast.unparse(place.whole.node)


def _is_whole(place: EditPlace, owner: ast.AST | None) -> bool:
    if isinstance(place.node, ast.Tuple):
        return False
    if isinstance(owner, ast.Assign | ast.AugAssign | ast.Return):
        return place.slot == "value"
    statement = place.file.parents.get(owner) if isinstance(owner, ast.Tuple) else None
    return isinstance(owner, ast.Lambda) or (isinstance(statement, ast.Assign | ast.Return) and place.slot == "elts")


def _is_pure(node: ast.expr, place: EditPlace) -> bool:
    """Whether an expression may be computed again without an effect on the program, as far as names say."""
    for call in [inner for inner in ast.walk(node) if isinstance(inner, ast.Call)]:
        if isinstance(call.func, ast.Attribute):
            owner = call.func.value
            is_module = isinstance(owner, ast.Name) and isinstance(place.function.namespace.get(owner.id), ModuleType)
            if not is_module and not hasattr(np.ndarray, call.func.attr):
                return False
        elif not isinstance(call.func, ast.Name):
            return False
    return not any(isinstance(inner, ast.NamedExpr | ast.Await | ast.Yield) for inner in ast.walk(node))


def list_places(functions: Sequence[RunningFunction]) -> list[EditPlace]:
    """The expressions of the lines that run."""
    places: list[EditPlace] = []
    nodes = {function.node: function for function in functions}

    def visit(node: ast.AST, owner: ast.AST, name: str, index: int | None, function: RunningFunction | None) -> None:
        if function is not None and _is_run(node, function) and _may_be_probed(node, owner, name):
            places.append(EditPlace(node, owner, name, index, function))  # type: ignore[arg-type]
        if node in nodes:
            function = nodes[node]
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            function = None
        for name_of_field, i, child in _parts(node):
            visit(child, node, name_of_field, i, function)

    for file in dict.fromkeys(function.file for function in functions):
        visit(file.tree, file.tree, "", None, None)
    for place in places:
        place.statement = place.file.statement_of(place.node)
    find_wholes(places)
    return places


def _parts(node: ast.AST) -> Iterator[tuple[str, int | None, ast.AST]]:
    """The nodes within a node, each with its field and index, but for those of a function's head."""
    for name, value in ast.iter_fields(node):
        if name in ("annotation", "returns", "decorator_list", "args") and not isinstance(node, ast.Call):
            continue
        items = enumerate(value) if isinstance(value, list) else [(None, value)]
        yield from ((name, i, child) for i, child in items if isinstance(child, ast.AST))


def _is_run(node: ast.AST, function: RunningFunction) -> bool:
    first, last = getattr(node, "lineno", 0), getattr(node, "end_lineno", 0)
    lines = function.loss_lines | function.gradient_lines
    return any(line in lines for line in range(first, last + 1)) or isinstance(function.node, ast.Lambda)


def _may_be_probed(node: ast.AST, owner: ast.AST, name: str) -> bool:
    if not isinstance(node, ast.expr) or isinstance(node, ast.Starred | ast.Slice | ast.FormattedValue | ast.JoinedStr):
        return False
    if isinstance(getattr(node, "ctx", None), ast.Store | ast.Del) or isinstance(
        owner, ast.JoinedStr | ast.FormattedValue
    ):
        return False
    if isinstance(node, ast.Constant) and isinstance(node.value, str) | (node.value is None) | (node.value is ...):
        return False
    is_function = isinstance(owner, ast.Call) and name == "func"
    is_module_or_self = isinstance(owner, ast.Attribute) and isinstance(node, ast.Name) and node.id in ("self", "np")
    return (
        not is_function
        and not is_module_or_self
        and not isinstance(owner, ast.keyword | ast.Nonlocal)
        or (isinstance(owner, ast.keyword) and owner.arg in ("axis", "keepdims", "ddof"))
    )


class Probe:
    """Called with the value of every expression while a gradient is computed."""

    def __init__(self, places: list[EditPlace]) -> None:
        self.places = places
        self.index = {place.node: k for k, place in enumerate(places)}
        self.is_recording = False
        self.recording_far: Callable[[], AbstractContextManager[Any]] | None = None
        self.noisy: int | None = None
        self.bumped: tuple[int, int, Floats] | None = None
        self.seen = 0
        self.has_moved = False
        self.random = np.random.default_rng(0)
        makers = {place.function.outer for place in places}
        self.local_names_of_makers: dict[RunningFunction, list[dict[str, Any]]] = {each: [] for each in makers if each}

    def __call__(self, k: int, value: Any, local_names: dict[str, Any]) -> Any:
        function = self.places[k].function
        if function in self.local_names_of_makers and (self.is_recording or self.recording_far is not None):
            self.local_names_of_makers[function].append(dict(local_names))
        if self.recording_far is not None:
            if self.places[k].far is None:
                self.places[k].far = FarPoint(snapshot(self._with_outer(local_names, function)), self.recording_far)
        elif self.is_recording:
            self._record(k, value, local_names)
        elif self.bumped is not None and self.bumped[0] == k:
            self.seen += 1
            if self.seen == self.bumped[1]:
                return value + self.bumped[2]
        elif self.noisy == k:
            return self._with_noise(value)
        return value

    def _record(self, k: int, value: Any, local_names: dict[str, Any]) -> None:
        place = self.places[k]
        place.visits += 1
        if place.visits > (MAX_RECORDED_NUMBERS if np.prod(getattr(value, "shape", ())) <= 1 else MAX_RECORDED_VISITS):
            return
        place.environments.append(snapshot(self._with_outer(local_names, place.function)))
        place.values.append(value.copy() if isinstance(value, np.ndarray) else value)

    def _with_outer(self, local_names: dict[str, Any], function: RunningFunction) -> dict[str, Any]:
        """The names of a comprehension, or of a function that another one makes, with those of the one around it."""
        frame: FrameType | None = sys._getframe(1)
        while frame is not None and frame.f_code.co_filename == __file__:
            frame = frame.f_back
        if frame is not None and frame.f_code.co_name in _COMPREHENSIONS and frame.f_back is not None:
            local_names = {**frame.f_back.f_locals, **local_names}
        if function.outer is None:
            return local_names
        captured = function.code.co_freevars
        for of_maker in reversed(self.local_names_of_makers[function.outer]):  # the call that made this function
            if all(of_maker.get(name) is local_names.get(name) for name in captured):
                return {**of_maker, **local_names}
        return local_names

    def _with_noise(self, value: Any) -> Any:
        self.has_moved = True
        plain = as_numpy(value)
        if isinstance(value, bool | np.bool_):
            return not value
        if isinstance(value, int | np.integer):
            return value + 1
        if isinstance(plain, np.ndarray) and plain.dtype.kind == "b":
            return value ^ (self.random.random(plain.shape) < 0.5)
        if isinstance(plain, float | np.floating) or (isinstance(plain, np.ndarray) and plain.dtype.kind == "f"):
            noise = (
                0.3 * (np.abs(plain).mean() + 0.1) * self.random.normal(size=np.shape(plain)) if np.size(plain) else 0
            )
            return value + (noise if plain is value else value.new_tensor(noise))
        self.has_moved = False
        return value


def snapshot(local_names: dict[str, Any]) -> dict[str, Any]:
    """A copy of local names, as later statements may change arrays in place."""
    copied = {}
    for name, value in local_names.items():
        is_data = isinstance(value, np.ndarray | list | dict)
        copied[name] = copy.copy(value) if is_data or name == "self" else value
    own = copied.get("self")
    if hasattr(own, "__dict__"):
        for name, value in vars(own).items():
            if type(value) in (np.ndarray, list):
                vars(own)[name] = copy.copy(value)
    return copied


def as_numpy(value: Any) -> Any:
    """A tensor as an array; anything else as it is."""
    is_tensor = type(value).__module__.partition(".")[0] == "torch" and hasattr(value, "detach")
    return value.detach().numpy() if is_tensor else value


class _Wrap(ast.NodeTransformer):
    """Puts a call of the probe around each place."""

    def __init__(self, index: dict[ast.AST, int]) -> None:
        self.index = index

    def visit(self, node: ast.AST) -> Any:
        k = self.index.get(node)
        self.generic_visit(node)
        if k is None:
            return node
        local_names = ast.Call(ast.Name("locals", ast.Load()), [], [])
        call = ast.Call(ast.Name(_NAME, ast.Load()), [ast.Constant(k), node, local_names], [])  # type: ignore[list-item]
        return ast.copy_location(call, node)


@contextmanager
def probed(program: RunningProgram, places: list[EditPlace]) -> Iterator[Probe]:
    """The program with a probe around each place."""
    probe = Probe(places)
    replaced = []
    for function in [function for function in program.functions if function.objects]:
        original = function.node
        twin = copy.deepcopy(original)
        index = {
            new: probe.index[old]
            for old, new in zip(ast.walk(original), ast.walk(twin), strict=True)
            if old in probe.index and old is not original
        }
        wrapped = ast.fix_missing_locations(_Wrap(index).visit(twin))
        function.node = wrapped
        function.file.parents[wrapped] = function.file.parents[original]
        try:
            replaced.append((function, compile_function(function)))
        finally:
            function.node = original
            del function.file.parents[wrapped]
    setattr(builtins, _NAME, probe)
    try:
        with swapped(replaced):
            yield probe
    finally:
        delattr(builtins, _NAME)
