"""Points that a hypothesis has not seen: the same turn of a loop, with all parameters moved elsewhere."""

from collections.abc import Generator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from deltarule.checking.scripts.numbers_met import Sides
from deltarule.checking.scripts.slopes import StepSlopes
from deltarule.checking.scripts.step_record import StepRecord
from deltarule.checking.scripts.step_run import DIRECTIONS, AtStep, Shift, StepRun
from deltarule.proofs.differences import Floats

_DISTANCE = 0.1
"""How far arrays are moved, beside their size, at first."""
_TIMES = (1.0, 5.0, 25.0, 100.0)
"""How many times as far they are moved until they move otherwise."""
_CHANGE = 0.3
"""The change of moves, beside their size, that makes a point another one."""
_SIZE_OF_ZEROS = 0.5
"""The size of arrays where all of them are 0."""


@dataclass
class _Elsewhere:
    """Goes through the step with arrays moved by `deltas`, and perhaps one of them a little more."""

    deltas: dict[int, Floats]
    is_simultaneous: bool
    shift: Shift | None = None
    held: Sides = field(default_factory=dict)

    def __call__(self, run: StepRun) -> None:
        run.is_simultaneous = self.is_simultaneous
        move_start(run, self.deltas)
        run.met.held = self.held
        run.are_reads_wanted = self.shift is None
        if self.shift is not None:
            run.shift_by(self.shift)


def move_start(run: StepRun, deltas: dict[int, Floats], times: float = 1.0) -> None:
    """Move arrays, as if the step had begun there."""
    for i, delta in deltas.items():
        run.parameters[i].move(times * delta)
        run.parameters[i].start = run.parameters[i].current()


def points_around(step: StepSlopes, arrays: Sequence[int]) -> list[StepSlopes]:
    """The step at two other points: arrays moved until they move otherwise, and then with other signs of entries."""
    generator = np.random.default_rng(1)
    starts = [parameter.start for parameter in step.run.parameters]
    away = deltas_away(step, arrays, generator)
    signs = {i: np.where(generator.random(starts[i].shape) < 0.5, -1.0, 1.0) for i in arrays}

    def plan(run: StepRun) -> Generator[AtStep, StepRecord | None, list[StepSlopes]]:
        points: list[StepSlopes] = []
        best = -1.0, 1.0
        for times in _TIMES:
            record = yield _Elsewhere({i: times * delta for i, delta in away.items()}, step.run.is_simultaneous)
            change = -1.0 if record is None else _change(step, record, arrays)
            best = max(best, (change, times))
            if change < 0 or change >= _CHANGE:
                break
        near = {i: best[1] * delta for i, delta in away.items()}
        far = {i: signs[i] * (starts[i] + near[i]) - starts[i] for i in arrays}
        # One direction at each point says enough, but for a single array, of which any two numbers have some ratio.
        both = [0, 1]
        for deltas, directions in ((near, both[:1]), (far, both[1:])):
            yield from _measured_at(step, deltas, directions if len(arrays) > 1 else both, points)
        return points

    return step.turn.follow(plan)[1]


def deltas_away(step: StepSlopes, arrays: Sequence[int], generator: np.random.Generator) -> dict[int, Floats]:
    """How far arrays are moved: a tenth of their size; what is 0 by the size that other entries or arrays have."""
    starts = [parameter.start for parameter in step.run.parameters]
    sizes = {i: float(np.sqrt(np.mean(starts[i][starts[i] != 0] ** 2))) for i in arrays if starts[i].any()}
    typical = float(np.median(list(sizes.values()))) if sizes else _SIZE_OF_ZEROS
    away = {}
    for i in arrays:
        size = sizes.get(i, 0.0)
        lengths = np.where(starts[i] == 0, size or typical, _DISTANCE * size)
        away[i] = lengths * generator.normal(size=starts[i].shape)
    return away


def _change(step: StepSlopes, record: StepRecord, arrays: Sequence[int]) -> float:
    """How much the moves differ from those of the step, beside their size, in the middle one of the arrays."""
    there = -np.array(record.moves).reshape(step.count, DIRECTIONS)
    if not np.isfinite(there).all():
        return -1.0
    changes = [
        np.abs(there[i] - step.descent[i]).max() / max(np.abs(there[i]).max(), np.abs(step.descent[i]).max(), 1e-300)
        for i in arrays
    ]
    return float(np.median(changes))


def _measured_at(
    step: StepSlopes, deltas: dict[int, Floats], directions: Sequence[int], points: list[StepSlopes]
) -> Generator[AtStep, StepRecord | None, None]:
    """Measure the step at a point, and add it to the points."""
    run = step.run
    elsewhere = _Elsewhere(deltas, run.is_simultaneous)
    unmoved = yield elsewhere
    if unmoved is None:
        return
    held = unmoved.sides if run.met.held else {}
    descent = -np.array(unmoved.moves).reshape(step.count, DIRECTIONS)
    own = np.array(
        [
            run.along(i, (parameter.start + deltas.get(i, 0.0)) * ((parameter.moved() != 0) | run.is_simultaneous))
            for i, parameter in enumerate(run.parameters)
        ]
    )
    point = replace(step, descent=descent, own=own, numbers={}, measured=set(), read=[[] for _ in run.parameters])
    for text, i, along in unmoved.reads:
        point.read[i].append((text, np.array(along)))
    if held:  # the numbers of which a side is held are those of this point
        unmoved = (yield replace(elsewhere, held=held)) or unmoved
    for i in deltas:
        for j in directions:
            up = yield replace(elsewhere, held=held, shift=(i, j, 1.0))
            down = yield replace(elsewhere, held=held, shift=(i, j, -1.0))
            if up is not None and down is not None:
                point.note_slopes(i, j, up, down, unmoved, run.steps[i])
                point.measured.add((i, j))
    points.append(point)
