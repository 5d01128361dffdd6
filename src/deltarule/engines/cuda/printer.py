"""Print the program of an update for a GPU: a function that advances one member, and a kernel that calls it.

The arrays hold all members. Entry i of member k is at i · members + k, so that neighboring threads read neighboring
numbers.
"""

import sys
from functools import cache

from deltarule.engines.compiled.machine_code import OPTIMIZATION, optimized
from deltarule.engines.compiled.printed import Form, Printed
from deltarule.engines.compiled.printer import NUMBERS, Printer, with_masks
from deltarule.engines.compiled.values import FunctionText, Index, Value
from deltarule.program.program import Program

TRIPLE, ARCHITECTURE = "nvptx64-nvidia-cuda", "sm_70"
"""The oldest processors (2017) that the driver is given a text for; it compiles that text for newer ones."""
KERNEL = "advance_all"
THREADS_A_BLOCK = 64


class _MemberText(FunctionText):
    """A text of one lane, of which each entry is one member's."""

    def load(self, pointer: str, index: Index, kind: str) -> Value:
        return super().load(pointer, self.of_lane(index, Index()), kind)

    def store(self, value: Value, pointer: str, index: Index) -> None:
        super().store(value, pointer, self.of_lane(index, Index()))

    def of_lane(self, index: Index, lane: Index) -> Index:
        entry = self.single(f"mul nsw i64 {self.count(index)}, %members")
        return Index(0, ((entry, 1), ("%member", 1)))


class _MemberPrinter(Printer):
    text_type = _MemberText
    each = ""
    numbers = (*NUMBERS, "members", "member")
    most_inlined = sys.maxsize
    alone = ""  # other threads write to the entries of other members

    def _kept_rows(self) -> str:
        return self.text.single("mul i64 %size, %members")


def print_member(program: Program, form: Form) -> Printed:
    """Return the text of a function that advances one member, the last of its numbers."""
    return _MemberPrinter(with_masks(program), form).printed()


def kernel(printed: Printed) -> str:
    """Return the text of a function, with a kernel that calls it for the member of each thread."""
    pointers = [f"%a{index}" for index in range(len(printed.arguments) + 2)]
    given = [f"i64 %{name}" for name in printed.numbers[:-1]]
    numbers = [f"i64 %{name}" for name in printed.numbers]
    registers = {"block": "ctaid", "threads": "ntid", "thread": "tid"}
    reads = [f"%{name} = call i32 @llvm.nvvm.read.ptx.sreg.{register}.x()" for name, register in registers.items()]
    lines = [
        *reads,
        "%before = mul i32 %block, %threads",
        "%number = add i32 %before, %thread",
        "%member = zext i32 %number to i64",
        "%is_one = icmp ult i64 %member, %members",
        "br i1 %is_one, label %work, label %end",
        "work:",
        f"call void @{printed.name}({', '.join([*numbers, *(f'ptr {each}' for each in pointers)])})",
        "br label %end",
        "end:",
        "ret void",
    ]
    declared = [f"declare i32 @llvm.nvvm.read.ptx.sreg.{register}.x()" for register in registers.values()]
    head = f"define ptx_kernel void @{KERNEL}({', '.join([*given, *(f'ptr {each}' for each in pointers)])}) {{"
    return "\n".join([printed.text, *declared, head, *lines, "}", ""])


@cache
def ptx(text: str) -> str:
    """Return a text in the language of NVIDIA's driver, PTX."""
    import llvmlite.binding as llvm

    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    machine = llvm.Target.from_triple(TRIPLE).create_target_machine(cpu=ARCHITECTURE, opt=OPTIMIZATION)
    return str(machine.emit_assembly(optimized(text, machine)))
