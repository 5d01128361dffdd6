"""Where the arrays of a printed program lie in memory.

Arguments lie behind pointers of their own. Results lie in scratch memory: whole arrays, a tile's rows of an array, or,
where later phases need them, all rows of a batch. Parts of a `concatenate` are computed in their places in the whole,
and the new state replaces the old one as it is computed, where nothing reads the old one any more.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from deltarule.engines.compiled.plan import Group, Plan
from deltarule.engines.compiled.printed import WIDEST, Form
from deltarule.engines.compiled.values import BYTES, KINDS
from deltarule.engines.compiled.views import View, count_of_entries
from deltarule.program.program import MEMBERS, ROWS, Axis, Operand, Operation, Variable

STEP_NUMBERS = ("updates", "counted")
"""Arguments of a program that are computed from the number of the update."""


@dataclass(frozen=True)
class Place:
    """Where an array lies: behind a pointer, from an entry on.

    `rows` says which of its rows are there: "all" of a batch, those of a "tile", of the "data", or "none". With
    `is_single`, an entry is a number that all members share.
    """

    pointer: str
    kind: str
    first: int = 0
    rows: str = "none"
    is_single: bool = False


def pointer_of(name: str) -> str:
    """Return the pointer to an argument's array, whose name no register has."""
    return f'%"{name}[]"'


class Places:
    """The places of all arrays, by name, and the memory that they need.

    arguments : the names of the arrays that a call is given.
    kept : the arrays with all rows, and their distance from the first, in bytes for each row of a batch.
    scratch_bytes, bytes_a_row : of the memory for results, and for those that are kept for each row of a batch.
    """

    def __init__(self, plan: Plan, form: Form, state: Mapping[str, Operand]) -> None:
        self.plan = plan
        self.form = form
        self.state = state
        self.scratch_bytes = self.bytes_a_row = 0
        self.arguments: list[str] = []
        self.kept: dict[str, int] = {}
        self._of: dict[str, Place] = {}
        self._place_arguments()
        self._place_results()

    def __getitem__(self, name: str) -> Place:
        return self._of[name]

    def get(self, name: str) -> Place | None:
        return self._of.get(name)

    @property
    def own_rows(self) -> bool:
        """Whether members have rows of their own, which are gathered batch by batch."""
        return any(argument.name == "x" and MEMBERS in argument.axes for argument in self.plan.program.arguments)

    @property
    def reads_data(self) -> bool:
        """Whether rows are read where the data lie."""
        return any(place.rows == "data" for place in self._of.values())

    def _place_arguments(self) -> None:
        """Give each argument of the program a place in memory."""
        for argument in self.plan.program.arguments:
            name, kind = argument.name, KINDS[argument.dtype.name]
            if name in STEP_NUMBERS:
                continue
            if name in self.plan.program.constants:
                self._of[name] = Place(f"@{name}", "i32" if kind == "i1" else kind, is_single=True)
                continue
            self.arguments.append(name)
            place = Place(pointer_of(name), kind, is_single=MEMBERS not in argument.axes)
            if ROWS in argument.axes and self.own_rows:
                place = Place(self._for_each_row(f"batch.{name}", argument.axes, kind), kind, rows="all")
            elif ROWS in argument.axes:
                place = Place(place.pointer, kind, rows="data", is_single=place.is_single)
            self._of[name] = place

    def _place_results(self) -> None:
        """Give each result a place in memory, shared with another value if possible."""
        joined, in_place = self._joined(), self._in_place()
        for name, operation in self.plan.computed.items():
            result = operation.result
            kind = KINDS[result.dtype.name]
            kind = "i32" if kind == "i1" else kind  # truths have no vectors in memory
            if name in in_place:
                self._of[name] = self._of[in_place[name]]
            elif name not in joined:
                self._of[name] = self._place_of(result, kind)
        for name, (whole, start) in joined.items():
            place = self._of[whole]
            self._of[name] = Place(place.pointer, place.kind, place.first + start)

    def _place_of(self, result: Variable, kind: str) -> Place:
        count = count_of_entries(result.axes)
        if result.name in self.plan.kept:
            return Place(self._for_each_row(result.name, result.axes, kind), kind, rows="all")
        if ROWS in result.axes:
            return Place("%scratch", kind, self._reserve(count * self.form.tile.rows, kind), "tile")
        return Place("%scratch", kind, self._reserve(count, kind))

    def _reserve(self, count: int, kind: str) -> int:
        """Reserve entries of the scratch memory, and return the number of the first."""
        widest, size = self.form.lanes * WIDEST, self.form.lanes * BYTES[kind]
        first = self.scratch_bytes // size
        self.scratch_bytes += -(-count * size // widest) * widest
        return first

    def _for_each_row(self, name: str, axes: tuple[Axis, ...], kind: str) -> str:
        self.kept[name] = self.bytes_a_row
        self.bytes_a_row += count_of_entries(axes) * self.form.lanes * max(WIDEST, BYTES[kind])
        return f'%"kept {name}"'

    def _joined(self) -> dict[str, tuple[str, int]]:
        """Return for each array that is computed where `concatenate` needs it: the whole, and its place in that."""
        joined: dict[str, tuple[str, int]] = {}
        for name, operation in self.plan.computed.items():
            is_line = operation.name == "concatenate" and not self.plan.is_general(operation)
            for start, part in parts_of(operation) if is_line else ():
                view = self.plan.view(part)
                base = self.plan.computed.get(view.base) if view else None
                if view is None or base is None or base.name == "concatenate" or view.base in joined:
                    continue
                if view.is_whole and count_of_entries(base.result.axes) == part.axes[-1]:
                    joined[view.base] = name, start
        return joined

    def _in_place(self) -> dict[str, str]:
        """Return the new arrays of the state, {θ′: θ}, that can replace the old ones as they are computed."""
        groups = [group for phase in self.plan.phases for group in phase.groups]
        last_reader = {base: group for group in groups for o in group.operations for base in self.plan.bases(o)}
        in_place: dict[str, str] = {}
        for old, new in self.state.items():
            view = self.plan.view(new)
            group = next((g for g in groups if view and view.base in {o.result.name for o in g.operations}), None)
            if view is None or group is None or view.base in in_place or not view.is_whole:
                continue
            is_read_later = old in last_reader and groups.index(last_reader[old]) > groups.index(group)
            sizes = self.plan.views[view.base].sizes
            is_read_alike = all(read.sizes == sizes and read.is_all for read in self._reads(group, old))
            if group.first.kind == "elementwise" and is_read_alike and not is_read_later:
                in_place[view.base] = old
        return in_place

    def _reads(self, group: Group, base: str) -> Iterator[View]:
        for operation in group.operations:
            for operand in operation.operands:
                if isinstance(operand, Variable) and self.plan.views[operand.name].base == base:
                    yield self.plan.views[operand.name]


def parts_of(operation: Operation, axis: int = -1) -> Iterator[tuple[int, Operand]]:
    """Yield the parts of a `concatenate`, each with the entry at which it begins."""
    start = 0
    for part in operation.operands:
        yield start, part
        start += int(part.axes[axis])
