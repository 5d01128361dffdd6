"""Lines in parameter space along which an objective is differentiated.

θ [K, P]   K members       n lines, each of one member, along one entry of θ or a direction that moves all entries

Copies of a member with one entry moved form a population with the same rows, weights and dropout masks; the engine
evaluates thousands of them in one call.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from deltarule.blas_threads import one_blas_thread
from deltarule.engines.reference import forward_pass
from deltarule.maths import random
from deltarule.maths.network import Taped
from deltarule.problem.batches import Batch, batch, groups
from deltarule.problem.problem import Floats, Integers, Problem
from deltarule.problem.state import State
from deltarule.proofs.differences import DIRECTIONS, IMAGINARY, share_entries
from deltarule.proofs.error_scale import near_kinks, roundings

_NUMBERS_AT_ONCE = 1_000_000
_WEIGHTS_TIMES_ROWS = 4e9
"""Maximum number of multiplications of a proof: a few seconds. `_NUMBERS_AT_ONCE` take eight megabytes."""


@dataclass(frozen=True, eq=False)
class Lines:
    """Lines in parameter space through the parameters of a state's members.

    member [n]         the index of each line's member in the state
    entry [n]          the entry of θ that it moves; −1 − d for direction d
    signs [D, P]       the directions: every entry moves by ±t
    """

    problem: Problem
    state: State
    member: Integers
    entry: Integers
    signs: Floats

    def along(self, lines: Integers, t: Floats) -> Floats:
        """The objective after a move by t [m] along lines [m]."""
        values = np.empty(len(lines), np.result_type(t, self.problem.dtype))
        for chosen, moved, rows in self._move(lines, t):
            values[chosen] = forward_pass(self.problem, moved, rows)[0]
        return values

    def leaving_kinks(self, lines: Integers, ignore_exact: bool = False) -> NDArray[np.bool_]:
        """Which lines [m] move a value off a kink.

        A value moves if an imaginary step gives it an imaginary part.
        """
        leaving = np.zeros(len(lines), bool)
        for chosen, moved, rows in self._move(lines, np.full(len(lines), 1j * IMAGINARY)):
            tape = forward_pass(self.problem, moved, rows)[2]
            leaving[chosen] = members_on_kinks(self.problem, moved, rows, tape, ignore_exact)
        return leaving

    def crossing_kinks(self, lines: Integers, t: Floats) -> NDArray[np.bool_]:
        """Which lines [m] move a value across a kink by a step t [m]."""
        crossing = np.zeros(len(lines), bool)
        for chosen, moved, rows in self._move(lines, t):
            here = self._state_at(lines[chosen], 0 * t[chosen])
            there, before = (
                _values_with_kinks(self.problem, state, rows, forward_pass(self.problem, state, rows)[2])
                for state in (moved, here)
            )
            for (_, value, kink), (_, old, _) in zip(there, before, strict=True):
                crossing[chosen] |= ((value > kink) != (old > kink)).any((-2, -1))
        return crossing

    def project(self, vector: Floats, absolute: bool = False) -> Floats:
        """Project a vector [K, P] onto each of n lines."""
        signs = np.abs(self.signs) if absolute else self.signs
        # Direction d is d columns before the end, where its entry −1 − d points.
        return np.asarray(np.concatenate([vector, (vector @ signs.T)[:, ::-1]], axis=1)[self.member, self.entry])

    def _move(self, lines: Integers, t: Floats) -> Iterator[tuple[Integers, State, Batch]]:
        """Yield chunks of lines with their moved states and batches."""
        members = self.state.members[self.member[lines]]
        with one_blas_thread(), np.errstate(all="ignore"):
            for group in groups(self.problem, members):
                for start in range(0, len(group), self._chunk):
                    chosen = group[start : start + self._chunk]
                    state = self._state_at(lines[chosen], t[chosen])
                    yield chosen, state, batch(self.problem, state.members, state.step)

    def _state_at(self, lines: Integers, t: Floats) -> State:
        """A state with one member for each of some lines [m], moved by t [m] along it."""
        state, entry = self.state.take(self.member[lines]), self.entry[lines]
        theta = state.theta.astype(np.result_type(t, state.theta))
        single = np.flatnonzero(entry >= 0)
        theta[single, entry[single]] += t[single]
        together = np.flatnonzero(entry < 0)
        theta[together] += t[together, None] * self.signs[-1 - entry[together]]
        return replace(state, theta=theta)

    @property
    def _chunk(self) -> int:
        units = sum(layer.inputs + layer.units for layer in self.problem.network.layers)
        rows = max(self.problem.batch_rows(member) for member in self.state.members)
        return max(1, _NUMBERS_AT_ONCE // (self.problem.network.parameters + rows * units))


def lines_through(problem: Problem, state: State, max_lines: int) -> Lines:
    """Create lines along entries of θ or, for many entries, along a sample.

    For large networks and batches `max_lines` is reduced to what takes a few seconds, but not below 100.

    >>> from deltarule.problem.create import create_problem
    >>> from deltarule.problem.network import Network
    >>> from deltarule.problem.state import initial_state
    >>> problem = create_problem(Network([20, 10, 1]), [[1.0] * 20], [1])
    >>> lines_through(problem, initial_state(problem), 1000).entry.size
    221
    >>> sample = lines_through(problem, initial_state(problem), 40)
    >>> sample.entry.size, [int((sample.entry == entry).sum()) for entry in (-1, 220)]
    (48, [1, 1])
    """
    members, parameters = len(state.members), problem.network.parameters
    rows = max(problem.batch_rows(member) for member in state.members)
    max_lines = min(max_lines, max(100, int(_WEIGHTS_TIMES_ROWS / (parameters * rows))))
    if members * parameters <= max_lines:
        entries, signs = np.arange(parameters), np.empty((0, parameters))
    else:
        entries = _sample_entries(problem, max(1, max_lines // members))
        indices, draws = np.arange(parameters, dtype=np.uint32), np.arange(DIRECTIONS, dtype=np.uint32)
        word, *_ = random.words(0, random.DIRECTIONS, indices, 0, draws[:, None])
        signs = np.where(word & np.uint32(1), 1.0, -1.0)
    each = np.concatenate([entries, -1 - np.arange(len(signs))])
    return Lines(problem, state, np.repeat(np.arange(members), len(each)), np.tile(each, members), signs)


def _sample_entries(problem: Problem, max_total: int) -> Integers:
    """About `max_total` reproducible random indices into θ, sorted."""
    arrays = sorted(problem.network.entries, key=lambda entry: entry.stop - entry.start)
    sizes, chosen = [entry.stop - entry.start for entry in arrays], []
    for i, (array, count) in enumerate(zip(arrays, share_entries(sizes, max_total), strict=True)):
        word, *_ = random.words(0, random.DIRECTIONS, np.arange(sizes[i], dtype=np.uint32), np.uint32(i + 1))
        chosen.append(array.start + np.argsort(word, kind="stable")[:count])
    return np.sort(np.concatenate(chosen))


def members_on_kinks(
    problem: Problem, state: State, rows: Batch, tape: Sequence[Taped], ignore_exact: bool = False
) -> NDArray[np.bool_]:
    """Which members [K] have values at a kink, within rounding.

    Values are pre-activations, errors p − y, and the weights if the penalty has kinks.
    If θ is complex, only values with an imaginary part count, which move off the kink. With `ignore_exact`, values
    exactly on a kink do not count, except after batch norm, where an exact 0 is a coincidence of rounding.
    """
    rounded = roundings(problem, state, rows, tape)
    normalized = [False, *(taped.symbol == "n" for taped in tape), False]
    on_kink = np.zeros(len(state.members), bool)
    for index, values, kink in _values_with_kinks(problem, state, rows, tape):
        rounding = 0.0 if index is None else rounded[index]  # weights have no rounding
        is_near = near_kinks(values.real, rounding, (kink,))
        if np.iscomplexobj(values):
            is_near &= values.imag != 0
        if ignore_exact and not (index is not None and normalized[index]):
            is_near &= np.abs(values.real - kink) >= np.finfo(float).tiny
        on_kink |= is_near.any((-2, -1))
    return on_kink


def _values_with_kinks(
    problem: Problem, state: State, rows: Batch, tape: Sequence[Taped]
) -> Iterator[tuple[int | None, Floats, float]]:
    """Yield (index, values, kink) of all values that may be at a kink.

    The index counts on the tape from x, which is 0; p − y has the last one.
    """
    layers, output, logits = problem.network.layers, problem.network.output, tape[-1].value
    for i, taped in enumerate(tape):
        if taped.symbol == "a":
            for kink in layers[taped.layer - 1].activation.kinks:
                yield i, tape[i - 1].value, kink
    for kink in output.kinks:
        yield len(tape), logits, kink
    for kink in problem.loss.kinks:
        yield len(tape) + 1, output.forward(logits)[0] - rows.y, kink
    if problem.penalty is not None:
        for kink in problem.penalty.kinks:
            yield None, state.theta[:, None, problem.penalized > 0], kink
