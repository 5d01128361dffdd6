"""Print the program of an update as a function in LLVM's language that advances a block of members.

Members are lanes. A product runs in tiles, some rows times some units, whose sums stay in registers; the elementwise
operations behind it follow before they leave. Every sum is made in one order, with `fma`, whatever the tiles and lanes:
so a member's bits depend on nothing but the member.

    for each update:
        for each phase (`plan.py`), once or for each tile of rows:
            for each group (`groups.py`): for each block of units: a product, and what follows it elementwise
        store the new state where it was not computed in its place (`places.py`), and check it
"""

import re
from dataclasses import replace

import numpy as np

from deltarule.engines.compiled.arrays import Arrays
from deltarule.engines.compiled.elementary import MOST_INLINED, definitions
from deltarule.engines.compiled.groups import Groups
from deltarule.engines.compiled.places import STEP_NUMBERS, Places, pointer_of
from deltarule.engines.compiled.plan import Phase, Plan
from deltarule.engines.compiled.printed import Form, Printed
from deltarule.engines.compiled.values import KINDS, FunctionText, Index, Value, literal
from deltarule.engines.compiled.views import count_of_entries
from deltarule.program.program import ROWS, Constant, Operand, Operation, Program

NUMBERS = ("steps", "first", "rows", "size", "epoch_steps", "epoch_rows")
"""What a call is given beside arrays: updates, and updates done before; rows of a member and of a batch; updates in an
epoch, and the distance between the orders of two epochs."""

EACH_BLOCK = """
define void @{each}(i64 %blocks, {numbers}, ptr %addresses, ptr %strides) {{
entry:
  br label %next
next:
  %block = phi i64 [0, %entry], [%following, %call]
  %is_left = icmp ult i64 %block, %blocks
  br i1 %is_left, label %call, label %end
call:
{addresses}
  call void @{name}({numbers}, {pointers}) noinline
  %following = add i64 %block, 1
  br label %next
end:
  ret void
}}
"""
"""A function that calls another one for each block: `addresses` are those of the first block's arrays, and `strides`
the bytes from each of these to the same array of the next block."""
ADDRESS = """\
  %place{n} = getelementptr inbounds i64, ptr %addresses, i64 {n}
  %first{n} = load ptr, ptr %place{n}
  %from{n} = getelementptr inbounds i64, ptr %strides, i64 {n}
  %stride{n} = load i64, ptr %from{n}
  %offset{n} = mul i64 %block, %stride{n}
  %pointer{n} = getelementptr i8, ptr %first{n}, i64 %offset{n}"""


def print_update(program: Program, form: Form) -> Printed:
    """Return the text of a program of an update that has the results θ′, v′ …, buffers′ and J alone."""
    return Printer(with_masks(program), form).printed()


def print_evaluation(program: Program, form: Form) -> Printed:
    """Return the text of a program whose results are float64 [members, 1], which it writes to `results`, or of rows."""
    return _EvaluationPrinter(program, form).printed()


def with_masks(program: Program) -> Program:
    """Return a program that draws its dropout masks."""
    masks = [argument for argument in program.arguments if re.fullmatch(r"keep\d+", argument.name)]
    others = tuple(argument for argument in program.arguments if argument not in masks)
    drawn = tuple(Operation("mask", (), mask) for mask in masks)
    return replace(program, arguments=others, operations=(*drawn, *program.operations))


def constants(program: Program) -> str:
    """Return the definitions of a program's constant arrays."""
    lines = []
    for name in [argument.name for argument in program.arguments if argument.name in program.constants]:
        array = program.constants[name]
        kind = KINDS[array.dtype.name].replace("i1", "i32")
        numbers = [literal(each, kind) for each in array.ravel().tolist()]
        listed = ", ".join(f"{kind} {number}" for number in numbers)
        lines.append(f"@{name} = internal constant [{array.size} x {kind}] [{listed}]\n")
    return "".join(lines)


class Printer:
    """Prints the program of an update whose lanes are members."""

    name, each = "advance", "advance_each"
    text_type, places_type, arrays_type, groups_type = FunctionText, Places, Arrays, Groups
    numbers: tuple[str, ...] = NUMBERS
    memory: tuple[str, ...] = ("%scratch", "%kept")
    """The pointers that follow those of arrays."""
    alone = "noalias "
    """What LLVM may assume of each array: that nothing else writes to it."""
    most_inlined = MOST_INLINED

    def __init__(self, program: Program, form: Form) -> None:
        results = dict(zip(program.names, program.results, strict=True))
        self.form = form
        self.objective = results.pop("J", Constant(0.0, np.dtype(float)))
        self.state = {name.removesuffix("′"): result for name, result in results.items() if name.endswith("′")}
        self.plan = Plan(program)
        self.text = self.text_type(form.lanes)
        self.places = self.places_type(self.plan, form, self.state)
        self.arrays = self.arrays_type(self.text, self.plan, self.places)
        views = [self.plan.view(result) for result in self.state.values()]
        new_state = {view.base for view in views if view}
        self.groups = self.groups_type(self.arrays, form.tile, new_state, lambda: self.number)
        self.number = self.row_count = ""

    def printed(self) -> Printed:
        text = self.text
        arguments = [*self.places.arguments, "order", *self._other_arrays()]
        kept_rows = self._kept_rows()
        for name, offset in self.places.kept.items():
            start = text.single(f"mul i64 {kept_rows}, {offset}")
            text.add(f'%"kept {name}" = getelementptr inbounds i8, ptr %kept, i64 {start}')
        self._body()
        given = [f"i64 %{name}" for name in self.numbers]
        given += [f"ptr {self.alone}{pointer}" for pointer in (*map(pointer_of, arguments), *self.memory)]
        head = f'define void @{self.name}({", ".join(given)}) "prefer-vector-width"="512" "no-stack-arg-probe" {{'
        body = "\n".join([head, *text.lines, "  ret void", "}"])
        functions = constants(self.plan.program)
        functions += definitions(text.called, text.lanes, self.most_inlined) + self.more_definitions()
        sizes = self.places.scratch_bytes, self.places.bytes_a_row, self.places.kept
        whole = f"{functions}\n{body}\n{self._loop_over_blocks(len(arguments) + len(self.memory))}"
        return Printed(whole, self.name, self.form.lanes, self.numbers, tuple(arguments), *sizes, self.each)

    def _loop_over_blocks(self, pointers: int) -> str:
        """Return the text of the function `each`, if there is one."""
        if not self.each:
            return ""
        names = {"name": self.name, "each": self.each, "numbers": ", ".join(f"i64 %{name}" for name in self.numbers)}
        addresses = "\n".join(ADDRESS.format(n=n) for n in range(pointers))
        given = ", ".join(f"ptr %pointer{n}" for n in range(pointers))
        return EACH_BLOCK.format(**names, addresses=addresses, pointers=given)

    def _kept_rows(self) -> str:
        """Return the register with the number of rows for which the kept memory has room."""
        return "%size"

    def _other_arrays(self) -> list[str]:
        """Return the names of arrays that are given beside those of the program."""
        draws = any(operation.name == "mask" for operation in self.plan.computed.values())
        return ["objective", "bad", *(["positions", "keys", "limits"] if draws else [])]

    def _body(self) -> None:
        self.text.loop("%steps", lambda step: self._update(self.text.count(step)))

    def more_definitions(self) -> str:
        """Return the texts of other functions that are called."""
        return ""

    def _update(self, step: str) -> None:
        self._find_batch(step)
        self._phases()
        self._store_state()
        self._record(step)

    def _phases(self) -> None:
        self.groups.checks = []
        if self.places.own_rows:
            self._gather_rows()
        for phase in self.plan.phases:
            self._phase(phase)

    def _find_batch(self, step: str) -> None:
        """Compute the number of the update, and where its batch lies in the order of rows."""
        text = self.text
        self.number = text.single(f"add i64 %first, {step}")
        epoch, first_epoch = (text.single(f"udiv i64 {each}, %epoch_steps") for each in (self.number, "%first"))
        in_epoch = text.single(f"urem i64 {self.number}, %epoch_steps")
        start = text.single(f"mul i64 {in_epoch}, %size")
        left = text.single(f"sub i64 %rows, {start}")
        self.row_count = text.smaller(left, "%size")
        epochs = text.single(f"sub i64 {epoch}, {first_epoch}")
        orders = text.single(f"mul i64 {epochs}, %epoch_rows")
        self.arrays.batch_start = Index(0, ((orders, 1), (start, 1)))
        counted = epoch if self.form.per_epoch else self.number
        for name, number in zip(STEP_NUMBERS, (self.number, counted), strict=True):
            self.arrays.numbers[name] = text.everywhere(text.single(f"uitofp i64 {number} to double"), "double")

    def _gather_rows(self) -> None:
        """Copy each member's own rows of a batch side by side."""
        text, lanes = self.text, self.form.lanes

        def copy(name: str, row: Index, lane: Index, own: str) -> None:
            place = self.places[name]
            width = count_of_entries(self.plan.views[name].axes)
            is_by_lane = name == "w" and self.form.own_weights

            def column(j: Index) -> None:
                entry = Index(0, ((own, width),)) + j
                entry = text.of_lane(entry, lane) if is_by_lane else entry
                number = text.load_single(pointer_of(name), entry, place.kind)
                target = text.address(place.pointer, text.of_lane(row * width + j, lane), place.kind)
                text.add(f"store {place.kind} {number}, ptr {target}")

            text.loop(width, column)

        def lane_of_row(row: Index, lane: Index) -> None:
            own = text.load_single(pointer_of("order"), text.of_lane(self.arrays.batch_start + row, lane), "i64")
            for argument in self.plan.program.arguments:
                if ROWS in argument.axes:
                    copy(argument.name, row, lane, own)

        text.comment("gather the batch")
        text.loop(self.row_count, lambda row: text.loop(lanes, lambda lane: lane_of_row(row, lane)) and None)

    def _phase(self, phase: Phase) -> None:
        if not phase.of_rows:
            for group in phase.groups:
                self.groups.group(group, 0)
            return
        for group in phase.groups:
            if self.plan.sums_rows(group.first):
                self._clear(group.first)
        text = self.text
        rows = self.form.tile.rows
        tiles = text.single(f"udiv i64 {self.row_count}, {rows}")
        text.loop(tiles, lambda i: self._tile(phase, i * rows, rows))
        if self.form.short_tiles and rows > 1:
            done = text.single(f"mul i64 {tiles}, {rows}")
            left = text.single(f"sub i64 {self.row_count}, {done}")
            text.loop(left, lambda i: self._tile(phase, Index(0, ((done, 1),)) + i, 1))

    def _tile(self, phase: Phase, start: Index, rows: int) -> None:
        self.arrays.begin_tile(start, rows)
        for group in phase.groups:
            self.groups.group(group, rows)

    def _clear(self, operation: Operation) -> None:
        """Set what is summed over rows to 0."""
        place = self.places[operation.result.name]
        zero = self.text.value(0, KINDS[operation.result.dtype.name])
        count = count_of_entries(operation.result.axes)
        self.text.loop(count, lambda j: self.text.store(zero, place.pointer, j + place.first))

    def _store_state(self) -> None:
        """Copy the new state where it was not computed in its place."""
        for name, new in self.state.items():
            view = self.plan.view(new)
            place = self.places[name]
            if view is None or self.places[view.base] is not place:

                def copy(j: Index, check: Value, new: Operand = new, pointer: str = place.pointer) -> list[Value]:
                    value = self.arrays.load(new, [j]).converted(check.kind)
                    self.text.store(value, pointer, j)
                    return [self.text.fma(value, 0.0, check)]

                zero = self.text.value(0, place.kind)
                self.groups.checks += self.text.loop(int(new.axes[-1]), copy, [zero])

    def _record(self, step: str) -> None:
        """Store the objective, and the number of the first update after which something is not finite."""
        text = self.text
        objective = self.arrays.load(self.objective, []).converted(self.places["θ"].kind)
        text.store(objective, pointer_of("objective"), Index(0, ((step, 1),)))
        check = objective * 0.0
        for each in self.groups.checks:
            check = check + each.converted(check.kind)
        bad = text.load(pointer_of("bad"), Index(), "i64")
        is_first = check.compared("uno", "", check) & (bad < 0)
        text.store(is_first.choose(text.everywhere(self.number, "i64"), bad), pointer_of("bad"), Index())


class _EvaluationPrinter(Printer):
    """Prints a program of some rows: results of rows are kept, others are stored."""

    name, each = "evaluate", "evaluate_each"
    numbers = ("size",)

    def _other_arrays(self) -> list[str]:
        return ["results"]

    def _body(self) -> None:
        self.row_count = "%size"
        self._phases()
        of_members = [result for result in self.plan.program.results if ROWS not in result.axes]
        for index, result in enumerate(of_members):
            self.text.store(self.arrays.load(result, [Index()]), pointer_of("results"), Index(index))
