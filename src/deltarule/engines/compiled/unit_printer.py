"""Print the program of an update as a function that advances one network: lanes are units.

Threads call the function together. Each does its part of a group, and waits for the others where a group reads what
they have written, or writes what they may still read.
"""

import platform
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial

from deltarule.engines.compiled.places import pointer_of
from deltarule.engines.compiled.plan import Group, Phase
from deltarule.engines.compiled.printed import WIDEST, Form, NotPrintable, PrintedUnits
from deltarule.engines.compiled.printer import NUMBERS, Printer, with_masks
from deltarule.engines.compiled.unit_arrays import UnitArrays, UnitPlaces, UnitText
from deltarule.engines.compiled.unit_groups import Body, UnitGroups
from deltarule.engines.compiled.values import Index, Value
from deltarule.program.program import ROWS, Operand, Operation, Program

UNIT_NUMBERS = (*NUMBERS, "part", "parts", "give_back")
"""What a call is given beside arrays: also which thread this is, of how many, and the address of a function of the
system that lets others have the processor."""
SPINS = 30_000
"""How often a thread looks whether the others have come, a millisecond long, before it gives the processor back: who
else is waiting for that keeps it for longer."""

PAUSE = "call void @llvm.x86.sse2.pause()"
MEET = """
define internal void @meet(ptr %meeting, ptr %own, i64 %parts, i64 %give_back) {
entry:
  %alone = icmp eq i64 %parts, 1
  br i1 %alone, label %out, label %arrive
arrive:
  %before = load i64, ptr %own
  %count = add i64 %before, 1
  store i64 %count, ptr %own
  %all = mul i64 %count, %parts
  %0 = atomicrmw add ptr %meeting, i64 1 seq_cst
  br label %look
look:
  %n = phi i64 [0, %arrive], [%next, %again]
  %next = add i64 %n, 1
  %here = load atomic i64, ptr %meeting seq_cst, align 8
  %complete = icmp sge i64 %here, %all
  br i1 %complete, label %out, label %wait
wait:
  %long = icmp sgt i64 %n, SPINS
  br i1 %long, label %give, label %spin
give:
  %function = inttoptr i64 %give_back to ptr
  %1 = call i32 %function()
  br label %again
spin:
  PAUSE
  br label %again
again:
  br label %look
out:
  ret void
}
"""


def print_units(program: Program, form: Form) -> PrintedUnits:
    """Return the text of a program of an update that has the results θ′, v′ …, buffers′ and J alone."""
    printer = _UnitPrinter(_with_turned(with_masks(program)), form)
    own_bytes, line_bytes, longest = printer.places.own_bytes, printer.line_bytes, printer.longest
    return PrintedUnits(**vars(printer.printed()), own_bytes=own_bytes, line_bytes=line_bytes, longest=longest)


def _with_turned(program: Program) -> Program:
    """Return a program that copies transposed arrays whose lines a product reads."""
    read = {operation.operands[1] for operation in program.operations if operation.kind == "product"}

    def turned(operation: Operation) -> Operation:
        axes = operation.result.axes
        is_turned = operation.name == "transpose" and operation.result in read and ROWS not in axes
        return replace(operation, name="turn") if is_turned and min(axes[-2:], key=int) > 1 else operation

    return replace(program, operations=tuple(map(turned, program.operations)))


class _UnitPrinter(Printer):
    text: UnitText
    places: UnitPlaces
    arrays: UnitArrays
    groups: UnitGroups
    text_type, places_type, arrays_type, groups_type = UnitText, UnitPlaces, UnitArrays, UnitGroups
    each = ""
    numbers = UNIT_NUMBERS
    memory = ("%scratch", "%kept", "%own", "%meeting")
    alone = ""

    def __init__(self, program: Program, form: Form) -> None:
        super().__init__(program, form)
        if any(argument.name in program.constants for argument in program.arguments):
            raise NotPrintable("a constant array")
        self.groups.packs = not form.few_rows
        self.read: set[str] = set()
        self.written: set[str] = set()
        products = [operation for operation in program.operations if operation.kind == "product"]
        self.longest = max(int(operation.operands[0].axes[-1]) for operation in products)
        self.line_bytes = form.tile.units * form.lanes * WIDEST
        self.text.add(f"%panel = getelementptr inbounds i8, ptr %own, i64 {self.places.own_bytes}")
        most = self.text.single(f"call i64 @llvm.umax.i64(i64 %size, i64 {self.longest})")
        panel_bytes = self.text.single(f"mul i64 {most}, {self.line_bytes}")
        self.text.add(f"%packed = getelementptr inbounds i8, ptr %panel, i64 {panel_bytes}")
        self.text.add("%following = add i64 %part, 1")
        self.groups.is_last = self.text.single("icmp eq i64 %following, %parts")

    def more_definitions(self) -> str:
        has_pause = platform.machine() in ("x86_64", "AMD64")
        meet = MEET.replace("SPINS", f"{SPINS}").replace("PAUSE", PAUSE if has_pause else "")
        meet += "declare i64 @llvm.umax.i64(i64, i64)\n"
        meet += f"declare void @{PAUSE.split('@')[1]}\n" if has_pause else ""
        truths = self.text.vector("i1")
        return f"{meet}{self.text.declarations()}declare i1 @llvm.vector.reduce.or.v{self.text.lanes}i1({truths})\n"

    def _update(self, step: str) -> None:
        super()._update(step)
        self._meet()

    def _meet(self) -> None:
        self.text.add("call void @meet(ptr %meeting, ptr %own, i64 %parts, i64 %give_back)")
        self.read, self.written = set(), set()

    def _meet_before(self, groups: Iterable[Group]) -> None:
        """Wait for other threads if groups read what they may be writing, or write what they may be reading."""
        operations = [operation for group in groups for operation in group.operations]
        reads = {self._place(base) for operation in operations for base in self.plan.bases(operation)}
        writes = {self._place(operation.result.name) for operation in operations if self._writes(operation)}
        self._wait(reads, writes)

    def _writes(self, operation: Operation) -> bool:
        """Whether an operation writes what other threads read."""
        if operation.name == "concatenate":
            return any(self.groups.copied_parts(operation))
        return self.places[operation.result.name].pointer != "%own"

    def _wait(self, reads: set[str], writes: set[str]) -> None:
        if reads & self.written or writes & (self.read | self.written):
            self._meet()
        self.read |= reads
        self.written |= writes

    def _place(self, name: str) -> str:
        place = self.places.get(name)
        return f"{place.pointer} {place.first}" if place else name

    def _find_batch(self, step: str) -> None:
        super()._find_batch(step)
        text, groups, rows = self.text, self.groups, self.form.tile.rows
        groups.row_count = self.row_count
        tiles = text.single(f"udiv i64 {self.row_count}, {rows}")
        start, stop = groups.ends(tiles)
        groups.first_row = text.single(f"mul i64 {start}, {rows}")
        groups.tiles = text.single(f"sub i64 {stop}, {start}")
        if self.form.short_tiles and rows > 1:
            rest = text.single(f"urem i64 {self.row_count}, {rows}")
            groups.single_rows = text.single(f"select i1 {groups.is_last}, i64 {rest}, i64 0")

    def _phase(self, phase: Phase) -> None:
        """Print a phase: first the groups that divide rows, then the others."""
        of_rows = [group for group in phase.groups if phase.of_rows and not self.plan.sums_rows(group.first)]
        if of_rows:
            self._meet_before(of_rows)
            for group in of_rows:
                self.groups.group(group)
        for group in phase.groups:
            if group not in of_rows:
                self._meet_before([group])
                self.groups.group(group)

    def _shared_blocks(self, name: str, body: Body, carried: Sequence[Value] = ()) -> Sequence[Value]:
        """Print body(first entry, how many vectors) for a thread's part of an array of the state."""
        self.groups.is_shared = True
        values = self.groups.blocks(int(self.plan.views[name].axes[-1]), body, carried)
        self.groups.is_shared = False
        return values

    def _store_state(self) -> None:
        """Print copies of the new state to the places that do not hold it yet."""
        for name, new in self.state.items():
            view = self.plan.view(new)
            place = self.places[name]
            if view is None or self.places[view.base] is not place:
                self._wait({self._place(view.base)} if view else set(), {self._place(name)})
                self.groups.checks += self._shared_blocks(
                    name, partial(self._copy, new, place.pointer), [self.text.value(0, place.kind)]
                )

    def _copy(self, new: Operand, pointer: str, j: Index, many: int, check: Value) -> list[Value]:
        for u in range(many):
            at = self.groups.unit(j, u)
            value = self.arrays.load(new, [at]).converted(check.kind)
            self.text.store(value, pointer, at)
            check = self.text.fma(self.text.valid(value), 0.0, check)
        return [check]

    def _record(self, step: str) -> None:
        text = self.text
        objective = self.arrays.single(self.objective, []).converted(self.places["θ"].kind)
        at = Index(0, ((step, 1),))
        text.only_if(self.groups.is_last, lambda: text.store_single(objective, pointer_of("objective"), at))
        check = objective * 0.0
        for each in self.groups.checks:
            check = check + each.converted(check.kind)
        truths = f"{text.vector('i1')} {check.compared('uno', '', check).name}"
        is_bad = text.single(f"call i1 @llvm.vector.reduce.or.v{text.lanes}i1({truths})")
        bad = text.address(pointer_of("bad"), Index(0, (("%part", 1),)), "i64")
        before = text.single(f"load i64, ptr {bad}")
        is_first = text.single(f"and i1 {is_bad}, {text.single(f'icmp slt i64 {before}, 0')}")
        text.add(f"store i64 {text.single(f'select i1 {is_first}, i64 {self.number}, i64 {before}')}, ptr {bad}")
