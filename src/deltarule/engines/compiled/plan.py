"""Plan a program's loops: which operations run together, over which rows, and where their results lie.

An update alternates between operations on whole arrays and loops over the rows of its batch. A loop ends where a sum
over all rows is needed; statistics of a batch need several. Within both, an operation and the elementwise ones behind
it form a group: what is between them stays in registers.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from deltarule.engines.compiled.views import COPIED, View, count_of_entries, is_view, with_views
from deltarule.program.program import ROWS, Constant, Operand, Operation, Program, Variable

ALONE = ("mask", "turn")
"""Operations that printers add to a program, and that no others join: masks, and copies of transposed arrays."""


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
        self.program, self.views = with_views(program)
        self.computed = {o.result.name: o for o in self.program.operations if not is_view(o)}
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

    def is_general(self, operation: Operation) -> bool:
        """Whether no loop is written by hand for an operation: its arrays have more axes, or others, than usual.

        Those written by hand compute lines [units] and lines of rows [rows, units], and sums of these.
        """
        axes = self.views[operation.result.name].axes
        if operation.name in ALONE:
            return False
        if operation.name in COPIED:
            return operation.name == "pad" or operation.detail != () or any(int(axis) != 1 for axis in axes[:-1])
        read = [view for view in map(self.view, operation.operands) if view]
        is_of_rows = len(axes) == 2 and axes[0] == ROWS
        if operation.kind == "product":
            left, right = read
            is_usual = max(len(left.axes), len(right.axes)) == 2 and ROWS not in right.axes[1:]
            return not is_usual or not (is_of_rows or self.sums_rows(operation))
        if operation.kind == "reduction":
            [view] = read
            if self.sums_rows(operation):
                is_usual = len(view.axes) == 2 and view.axes[0] == ROWS
                return not is_usual or operation.name != "sum" or set(operation.detail) not in ({-2}, {-1, -2})
            is_line = view.axes[:1] == (ROWS,) if ROWS in view.axes else all(int(axis) == 1 for axis in view.axes[:-1])
            return operation.detail != (-1,) or not is_line or (ROWS in view.axes and len(view.axes) > 2)
        if ROWS in axes:
            return not is_of_rows
        return sum(int(axis) > 1 for axis in axes[:-1]) > 1


def _has_rows(variable: Operand) -> bool:
    return ROWS in variable.axes
