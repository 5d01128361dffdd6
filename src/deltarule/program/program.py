"""Programs: operations on numbers and arrays, recorded by running a formula once.

An array has axes with names, not just sizes: eight rows and eight units are different axes. A number has none.
"""

import hashlib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deltarule.errors import DeltaruleError

DTYPES = tuple(map(np.dtype, ("bool", "int64", "float32", "float64")))
"""The types of a program's numbers."""

REDUCTIONS = ("sum", "max")
REARRANGEMENTS = ("slice", "reshape", "transpose", "broadcast", "concatenate", "pad")
"""Operations that compute nothing: their results are other views of their operands, or operands side by side."""


class NotTraceable(DeltaruleError):
    """Raised if a formula has no program."""


class Axis(int):
    """An axis of an array: its size, and the name of what lies along it.

    The size of MEMBERS and of ROWS is known only when a program runs; here it is -1, as in NumPy's `reshape`.
    """

    name: str

    def __new__(cls, name: str, size: int) -> "Axis":
        axis = super().__new__(cls, size)
        axis.name = name
        return axis

    def __eq__(self, other: object) -> bool:
        return isinstance(other, int) and int(self) == int(other) and self.name == getattr(other, "name", "")

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return hash((self.name, int(self)))

    def __repr__(self) -> str:
        size = "" if int(self) < 0 else f"{int(self)}"
        return f"{self.name} {size}".strip()


def _of_known_size(name: str) -> Any:
    """Return an operation of whole numbers that a formula may use with a size, if that is known."""
    compute = getattr(int, name)

    def operation(size: Axis, *others: Any) -> Any:
        if any(isinstance(each, Axis) and int(each) < 0 for each in (size, *others)):
            raise NotTraceable(f"it computes with the number of {size.name or 'rows'}")
        return compute(int(size), *others)

    return operation


for _name in "add sub mul truediv floordiv mod pow radd rsub rmul rtruediv rfloordiv rmod rpow lt le gt ge".split():
    setattr(Axis, f"__{_name}__", _of_known_size(f"__{_name}__"))
setattr(Axis, "__float__", _of_known_size("__float__"))  # noqa: B010 (beside the others)

MEMBERS, ROWS = Axis("members", -1), Axis("rows", -1)
ONE = Axis("", 1)
"""The axis of a single entry, which is repeated along any other axis."""


@dataclass(frozen=True)
class Variable:
    """An argument or the result of an operation."""

    name: str
    dtype: np.dtype[Any]
    axes: tuple[Axis, ...] = ()

    @property
    def type(self) -> str:
        """The type of a number, and the axes of an array: float64 [rows, inputs 8]."""
        return f"{self.dtype} [{', '.join(map(repr, self.axes))}]" if self.axes else f"{self.dtype}"

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class Constant:
    """A number of a formula, rounded to its type."""

    value: bool | int | float
    dtype: np.dtype[Any]
    axes: tuple[Axis, ...] = ()

    def __str__(self) -> str:
        return f"{self.dtype}({self.value!r})"


Operand = Variable | Constant


@dataclass(frozen=True)
class Operation:
    """An operation of one of four kinds.

    elementwise     the name of a NumPy or SciPy function, "select" or "cast". The operands have the types in which it
                    is computed: conversions are operations too. select(test, yes, no) is `yes` where test > 0.
    product         "matmul", of the last two axes
    reduction       "sum" or "max" over the axes `detail`, counted from the last (-1); they stay, with one entry
    rearrangement   "slice" with the `detail` (start, stop, step, axis); "reshape"; "broadcast"; "transpose" to the
                    order `detail`, or of the last two axes; "concatenate" along the axis `detail`, or the last; "pad"
                    with zeros, with the `detail` (axis, before, after)
    """

    name: str
    operands: tuple[Operand, ...]
    result: Variable
    detail: tuple[int, ...] = ()

    @property
    def kind(self) -> str:
        """One of the four kinds."""
        if self.name == "matmul":
            return "product"
        if self.name in REDUCTIONS:
            return "reduction"
        return "rearrangement" if self.name in REARRANGEMENTS else "elementwise"

    def __str__(self) -> str:
        detail = f"[{':'.join(map(str, self.detail))}]" if self.detail else ""
        return f"{self.result} = {self.name}{detail}({', '.join(map(str, self.operands))}) : {self.result.type}"


@dataclass(frozen=True)
class Program:
    """The operations of a formula, or of a whole update, in order, and its results.

    `names` are those of the results, if the formula returns them by name. `constants` are the values of arguments that
    the formula makes or reads; their names say what they hold.
    """

    arguments: tuple[Variable, ...]
    operations: tuple[Operation, ...]
    results: tuple[Operand, ...]
    names: tuple[str, ...] = ()
    constants: Mapping[str, NDArray[Any]] = field(default_factory=dict, compare=False)

    def __str__(self) -> str:
        given = [f"given {argument} : {argument.type}" for argument in self.arguments if argument.axes]
        names = [f"{name} = " for name in self.names] or [""] * len(self.results)
        results = ", ".join(f"{name}{result}" for name, result in zip(names, self.results, strict=True))
        return "\n".join([*given, *map(str, self.operations), f"return {results}"])

    @property
    def fingerprint(self) -> str:
        """The SHA-256 digest of what is computed."""
        arguments = [(argument.name, argument.dtype.name) for argument in self.arguments]
        return hashlib.sha256(f"{arguments} {self}".encode()).hexdigest()

    def cut(self, names: Collection[str]) -> "Program":
        """The program of the results `names` alone: with the operations and arguments that these need."""
        results = {name: result for name, result in zip(self.names, self.results, strict=True) if name in names}
        needed = set(results.values())
        for operation in reversed(self.operations):
            if operation.result in needed:
                needed.update(operation.operands)
        return Program(
            tuple(argument for argument in self.arguments if argument in needed),
            tuple(operation for operation in self.operations if operation.result in needed),
            tuple(results.values()),
            tuple(results),
            self.constants,
        )

    def renamed(self, names: dict[str, str]) -> "Program":
        """The program with other names of variables, {name: new name}."""

        def new(operand: Any) -> Any:
            is_renamed = isinstance(operand, Variable) and operand.name in names
            return replace(operand, name=names[operand.name]) if is_renamed else operand

        def operations() -> Iterator[Operation]:
            for operation in self.operations:
                yield replace(operation, operands=tuple(map(new, operation.operands)), result=new(operation.result))

        arguments, results = (tuple(map(new, variables)) for variables in (self.arguments, self.results))
        return Program(arguments, tuple(operations()), results, self.names, self.constants)
