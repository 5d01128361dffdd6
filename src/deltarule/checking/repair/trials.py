"""Try edits: which entries of the gradient are right with one, at several points.

An edit that is right at one point may be right by coincidence. So it must be right at a second one too, where
parameters and upstream gradient are others, and at a third, where the data have a row less: factors such as 1 / N show
there.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from time import thread_time
from types import FunctionType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deltarule.checking.numerics.probes import rough_size
from deltarule.checking.numerics.reference_gradient import gradient_at, loss_at, measure_lines, sample_lines
from deltarule.checking.repair.program import Edit, RunningProgram
from deltarule.checking.repair.safety import ProgramState, TooLong, run_limited
from deltarule.checking.user_code.arrays import match_shape
from deltarule.checking.user_code.callables import Code
from deltarule.checking.user_code.references import containers_of, items_of
from deltarule.errors import DeltaruleError
from deltarule.proofs.differences import Floats

Mask = NDArray[np.bool_]
Arrangement = Callable[[], AbstractContextManager[Any]]
Item = tuple[Any, Callable[[Any], None]]
"""What a container of the program holds, and what puts another value there."""
MAX_ENTRIES = 600
"""Entries that are measured at a further point."""
SECONDS_A_POINT = 1.0


@dataclass(eq=False)
class KnownPoint:
    """A point at which the gradient is known.

    truth       the right gradient by array; NaN where it is not known; and its uncertainty, `doubt`
    loss        the loss, which an edit must not change
    arranged    what makes the program's data those of this point
    required    a repair must be right here; else it is shown before others if it is
    """

    code: Code
    truth: list[Floats]
    loss: float
    arranged: Arrangement = nullcontext
    is_required: bool = True
    doubt: list[Floats] = field(default_factory=list)
    known: list[Mask] = field(default_factory=list)

    def __post_init__(self) -> None:
        is_float64 = all(start.dtype == np.float64 for start in self.code.start)
        share, floor, self.loss_share = (1e-5, 2e-7, 1e-9) if is_float64 else (5e-3, 1e-4, 1e-5)
        self.doubt = self.doubt or [np.zeros(array.shape) for array in self.truth]
        self.known = [np.isfinite(array) for array in self.truth]
        self.expected = [true[known] for true, known in zip(self.truth, self.known, strict=True)]
        largest = max(float(np.abs(array).max(initial=0)) for array in self.expected)
        self.allowed = [
            share * np.abs(true) + floor * np.abs(true).max(initial=0) + 1e-9 * largest + 1e-12 + 4 * doubt[known]
            for true, doubt, known in zip(self.expected, self.doubt, self.known, strict=True)
        ]
        self.needs_loss = not self.code.has_own_forward_pass

    def gradient(self) -> list[Floats]:
        start = [array.copy() for array in self.code.start]  # an edit may change them in place
        with self.arranged():
            gradient = gradient_at(self.code, start) if self.needs_loss else self.code.gradient(start)
            return [np.asarray(array, float) for array in gradient]

    def keeps_loss(self) -> bool:
        with self.arranged():
            return abs(loss_at(self.code, self.code.start) - self.loss) <= self.loss_share * (1e-9 + abs(self.loss))

    def right_entries(self, gradient: Sequence[Floats]) -> Mask:
        """For each known entry of all arrays, whether a gradient has it right."""
        right = []
        rows = zip(gradient, self.truth, self.known, self.expected, self.allowed, strict=True)
        for own, true, known, expected, allowed in rows:
            shaped, mistake = match_shape(own, true)
            is_right = np.abs(shaped[known] - expected) <= allowed
            right.append(is_right if not mistake else np.zeros(len(expected), bool))
        return np.concatenate(right)

    def flat(self, gradient: Sequence[Floats]) -> Floats | None:
        """The known entries of a gradient; None if an array has another shape."""
        if any(match_shape(own, true)[1] for own, true in zip(gradient, self.truth, strict=True)):
            return None
        return self.traces(gradient)

    def traces(self, gradient: Sequence[Floats]) -> Floats:
        """What moves with a gradient: its known entries, or a weighted sum of an array that has another shape."""
        rows = []
        for own, true, known in zip(gradient, self.truth, self.known, strict=True):
            shaped, mistake = match_shape(own, true)
            of_all = np.ravel(own) @ np.sqrt(np.arange(1, own.size + 1)) if mistake else 0.0
            rows.append(np.full(int(known.sum()), of_all) if mistake else shaped[known])
        return np.concatenate(rows)

    def skip_loss_if_independent(self, moved: "KnownPoint") -> None:
        """Compute the gradient without the loss before it, where it does not depend on that call."""
        before = self.gradient()
        loss_at(moved.code, moved.code.start)
        self.needs_loss = False
        try:
            after = self.gradient()
            self.needs_loss = not all(map(np.array_equal, before, after))
        except DeltaruleError:
            self.needs_loss = True


def points_of(
    code: Code,
    truth: list[Floats],
    functions: Sequence[FunctionType],
    others: Sequence[Callable[[], Code]] = (),
    shorter: Sequence[Callable[[], Code]] = (),
) -> list[KnownPoint]:
    """The points at which edits are judged; the first is the user's.

    `others` make the same code for other upstream gradients, without moving its input, and `shorter` for fewer samples.
    """
    points = [KnownPoint(code, truth, loss_at(code, code.start))]
    for make in others:
        with suppress(DeltaruleError):
            points.append(measured(make()))
    moved = replace(code, start=tuple(_move_values(start, draw) for draw, start in enumerate(code.start)))
    if not others:
        points += _measured_or_none(moved)
    elif not all(map(np.array_equal, gradient_at(code, code.start), gradient_at(moved, moved.start))):
        # Else the backward pass reads its input from outside, where it stays.
        points += [replace(point, is_required=False) for point in _measured_or_none(moved)]
    points += _point_of_fewer_samples(code, functions, shorter, points[0].loss)
    for point, other in zip(points, [*points[1:], points[0]], strict=True):
        if point.needs_loss and other is not point:
            point.skip_loss_if_independent(other)
    return points


def _point_of_fewer_samples(
    code: Code, functions: Sequence[FunctionType], shorter: Sequence[Callable[[], Code]], loss: float
) -> list[KnownPoint]:
    """The first point with fewer samples at which the loss is another."""
    ways = [lambda make=make: _measured_or_none(make()) for make in shorter]
    ways += [lambda way=way: _measured_or_none(code, way) for way in _ways_to_shorten(code, functions)]
    for measure in ways:
        for point in _measure_if_possible(measure):
            if abs(point.loss - loss) > 1e-9 * abs(loss):
                return [replace(point, is_required=False)]
    return []


def _measure_if_possible(measure: Callable[[], list[KnownPoint]]) -> list[KnownPoint]:
    with suppress(DeltaruleError):
        return measure()
    return []


def _move_values(start: Floats, draw: int) -> Floats:
    noise = np.random.default_rng(7 + draw).normal(size=start.shape)
    scale = 0.1 * (np.abs(start).mean() + 0.3) if start.size else 0.0
    return np.asarray(start + scale * noise).astype(start.dtype)


def _measured_or_none(code: Code, arranged: Arrangement = nullcontext) -> list[KnownPoint]:
    try:
        point = measured(code, arranged)
        point.gradient()
    except (DeltaruleError, ValueError, IndexError, TypeError):  # code that fails there
        return []
    return [point] if np.isfinite(point.loss) else []


def measured(code: Code, arranged: Arrangement = nullcontext) -> KnownPoint:
    """A point with its gradient by differences, for as many entries as about a second allows."""
    with arranged():
        begin = thread_time()
        loss = loss_at(code, code.start)
        affordable = SECONDS_A_POINT / (8 * max(thread_time() - begin, 1e-5))
        lines = sample_lines(code, int(np.clip(affordable, 20, MAX_ENTRIES)))
        slopes = measure_lines(lines, rough_size(code, loss)).differences
    truth, doubt = ([np.full(start.shape, value) for start in code.start] for value in (np.nan, 0.0))
    for n, (i, entry) in enumerate(lines.lines):
        if entry >= 0 and not slopes.kink[n] and np.isfinite(slopes.doubt[n]):
            truth[i].flat[entry], doubt[i].flat[entry] = slopes.value[n], slopes.doubt[n]
    return KnownPoint(code, truth, loss, arranged, doubt=doubt)


def _ways_to_shorten(code: Code, functions: Sequence[FunctionType]) -> Iterator[Arrangement]:
    """Ways to take a sample away from the data that functions read: the most frequent length is the samples'."""
    items = _items_read(code, functions)
    own = set(map(id, code.store.read() if code.store else ()))
    taken = {start.shape for start in code.start}
    arrays = {id(value): value for value, _ in items if isinstance(value, np.ndarray) and value.ndim}
    shapes = [array.shape for key, array in arrays.items() if key not in own and array.shape not in taken]
    lengths = Counter(shape[0] for shape in shapes if shape[0] > 2)
    columns = Counter(shape[-1] for shape in shapes if len(shape) > 1 and shape[-1] > 2)
    for length, _ in lengths.most_common(2):
        yield partial(_shortened, items, length, 0, taken)
    for length, _ in columns.most_common(1):
        yield partial(_shortened, items, length, -1, taken)


def _items_read(code: Code, functions: Sequence[FunctionType]) -> list[Item]:
    containers = {id(container): container for root in (*functions, *code.roots) for container in containers_of(root)}
    return [item for container in containers.values() for item in items_of(container)]


@contextmanager
def _shortened(items: Sequence[Item], n: int, axis: int, skip: set[tuple[int, ...]]) -> Iterator[None]:
    changed = []
    for value, assign in items:
        if isinstance(value, np.ndarray) and value.ndim and value.shape[axis] == n and value.shape not in skip:
            assign(value[:-1] if axis == 0 else value[..., :-1])
        elif type(value) is int and value == n:
            assign(n - 1)
        else:
            continue
        changed.append((value, assign))
    try:
        yield
    finally:
        for value, assign in changed:
            assign(value)


class Trials:
    """A program, and the points at which its gradient is known; after each run the program has its data back."""

    def __init__(
        self,
        code: Code,
        truth: list[Floats],
        others: Sequence[Callable[[], Code]],
        shorter: Sequence[Callable[[], Code]],
    ) -> None:
        self.code = code
        self.program = RunningProgram(lambda: code.loss(code.start), KnownPoint(code, truth, float("nan")).gradient)
        live = [running for function in self.program.functions for running in function.objects]
        self.state = ProgramState(live, list(code.roots))
        begin = thread_time()
        self.points = points_of(code, truth, live, others, shorter) if self.program.functions else []
        self.state.restore()
        self.limit = 1.0 + (thread_time() - begin)

    def limited(self, call: Callable[[], Any], seconds: float = 0.0) -> Any:
        """What a call of user code gives, or None."""
        try:
            return run_limited(call, seconds or self.limit)
        except (Exception, TooLong, SystemExit):
            return None

    def right_entries(self, edit: Edit, point: KnownPoint) -> Mask | None:
        """Which entries are right at a point with an edit; None if it fails, or changes the loss."""
        try:
            with self.program.edited(edit):
                gradient = self.limited(point.gradient)
                right = None if gradient is None else point.right_entries(gradient)
                if right is not None and right.any() and not self.limited(point.keeps_loss):
                    return None
                return right
        except (SyntaxError, ValueError):
            return None
        finally:
            self.state.restore()

    def count_passed(self, edit: Edit) -> int:
        """At how many points an edit is right, which is at the first; 0 if one that is required is not among them."""
        passed = 1
        for point in self.points[1:]:
            right = self.right_entries(edit, point)
            is_right = right is not None and bool(right.all())
            if point.is_required and not is_right:
                return 0
            passed += is_right
        return passed

    def improves_other_points(self, edit: Edit) -> bool:
        """Whether an edit makes entries right, and none wrong, at the other points that are required."""
        for point in [point for point in self.points[1:] if point.is_required]:
            gradient = self.limited(point.gradient)
            self.state.restore()
            right = self.right_entries(edit, point)
            if gradient is None or right is None:
                return False
            before = point.right_entries(gradient)
            if (before & ~right).any() or not (right & ~before).any():
                return False
        return True
