"""What the page's module of WebAssembly computes beside formulas: softmax, batch norm, and products.

A lane is a row, as in `page_kernels.py`.

N rows · D inputs · H units
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from deltarule.engines.compiled.elementary import maximum
from deltarule.engines.compiled.values import FunctionText, Index, Value
from deltarule.maths.layers import BATCH_NORM_EPSILON

LANES, VECTORS = 2, 2
"""The numbers of a vector of 128 bits, and the vectors of rows that are computed side by side."""
UNITS, INPUTS = 4, 2
"""The units of a tile, and its inputs where a gradient is summed: eight sums stay in registers."""


def softmax() -> Iterator[tuple[FunctionText, str]]:
    """Softmax over the units of each row, its backward pass, and softmax with cross-entropy."""

    def kernel(
        name: str,
        arrays: list[str],
        results: list[str],
        body: Callable[[Callable[..., Sequence[Value]], Any, Any], None],
    ) -> tuple[FunctionText, str]:
        text = FunctionText(LANES)

        def vector(row: Index) -> None:
            def over_units(of_unit: Callable[..., Any], *carried: float) -> Sequence[Value]:
                first = [text.value(number, "double") for number in carried]
                return text.loop("%units", lambda unit, *c: of_unit(_times_name(text, unit, "%count") + row, *c), first)

            body(over_units, lambda array, place: text.load(f"%{array}", place, "double"), row)

        text.loop("%count", vector)
        pointers = [[f"%{array}" for array in each] for each in (arrays, results)]
        return text, defined(name, text, ["count", "units"], pointers[0], [], pointers[1])

    def exponentials(over_units: Any, load: Any, result: str) -> tuple[Value, Value]:
        """The largest z of a row, and the sum of e^(z − largest), each of which is stored."""
        [largest] = over_units(lambda place, most: [maximum(load("z", place), most)], -np.inf)

        def add(place: Index, total: Value) -> list[Value]:
            value = largest.text.call("exp", load("z", place) - largest)
            largest.text.store(value, result, place)
            return [total + value]

        [total] = over_units(add, 0.0)
        return largest, total

    def forward(over_units: Any, load: Any, row: Index) -> None:
        _, total = exponentials(over_units, load, "%a")
        over_units(lambda place: total.text.store(load("a", place) / total, "%a", place))

    def backward(over_units: Any, load: Any, row: Index) -> None:
        [total] = over_units(lambda place, sum_: [sum_ + load("a", place) * load("da", place)], 0.0)
        over_units(lambda place: total.text.store(load("a", place) * (load("da", place) - total), "%dz", place))

    def cross_entropy(over_units: Any, load: Any, row: Index) -> None:
        largest, total = exponentials(over_units, load, "%dz")
        [targets] = over_units(lambda place, sum_: [sum_ + load("y", place)], 0.0)
        text, log, share = total.text, total.text.call("log", total), load("share", row)

        def unit(place: Index, loss: Value) -> list[Value]:
            y, z = load("y", place), load("z", place)
            text.store(share * (load("dz", place) / total * targets - y), "%dz", place)
            return [loss + share * y * (log - (z - largest))]

        [loss] = over_units(unit, 0.0)
        text.store(loss, "%terms", row)

    yield kernel("softmax", ["z"], ["a"], forward)
    yield kernel("softmax backward", ["a", "da"], ["dz"], backward)
    yield kernel("softmax cross_entropy", ["z", "y", "share"], ["dz", "terms"], cross_entropy)


def batch_norm() -> Iterator[tuple[FunctionText, str]]:
    """Batch norm: the statistics of a batch, n = γ ẑ + β with ẑ = (z − μ) / √(σ² + ε), and the backward pass.

    `statistics` holds the means of all units before their variances, as θ has γ before β.
    """

    def kernel(name: str, arrays: list[str], results: list[str], body: Callable[..., None]) -> tuple[FunctionText, str]:
        text = FunctionText(LANES)

        def unit(index: Index) -> None:
            second = Index(0, (("%units", 1),)) + index

            def pair(array: str) -> list[Value]:
                return [
                    text.everywhere(text.load_single(array, place, "double"), "double") for place in (index, second)
                ]

            def store(values: Sequence[Value], array: str) -> None:
                for value, place in zip(values, (index, second), strict=True):
                    _store_sum(text, value, array, place)

            def over_rows(of_row: Callable[..., Any], *carried: float) -> Sequence[Value]:
                first = [text.value(number, "double") for number in carried]
                return text.loop(
                    "%count", lambda row, *c: of_row(_times_name(text, index, "%stride") + row, row, *c), first
                )

            body(text, pair, store, over_rows)

        text.loop("%units", unit)
        pointers = [[f"%{array}" for array in each] for each in (arrays, results)]
        return text, defined(name, text, ["count", "stride", "units"], pointers[0], [], pointers[1])

    def statistics(text: FunctionText, pair: Any, store: Any, over_rows: Any) -> None:
        def load(array: str, place: Index) -> Value:
            return text.load(array, place, "double")

        [total] = over_rows(lambda place, row, sum_: [sum_ + load("%share", row) * load("%z", place)], 0.0)
        mean = _everywhere_sum(text, total)

        def squares(place: Index, row: Index, sum_: Value) -> list[Value]:
            off = load("%z", place) - mean
            return [sum_ + load("%share", row) * (off * off)]

        store([total, *over_rows(squares, 0.0)], "%statistics")

    def forward(text: FunctionText, pair: Any, store: Any, over_rows: Any) -> None:
        (gamma, beta), (mean, variance) = pair("%theta"), pair("%statistics")
        deviation = text.call("llvm.sqrt", variance + BATCH_NORM_EPSILON)

        def normalize(place: Index, row: Index) -> None:
            normalized = (text.load("%z", place, "double") - mean) / deviation
            text.store(normalized, "%normalized", place)
            text.store(gamma * normalized + beta, "%n", place)

        over_rows(normalize)

    def backward(text: FunctionText, pair: Any, store: Any, over_rows: Any) -> None:
        def load(array: str, place: Index) -> Value:
            return text.load(array, place, "double")

        def sums(place: Index, row: Index, product: Value, total: Value) -> list[Value]:
            return [product + load("%dn", place) * load("%normalized", place), total + load("%dn", place)]

        both = over_rows(sums, 0.0, 0.0)
        product, total = (_everywhere_sum(text, each) for each in both)
        scale = pair("%theta")[0] / text.call("llvm.sqrt", pair("%statistics")[1] + BATCH_NORM_EPSILON)

        def of_row(place: Index, row: Index) -> None:
            shared = load("%share", row) * (total + load("%normalized", place) * product)
            text.store(scale * (load("%dn", place) - shared), "%dz", place)

        over_rows(of_row)
        store(both, "%gradient")

    yield kernel("batch statistics", ["z", "share"], ["statistics"], statistics)
    yield kernel("batch norm", ["z", "theta", "statistics"], ["normalized", "n"], forward)
    given = ["dn", "normalized", "theta", "statistics", "share"]
    yield kernel("batch norm backward", given, ["dz", "gradient"], backward)


def _sum_of_lanes(text: FunctionText, value: Value) -> str:
    lanes = [text.single(f"extractelement {text.vector('double')} {value.name}, i32 {lane}") for lane in range(LANES)]
    return text.single(f"fadd double {lanes[0]}, {lanes[1]}")


def _everywhere_sum(text: FunctionText, value: Value) -> Value:
    return text.everywhere(_sum_of_lanes(text, value), "double")


def _store_sum(text: FunctionText, value: Value, array: str, place: Index) -> None:
    text.add(f"store double {_sum_of_lanes(text, value)}, ptr {text.address(array, place, 'double')}")


def products() -> tuple[FunctionText, str]:
    """Z [H · N] = x W from x [D · N], with W's entry of an input and a unit at their steps: forward, or back by Wᵀ."""
    text = FunctionText(LANES)

    def tile(unit: Index, many: int) -> None:
        def rows(block: Index) -> None:
            def add(i: Index, *sums: Value) -> list[Value]:
                lanes = [
                    text.load("%x", _times_name(text, i, "%stride") + block * VECTORS + v, "double")
                    for v in range(VECTORS)
                ]
                weights = [
                    text.everywhere(
                        text.load_single(
                            "%w", _times_name(text, i, "%across") + _times_name(text, unit + u, "%down"), "double"
                        ),
                        "double",
                    )
                    for u in range(many)
                ]
                return [text.fma(lanes[n % VECTORS], weights[n // VECTORS], total) for n, total in enumerate(sums)]

            sums = text.loop("%inputs", add, [text.value(0, "double")] * (many * VECTORS))
            for n, total in enumerate(sums):
                text.store(
                    total, "%z", _times_name(text, unit + n // VECTORS, "%stride") + block * VECTORS + n % VECTORS
                )

        text.loop("%blocks", rows)

    _tiled(text, "%units", UNITS, tile)
    counts = ["blocks", "stride", "inputs", "units", "across", "down"]
    return text, defined("products", text, counts, ["%x", "%w"], [], ["%z"])


def gradient() -> tuple[FunctionText, str]:
    """∂J/∂W [D, H] = xᵀ dz, summed over the rows."""
    text = FunctionText(LANES)

    def tile(i: Index, many_inputs: int, unit: Index, many: int) -> None:
        def add(row: Index, *sums: Value) -> list[Value]:
            left = [text.load("%x", _times_name(text, i + d, "%stride") + row, "double") for d in range(many_inputs)]
            right = [text.load("%dz", _times_name(text, unit + u, "%stride") + row, "double") for u in range(many)]
            return [text.fma(left[n // many], right[n % many], total) for n, total in enumerate(sums)]

        sums = text.loop("%count", add, [text.value(0, "double")] * (many_inputs * many))
        for n, total in enumerate(sums):
            _store_sum(text, total, "%g", _times_name(text, i + n // many, "%units") + unit + n % many)

    _tiled(
        text,
        "%inputs",
        INPUTS,
        lambda i, many_inputs: _tiled(text, "%units", UNITS, lambda unit, many: tile(i, many_inputs, unit, many)),
    )
    return text, defined("gradient", text, ["count", "stride", "inputs", "units"], ["%x", "%dz"], [], ["%g"])


def _times_name(text: FunctionText, index: Index, factor: str) -> Index:
    """An index times a number that is known only when the function runs."""
    return Index(0, ((text.single(f"mul nsw i64 {text.count(index)}, {factor}"), 1),))


def _tiled(text: FunctionText, count: str, size: int, body: Callable[[Index, int], None]) -> None:
    """Write body(first, how many) over a count, some at a time and the others one by one."""
    whole = text.single(f"udiv i64 {count}, {size}")
    done = text.single(f"mul i64 {whole}, {size}")
    left = text.single(f"sub i64 {count}, {done}")
    text.loop(whole, lambda index: body(index * size, size))
    text.loop(left, lambda index: body(Index(0, ((done, 1),)) + index, 1))


def defined(
    name: str, text: FunctionText, counts: list[str], arrays: list[str], numbers: Sequence[str], results: list[str]
) -> str:
    """Return a function's text, whose counts are given in 32 bits, as JavaScript has them."""
    given = [*(f"i32 %{count}.32" for count in counts), *(f"ptr {array}" for array in arrays)]
    given += [*(f"double %{number}" for number in numbers), *(f"ptr {result}" for result in results)]
    [entry, *lines] = text.lines
    widened = [f"  %{count} = zext i32 %{count}.32 to i64" for count in counts]
    return "\n".join([f'define void @"{name}"({", ".join(given)}) {{', entry, *widened, *lines, "  ret void", "}"])
