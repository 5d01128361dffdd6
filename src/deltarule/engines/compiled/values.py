"""The text of a function in LLVM's language, written by operations on values.

A value is a vector with a number of each lane, of a kind: double, float, i64, i32, or i1 for truths. Addresses and
counters of loops are single i64, by their names.
"""

from collections import ChainMap
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

KINDS = {"float64": "double", "float32": "float", "int64": "i64", "bool": "i1"}
"""The kinds of a program's types."""
BYTES = {"double": 8, "float": 4, "i64": 8, "i32": 4}


@dataclass(frozen=True)
class Index:
    """A place in an array, counted in entries: a constant, and variables times factors."""

    constant: int = 0
    terms: tuple[tuple[str, int], ...] = ()

    def __add__(self, other: "Index | int") -> "Index":
        other = other if isinstance(other, Index) else Index(other)
        return Index(self.constant + other.constant, self.terms + other.terms)

    def __mul__(self, factor: int) -> "Index":
        if factor == 0:
            return Index()
        return Index(self.constant * factor, tuple((name, each * factor) for name, each in self.terms))


@dataclass(frozen=True, eq=False)
class Value:
    """A vector with a number of each lane; operators write an instruction."""

    text: "FunctionText"
    name: str
    kind: str

    @property
    def is_float(self) -> bool:
        return self.kind in ("double", "float")

    def _binary(self, of_floats: str, of_integers: str, other: Any) -> "Value":
        right = self.text.value(other, self.kind)
        instruction = of_floats if self.is_float else of_integers
        return self.text.new(f"{instruction} {self.text.vector(self.kind)} {self.name}, {right.name}", self.kind)

    def __add__(self, other: Any) -> "Value":
        return self._binary("fadd", "add", other)

    def __sub__(self, other: Any) -> "Value":
        return self._binary("fsub", "sub", other)

    def __mul__(self, other: Any) -> "Value":
        return self._binary("fmul", "mul", other)

    def __truediv__(self, other: Any) -> "Value":
        return self._binary("fdiv", "sdiv", other)

    def __and__(self, other: Any) -> "Value":
        return self._binary("", "and", other)

    def __or__(self, other: Any) -> "Value":
        return self._binary("", "or", other)

    def __xor__(self, other: Any) -> "Value":
        return self._binary("", "xor", other)

    def __lshift__(self, bits: int) -> "Value":
        return self._binary("", "shl", bits)

    def __rshift__(self, bits: int) -> "Value":
        """Shift an integer, whose sign stays."""
        return self._binary("", "ashr", bits)

    def shift_unsigned(self, bits: int) -> "Value":
        return self._binary("", "lshr", bits)

    def __neg__(self) -> "Value":
        if not self.is_float:
            return self.text.value(0, self.kind) - self
        return self.text.new(f"fneg {self.text.vector(self.kind)} {self.name}", self.kind)

    def compared(self, of_floats: str, of_integers: str, other: Any) -> "Value":
        """Return the truths of a comparison, by LLVM's names for it."""
        right = self.text.value(other, self.kind)
        word = f"fcmp {of_floats}" if self.is_float else f"icmp {of_integers}"
        return self.text.new(f"{word} {self.text.vector(self.kind)} {self.name}, {right.name}", "i1")

    def __gt__(self, other: Any) -> "Value":
        return self.compared("ogt", "sgt", other)

    def __lt__(self, other: Any) -> "Value":
        return self.compared("olt", "slt", other)

    def choose(self, yes: Any, no: Any) -> "Value":
        """Return `yes` in lanes where this truth holds, and `no` in others."""
        kind = yes.kind if isinstance(yes, Value) else no.kind
        pair = [f"{self.text.vector(kind)} {self.text.value(each, kind).name}" for each in (yes, no)]
        return self.text.new(f"select {self.text.vector('i1')} {self.name}, {', '.join(pair)}", kind)

    def bits_as(self, kind: str) -> "Value":
        """Return the same bits as numbers of another kind."""
        return self.text.new(f"bitcast {self.text.vector(self.kind)} {self.name} to {self.text.vector(kind)}", kind)

    def converted(self, kind: str) -> "Value":
        """Return the same numbers as another kind, rounded."""
        if kind == self.kind:
            return self
        words = {"double": "fpext", "float": "fptrunc"} if self.is_float else dict.fromkeys(BYTES, "sitofp")
        if self.kind == "i1":
            words = dict.fromkeys(("double", "float"), "uitofp") | dict.fromkeys(("i64", "i32"), "zext")
        if self.is_float and kind in ("i64", "i32"):
            words = dict.fromkeys(("i64", "i32"), "fptosi")
        if kind == "i1":
            return self.compared("une", "ne", 0)
        return self.text.new(
            f"{words[kind]} {self.text.vector(self.kind)} {self.name} to {self.text.vector(kind)}", kind
        )


def literal(number: Any, kind: str) -> str:
    """Return a number as LLVM writes it."""
    if kind in ("double", "float"):
        rounded = np.float64(np.float32(number) if kind == "float" else number)
        return f"0x{rounded.tobytes()[::-1].hex().upper()}"
    return str(bool(number)).lower() if kind == "i1" else str(int(number))


class FunctionText:
    """The lines of a function, in the order in which they are written.

    lanes : of each value.
    """

    def __init__(self, lanes: int) -> None:
        self.lanes = lanes
        self.lines = ["entry:"]
        self.block = "entry"
        self._count = 0
        self._written = ChainMap[str, str]()  # names of what does not change, by the instruction
        self.called: set[tuple[str, str, int]] = set()  # name, kind and number of arguments of called functions

    def vector(self, kind: str) -> str:
        return f"<{self.lanes} x {kind}>"

    def fresh(self) -> str:
        self._count += 1
        return f"{self._count}"

    def add(self, line: str) -> None:
        self.lines.append(f"  {line}")

    def comment(self, words: object) -> None:
        self.lines.append(f"  ; {words}")

    def new(self, instruction: str, kind: str) -> Value:
        """Write an instruction, and return its result."""
        name = f"%v{self.fresh()}"
        self.add(f"{name} = {instruction}")
        return Value(self, name, kind)

    def single(self, instruction: str) -> str:
        """Write an instruction of single numbers, and return its result's name."""
        name = f"%s{self.fresh()}"
        self.add(f"{name} = {instruction}")
        return name

    def once(self, instruction: str) -> str:
        """Write an instruction that always has one result, if it is not written where it is known; return its name."""
        if instruction not in self._written:
            self._written[instruction] = self.single(instruction)
        return self._written[instruction]

    def value(self, number: Any, kind: str) -> Value:
        """Return a number in all lanes, or a value as it is."""
        if isinstance(number, Value):
            return number
        return Value(self, f"splat ({kind} {literal(number, kind)})", kind)

    def call(self, name: str, *arguments: Value) -> Value:
        """Call one of the functions of `elementary`, or an intrinsic of LLVM ("llvm.fma")."""
        kind, first = arguments[0].kind, f"@{name}.{arguments[0].kind}"
        self.called.add((name, kind, len(arguments)))
        if name.startswith("llvm."):
            first = f"@{name}.v{self.lanes}f{8 * BYTES[kind]}"
        given = ", ".join(f"{self.vector(each.kind)} {each.name}" for each in arguments)
        return self.new(f"call {self.vector(kind)} {first}({given})", kind)

    def fma(self, x: Any, y: Any, z: Any) -> Value:
        """x y + z, rounded once."""
        kind = next(each.kind for each in (x, y, z) if isinstance(each, Value))
        return self.call("llvm.fma", *(self.value(each, kind) for each in (x, y, z)))

    def valid(self, value: Value) -> Value:
        """Return a value in whose lanes without a number stands 0."""
        return value

    def smaller(self, left: str, right: str) -> str:
        """Return the smaller of two single i64 that are not negative."""
        is_less = self.single(f"icmp ult i64 {left}, {right}")
        return self.single(f"select i1 {is_less}, i64 {left}, i64 {right}")

    def label(self, name: str) -> None:
        self.lines.append(f"{name}:")
        self.block = name

    @contextmanager
    def _branch(self, name: str) -> Iterator[None]:
        """Begin a block; what is written in it is not known behind it."""
        self.label(name)
        before, self._written = self._written, self._written.new_child()
        yield
        self._written = before

    def loop(
        self,
        count: int | str,
        body: Callable[..., Sequence[Value] | None],
        carried: Sequence[Value] = (),
        unrolled: int = 1,
    ) -> Sequence[Value]:
        """Write a loop: body(index, *carried) returns the carried values of the next turn; return the last ones.

        `count` is a number, or the name of one, which may be 0. Up to `unrolled` turns are written one after another.
        """
        if isinstance(count, int) and count <= unrolled:
            for turn in range(count):
                carried = body(Index(turn), *carried) or ()
            return carried
        number = self.fresh()
        before = self.block
        head, inside, after = f"head{number}", f"loop{number}", f"after{number}"
        self.add(f"br label %{head}")
        self.label(head)
        at = len(self.lines)
        phis = [Value(self, f"%p{number}.{index}", value.kind) for index, value in enumerate(carried)]
        self.add(f"%m{number} = icmp ult i64 %i{number}, {count}")
        self.add(f"br i1 %m{number}, label %{inside}, label %{after}")
        with self._branch(inside):
            next_values = body(Index(0, ((f"%i{number}", 1),)), *phis) or ()
        self.add(f"%n{number} = add nuw nsw i64 %i{number}, 1")
        self.add(f"br label %{head}")
        lines = [f"  %i{number} = phi i64 [0, %{before}], [%n{number}, %{self.block}]"]
        for phi, first, following in zip(phis, carried, next_values, strict=True):
            sources = f"[{first.name}, %{before}], [{following.name}, %{self.block}]"
            lines.append(f"  {phi.name} = phi {self.vector(phi.kind)} {sources}")
        self.lines[at:at] = lines
        self.label(after)
        return phis

    def only_if(
        self, condition: str, body: Callable[..., Sequence[Value] | None], carried: Sequence[Value] = ()
    ) -> Sequence[Value]:
        """Write a block that runs only if a single truth holds; return the values that it returns, or those given."""
        number = self.fresh()
        before = self.block
        self.add(f"br i1 {condition}, label %then{number}, label %after{number}")
        with self._branch(f"then{number}"):
            news = body(*carried) or ()
        end = self.block
        self.add(f"br label %after{number}")
        self.label(f"after{number}")
        return [
            self.new(f"phi {self.vector(old.kind)} [{old.name}, %{before}], [{new.name}, %{end}]", old.kind)
            for old, new in zip(carried, news, strict=True)
        ]

    def count(self, index: Index) -> str:
        """Return the name of an index's number."""
        total = ""
        for name, factor in index.terms:
            term = name if factor == 1 else self.once(f"mul nsw i64 {name}, {factor}")
            total = self.once(f"add nsw i64 {total}, {term}") if total else term
        if total and index.constant:
            return self.once(f"add nsw i64 {total}, {index.constant}")
        return total or f"{index.constant}"

    def address(self, pointer: str, index: Index, kind: str) -> str:
        """Return the address of an entry; those with the same variables differ by constants."""
        start = pointer
        if index.terms:
            start = self.once(f"getelementptr inbounds {kind}, ptr {pointer}, i64 {self.count(Index(0, index.terms))}")
        if not index.constant:
            return start
        return self.once(f"getelementptr inbounds {kind}, ptr {start}, i64 {index.constant}")

    def load(self, pointer: str, index: Index, kind: str) -> Value:
        """Load a vector; `index` counts vectors."""
        place = self.address(pointer, index, self.vector(kind))
        return self.new(f"load {self.vector(kind)}, ptr {place}, align {self.alignment(kind)}", kind)

    def store(self, value: Value, pointer: str, index: Index) -> None:
        place = self.address(pointer, index, self.vector(value.kind))
        self.add(f"store {self.vector(value.kind)} {value.name}, ptr {place}, align {self.alignment(value.kind)}")

    def of_lane(self, index: Index, lane: Index) -> Index:
        """Return the place of one lane's number in an array, counted in numbers."""
        return index * self.lanes + lane

    def load_single(self, pointer: str, index: Index, kind: str) -> str:
        return self.single(f"load {kind}, ptr {self.address(pointer, index, kind)}")

    def everywhere(self, single: str, kind: str) -> Value:
        """Return a single number in all lanes."""
        first = self.single(f"insertelement {self.vector(kind)} poison, {kind} {single}, i32 0")
        zeros = f"{self.vector('i32')} zeroinitializer"
        return self.new(f"shufflevector {self.vector(kind)} {first}, {self.vector(kind)} poison, {zeros}", kind)

    def alignment(self, kind: str) -> int:
        return self.lanes * BYTES[kind]
