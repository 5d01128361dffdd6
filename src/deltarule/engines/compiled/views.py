"""How the arrays of a program lie in memory.

Slices, transposes and what is repeated are views of other arrays. So is a reshape where the array lies in one piece;
where it does not, the program copies it first.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from deltarule.program.program import MEMBERS, ROWS, Axis, Constant, Operation, Program, Variable

COPIED = ("concatenate", "pad")
"""Rearrangements that are no views."""


@dataclass(frozen=True)
class View:
    """How an array lies in another, its base: axes (all but members), steps along each, and the first entry."""

    base: str
    axes: tuple[Axis, ...]
    steps: tuple[int, ...]
    first: int = 0

    @property
    def sizes(self) -> tuple[int, ...]:
        """The sizes of the axes; that of the rows is -1."""
        return tuple(map(int, self.axes))

    @property
    def is_all(self) -> bool:
        """Whether this is the whole base, entry by entry."""
        return self.first == 0 and self.is_whole

    @property
    def is_whole(self) -> bool:
        """Whether entries lie one after another."""
        pairs = zip(self.axes, self.steps, steps_of(self.axes), strict=True)
        return all(step == whole for axis, step, whole in pairs if int(axis) != 1)


def steps_of(axes: tuple[Axis, ...]) -> tuple[int, ...]:
    """Return the steps along the axes of an array that lies in one piece, rows outermost wherever their axis is."""
    steps, step = [], 1
    for axis in reversed(axes):
        steps.append(0 if int(axis) == 1 else step)
        step *= max(1, int(axis))
    return tuple(step if axis == ROWS else each for axis, each in zip(axes, reversed(steps), strict=True))


def count_of_entries(axes: tuple[Axis, ...]) -> int:
    """Return the number of entries, in each row where there are rows."""
    count = 1
    for axis in axes:
        count *= max(1, int(axis))
    return count


def without_members(axes: Sequence[Axis]) -> tuple[Axis, ...]:
    return tuple(axis for axis in axes if axis != MEMBERS)


def is_view(operation: Operation) -> bool:
    """Whether a result is another view of the operand."""
    return operation.kind == "rearrangement" and operation.name not in COPIED


def with_views(program: Program) -> tuple[Program, dict[str, View]]:
    """Return the view behind each value by name, and the program with copies of what no view can show."""
    views = {argument.name: _in_one_piece(argument) for argument in program.arguments}
    operations = []
    for operation in program.operations:
        result = operation.result
        if not is_view(operation):
            views[result.name] = _in_one_piece(result)
            operations.append(operation)
            continue
        [operand] = operation.operands
        if isinstance(operand, Constant):  # one number for all entries
            operations.append(Operation("positive", (operand,), result))
            views[result.name] = _in_one_piece(result)
            continue
        view = _rearranged(operation, views[operand.name])
        if view is None:
            copy = Variable(f"{result.name} copied", operand.dtype, operand.axes)
            operations.append(Operation("positive", (operand,), copy))
            operation = replace(operation, operands=(copy,))
            views[copy.name] = _in_one_piece(copy)
            view = _reshaped(views[copy.name], without_members(result.axes))
        assert view is not None  # what lies in one piece has any shape
        operations.append(operation)
        views[result.name] = view
    return replace(program, operations=tuple(operations)), views


def _in_one_piece(variable: Variable) -> View:
    axes = without_members(variable.axes)
    return View(variable.name, axes, steps_of(axes))


def _rearranged(operation: Operation, view: View) -> View | None:
    """Return the view that a rearrangement gives of another view; None if there is none."""
    axes, steps, first = without_members(operation.result.axes), [*view.steps], view.first
    match operation.name:
        case "slice":
            start, _, step, axis = operation.detail
            first += start * steps[axis]
            steps[axis] *= step
        case "transpose" if operation.detail:
            places = [k for k, axis in enumerate(operation.operands[0].axes) if axis != MEMBERS]
            steps = [steps[places.index(k)] for k in operation.detail if k in places]
        case "transpose":
            steps[-2:] = steps[-1], steps[-2]
        case "broadcast":
            steps = [*[0] * (len(axes) - len(view.axes)), *steps]
        case _:
            return _reshaped(view, axes)
    return View(view.base, axes, _repeated(axes, steps), first)


def _reshaped(view: View, axes: tuple[Axis, ...]) -> View | None:
    if view.is_whole or all(int(axis) == 1 for axis in axes):
        return View(view.base, axes, steps_of(axes), view.first)
    long = [step for axis, step in zip(view.axes, view.steps, strict=True) if int(axis) != 1]
    if [int(axis) for axis in view.axes if int(axis) != 1] != [int(axis) for axis in axes if int(axis) != 1]:
        return None
    of_long = iter(long)
    return View(view.base, axes, tuple(0 if int(axis) == 1 else next(of_long) for axis in axes), view.first)


def _repeated(axes: tuple[Axis, ...], steps: Sequence[int]) -> tuple[int, ...]:
    """Return the steps with 0 along axes of a single entry, which is repeated beside longer ones."""
    return tuple(0 if int(axis) == 1 else step for axis, step in zip(axes, steps, strict=True))
