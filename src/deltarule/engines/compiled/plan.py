"""Plan a program's loops: which operations run together, over which rows, and where their results lie.

An update alternates between operations on whole arrays and loops over the rows of its batch. A loop ends where a sum
over all rows is needed; statistics of a batch need several. Within both, an operation and the elementwise ones behind
it form a group: what is between them stays in registers.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from deltarule.engines.compiled.printed import NotPrintable
from deltarule.program.program import MEMBERS, ROWS, Axis, Constant, Operand, Operation, Program, Variable

ALONE = ("mask", "turn")
"""Operations that printers add to a program, and that no others join: masks, and copies of transposed arrays."""


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
    """Return the steps along the axes of an array that lies in one piece, rows outermost."""
    steps, step = [], 1
    for axis in reversed(axes):
        steps.append(0 if int(axis) == 1 else step)
        step *= max(1, int(axis))
    return tuple(reversed(steps))


def count_of_entries(axes: tuple[Axis, ...]) -> int:
    """Return the number of entries, in each row where there are rows."""
    count = 1
    for axis in axes:
        count *= max(1, int(axis))
    return count


@dataclass
class Group:
    """Operations that run together, and those of their results that others need."""

    operations: list[Operation]
    needed: set[str] = field(default_factory=set)

    @property
    def first(self) -> Operation:
        return self.operations[0]


@dataclass
class Phase:
    """Groups that run one after another: `of_rows` for the rows of a batch, or once."""

    of_rows: bool
    groups: list[Group] = field(default_factory=list)


class Plan:
    """The phases of a program, and how its arrays lie.

    views : by the name of a variable.
    kept : the arrays of rows that later phases need, or that are results, which are stored for all rows.
    """

    def __init__(self, program: Program) -> None:
        self.program = program
        self.views = _views(program)
        self.computed = {o.result.name: o for o in program.operations if not _is_view(o)}
        self.users = self._users()
        levels = self._levels()
        results = {self.views[result.name].base for result in program.results if isinstance(result, Variable)}
        self.kept = {
            name
            for name, operation in self.computed.items()
            if _has_rows(operation.result)
            and (name in results or any(levels[user] != levels[name] for user in self.users[name]))
        }
        self.phases = [phase for phase in self._phases(levels) if phase.groups]

    def view(self, operand: Operand) -> View | None:
        """Return how an operand lies; None for a constant."""
        return None if isinstance(operand, Constant) else self.views[operand.name]

    def bases(self, operation: Operation) -> Iterator[str]:
        """Yield the arrays that an operation reads."""
        for operand in operation.operands:
            if isinstance(operand, Variable):
                yield self.views[operand.name].base

    def _users(self) -> dict[str, list[str]]:
        users: dict[str, list[str]] = {name: [] for name in self.computed}
        for name, operation in self.computed.items():
            for base in self.bases(operation):
                if base in users:
                    users[base].append(name)
        return users

    def _levels(self) -> dict[str, int]:
        """Return the phase of each operation: 2 n for whole arrays, 2 n + 1 for the n-th loop over rows."""
        levels: dict[str, int] = {}
        for name, operation in self.computed.items():
            before = [(levels.get(base, 0), self._rows_in(base)) for base in self.bases(operation)]
            if self._runs_over_rows(operation):  # after the whole arrays that it reads
                levels[name] = max([1, *(level if rows else level + 1 for level, rows in before)])
                levels[name] += 1 - levels[name] % 2
            else:  # after the loops over rows that sum what it reads
                levels[name] = max([0, *(level + level % 2 for level, _ in before)])
        self._delay(levels)
        return levels

    def _delay(self, levels: dict[str, int]) -> None:
        """Put operations into the last phase in which they are not too late."""
        for name, operation in reversed(self.computed.items()):  # as late as it is needed
            if self.users[name] and _has_rows(operation.result):
                levels[name] = min(levels[user] for user in self.users[name])
            elif self.users[name] and not self._runs_over_rows(operation):  # so that it need not be stored
                levels[name] = min(levels[user] - levels[user] % 2 for user in self.users[name])

    def _rows_in(self, base: str) -> bool:
        return ROWS in self.views[base].axes

    def _runs_over_rows(self, operation: Operation) -> bool:
        return _has_rows(operation.result) or any(self._rows_in(base) for base in self.bases(operation))

    def _phases(self, levels: dict[str, int]) -> Iterator[Phase]:
        for level in range(max(levels.values(), default=0) + 1):
            waiting = [operation for name, operation in self.computed.items() if levels[name] == level]
            phase = Phase(level % 2 == 1)
            while waiting:
                phase.groups.append(self._group(waiting, levels))
            yield phase

    def _group(self, waiting: list[Operation], levels: dict[str, int]) -> Group:
        """Take an operation, and the elementwise ones that can run behind it, out of those that wait."""
        first = self._next(waiting)
        waiting.remove(first)
        names = {first.result.name}
        operations = [first]
        shape = self.views[first.result.name].sizes
        can_lead = first.name not in ALONE and first.kind in ("elementwise", "product")
        if can_lead and not self.sums_rows(first):
            unfinished = {operation.result.name for operation in waiting}
            for operation in waiting:
                result = operation.result
                is_alike = operation.kind == "elementwise" and operation.name not in ALONE
                is_alike = is_alike and self.views[result.name].sizes == shape
                if is_alike and all(self._fits(operand, names, unfinished, shape) for operand in operation.operands):
                    names.add(result.name)
                    unfinished.discard(result.name)
                    operations.append(operation)
            operations = self._connected(operations)
            names = {operation.result.name for operation in operations}
            waiting[:] = [operation for operation in waiting if operation.result.name not in names]
        results = {self.views[r.name].base for r in self.program.results if isinstance(r, Variable)}
        needed = {name for name in names if name in results or any(user not in names for user in self.users[name])}
        return Group(operations, needed)

    def _connected(self, operations: list[Operation]) -> list[Operation]:
        """Return the operations that lead to the first one's result or come from it, or share others with it."""
        connected = {operations[0].result.name}
        count = 0
        while len(connected) > count:
            count = len(connected)
            for operation in operations:
                name = operation.result.name
                neighbors = {*self.bases(operation), *self.users[name]}
                if neighbors & connected:
                    connected.add(name)
                    connected |= neighbors & {other.result.name for other in operations}
        return [operation for operation in operations if operation.result.name in connected]

    def _next(self, waiting: list[Operation]) -> Operation:
        """Return the operation that leads the next group: one number a row first, so that others find it ready."""
        unfinished = {operation.result.name for operation in waiting}
        for operation in waiting:
            is_narrow = (
                operation.kind == "elementwise" and count_of_entries(self.views[operation.result.name].axes) == 1
            )
            if is_narrow and unfinished.isdisjoint(self.bases(operation)):
                return operation
        return waiting[0]

    def _fits(self, operand: Operand, names: set[str], unfinished: set[str], shape: tuple[int, ...]) -> bool:
        view = self.view(operand)
        if view is None or view.base not in names | unfinished:
            return True
        return view.base in names and view.sizes == shape and view.is_all

    def sums_rows(self, operation: Operation) -> bool:
        """Whether an operation sums over all rows."""
        return self._runs_over_rows(operation) and not _has_rows(operation.result)


def _has_rows(variable: Operand) -> bool:
    return ROWS in variable.axes


def _is_view(operation: Operation) -> bool:
    return operation.kind == "rearrangement" and operation.name != "concatenate"


def _views(program: Program) -> dict[str, View]:
    """The view of memory behind each value of the program, by name."""
    views: dict[str, View] = {}
    for argument in program.arguments:
        views[argument.name] = _in_one_piece(argument)
    for operation in program.operations:
        result = operation.result
        if _is_view(operation):
            operand = operation.operands[0]
            if isinstance(operand, Constant):
                raise NotPrintable(f"{operation.name} of a number")
            views[result.name] = _rearranged(operation, views[operand.name])
        elif operation.name == "concatenate" and any(int(axis) != 1 for axis in _without_members(result.axes)[:-1]):
            raise NotPrintable("it concatenates arrays of several lines")
        else:
            views[result.name] = _in_one_piece(result)
    return views


def _without_members(axes: tuple[Axis, ...]) -> tuple[Axis, ...]:
    return tuple(axis for axis in axes if axis != MEMBERS)


def _in_one_piece(variable: Variable) -> View:
    axes = _without_members(variable.axes)
    if ROWS in axes[1:]:
        raise NotPrintable("an array whose rows are not its first axis")
    return View(variable.name, axes, steps_of(axes))


def _rearranged(operation: Operation, view: View) -> View:
    """The view that a slice, transpose or broadcast gives of another view."""
    axes, steps, first = _without_members(operation.result.axes), view.steps, view.first
    match operation.name:
        case "slice":
            first += operation.detail[0] * steps[-1]
        case "transpose":
            steps = (*steps[:-2], steps[-1], steps[-2])
        case "broadcast":
            steps = (*[0] * (len(axes) - len(view.axes)), *steps)
        case _:
            if not view.is_whole and any(int(axis) != 1 for axis in axes):
                raise NotPrintable("a reshape of an array that does not lie in one piece")
            steps = steps_of(axes)
    # The only entry along an axis is repeated beside longer ones.
    steps = tuple(0 if int(axis) == 1 else step for axis, step in zip(axes, steps, strict=True))
    return View(view.base, axes, steps, first)
