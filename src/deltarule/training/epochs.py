"""Training by epochs, as estimators are trained: it begins at any state, and whatever is decided is decided at the end
of an epoch, by the mean loss of its batches as they were seen or by a validation score.

K members, all with equally many rows · E epochs · S updates of an epoch
"""

import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from deltarule.blas_threads import one_blas_thread
from deltarule.engines.base import Engine
from deltarule.engines.selection import engine_for
from deltarule.maths.objective import data_term
from deltarule.problem.batches import orders, orders_kept
from deltarule.problem.problem import Floats, Integers, Problem
from deltarule.problem.state import State
from deltarule.stats import metrics
from deltarule.training.chunk_size import Pace
from deltarule.training.epoch_records import Epoch, EpochRules, EpochRun, Stall, Validation
from deltarule.training.interrupts import interrupts
from deltarule.training.replay import replay
from deltarule.training.stopping import batch_sizes

UNSURE_EPOCHS = 12
"""Epochs that many members are advanced together although one may end within them: who does is advanced again, from
their start to its end. A member alone, which would be all that is advanced again, has four."""
LOWEST_RATE = 1e-6
"""A member whose adaptive rate has fallen this far ends where it would be divided once more, as in scikit-learn."""


def train_epochs(
    problem: Problem,
    start: State,
    rules: EpochRules,
    *,
    engine: Engine | str = "auto",
    in_order: bool = False,
    validation: Validation | None = None,
    after_epoch: Callable[[Epoch], bool] | None = None,
    goes_on: bool = False,
) -> EpochRun:
    """Train all members of a state until the rules stop each of them.

    Parameters
    ----------
    problem : its members have equally many rows.
    start : the state to begin with, of all members, at step 0.
    rules : when to stop.
    engine : what advances the state: an engine, its name, or "auto".
    in_order : whether batches take the rows as they lie; else each epoch has an order of its own.
    validation : rows to score after every epoch.
    after_epoch : called with every epoch; True ends the training.
    goes_on : whether the start is of an earlier training: where the score decides, it counts as any epoch does.

    Returns an `EpochRun`. Ctrl-C ends the training soon; the run then holds what was reached.

    >>> from deltarule.problem.create import create_problem
    >>> from deltarule.problem.network import Network
    >>> from deltarule.problem.state import initial_state
    >>> problem = create_problem(Network([1, 1]), [[0.0], [1.0]], [1.0, 3.0], learning_rate=0.3)
    >>> run = train_epochs(problem, initial_state(problem), EpochRules(500))
    >>> run.reasons, bool(run.losses[-1] < 1e-3)
    (('stalled',), True)
    """
    steps = problem.steps_per_epoch(0)
    chosen = engine_for(engine, problem, rules.max_epochs * steps, one_of_many=True)
    training = _EpochTraining(problem, start, rules, chosen, in_order and steps > 1, validation, after_epoch, goes_on)
    with one_blas_thread(), orders_kept(), interrupts() as interrupted:
        training.go(interrupted)
    return training.run(interrupted())


def one_epoch(
    problem: Problem, state: State, orders: Integers, engine: Engine | str = "auto"
) -> tuple[State, Floats, Integers]:
    """A pass over the rows in given orders, [rows] or [K, rows], from a state at any step.

    Returns the state after it, the mean loss of its batches [K], and the first bad step [K] or −1.

    >>> from deltarule.problem.create import create_problem
    >>> from deltarule.problem.network import Network
    >>> from deltarule.problem.state import initial_state
    >>> problem = create_problem(Network([1, 1]), [[0.0], [1.0]], [1.0, 3.0], batch_size=1)
    >>> one_epoch(problem, initial_state(problem), np.array([1, 0]))[0].step
    2
    """
    steps, start = problem.steps_per_epoch(0), state.step
    # Who has gone on so long is taken to go on: of each pass alone no program would be worth loading.
    chosen = engine_for(engine, problem, start + steps, one_of_many=True)
    rows, bad = _rows(problem, orders), np.full(problem.members, -1)
    pace, seen = Pace(), []
    with one_blas_thread(), orders_kept():
        while state.step < start + steps:
            part, end = _ahead(problem, rows, start, state.step)
            while state.step < end:  # no longer at a time than Ctrl-C may wait
                n = min(pace.steps, end - state.step)
                with pace.measure(n):
                    state, trace = chosen.advance(part, state, n)
                seen.append(trace.objective)
                bad = np.where(bad < 0, trace.bad, bad)
    return state, _mean_losses(seen, batch_sizes(problem, 0, 0, steps))[0], bad


def _ahead(problem: Problem, rows: Integers, start: int, step: int) -> tuple[Problem, int]:
    """What brings the batches of a pass, of rows [K, N], that began at another step: a problem, and until which step.

    A problem's epochs begin where the step is a multiple of their updates. A pass that begins elsewhere is turned: its
    full batches go on at the beginning of an epoch, and a smaller one, which would be in their midst, goes alone. As
    this is an epoch of no training, one permutation is undone for all members.
    """
    size, steps = problem.batch_rows(0), problem.steps_per_epoch(0)
    if start % steps:
        steps = rows.shape[1] // size
        if step == start + steps:
            return replace(problem, rows=tuple(rows[:, steps * size :])), step + 1
        rows = np.roll(rows[:, : steps * size], start % steps * size, axis=1)
        problem = replace(problem, data_seeds=np.zeros_like(problem.data_seeds))
    epoch = step // steps
    return _in_order(problem, rows, epoch), min((epoch + 1) * steps, start + steps)


def _rows(problem: Problem, orders: Integers) -> Integers:
    """The rows of the data, [K, N], in orders of the members' own, [N] or [K, N]."""
    orders = np.broadcast_to(orders, (problem.members, orders.shape[-1]))
    return orders if problem.row_table is None else np.take_along_axis(problem.row_table, orders, axis=1)


def _in_order(problem: Problem, rows: Integers, epoch: int) -> Problem:
    """The problem whose members have rows [K, N] which an epoch brings as they are here: its permutation is undone."""
    brought = replace(problem, rows=tuple(rows))
    if brought.steps_per_epoch(0) == 1:
        return brought
    unique, which = np.unique(problem.data_seeds, return_inverse=True)
    lying = np.empty(rows.shape, np.int64)
    np.put_along_axis(lying, orders(tuple(unique.tolist()), epoch, rows.shape[1])[which], rows, axis=1)
    return replace(problem, rows=tuple(lying))


def _mean_losses(seen: list[Floats], sizes: Integers) -> Floats:
    """The mean loss of each epoch, [E, K], whose updates saw losses [n, K] of batches of so many rows [S].

    A batch counts by its rows, as scikit-learn's does, whatever the rows weigh.

    >>> _mean_losses([np.array([[1.0], [2.0]]), np.array([[6.0]])], np.array([2, 2, 1]))
    array([[2.4]])
    """
    losses = np.concatenate(seen).astype(np.float64)
    weighted = losses.reshape(-1, len(sizes), losses.shape[1]) * sizes[:, None]
    # Number after number: how the clock divided the training into stretches leaves no trace in the sum.
    summed: Floats = np.add.accumulate(weighted, axis=1)[:, -1] / sizes.sum()
    return summed


class _EpochTraining:
    """The running of a training by epochs."""

    def __init__(
        self,
        problem: Problem,
        start: State,
        rules: EpochRules,
        engine: Engine,
        in_order: bool,
        validation: Validation | None,
        after_epoch: Callable[[Epoch], bool] | None,
        goes_on: bool,
    ) -> None:
        self.problem, self.rules, self.engine = problem, rules, engine
        self.in_order, self.validation, self.after_epoch = in_order, validation, after_epoch
        self.steps, members = problem.steps_per_epoch(0), problem.members
        self.sizes = batch_sizes(problem, 0, 0, self.steps)
        self.start = self.active = self.ended = start
        self.best = start if validation is not None and validation.decides else None
        self.done = 0
        self.seen: list[Floats] = []  # the objectives of the epoch that is under way
        self.bad = np.full(members, -1)
        self.lying: tuple[int, Problem] | None = None  # an epoch, and its rows in order
        self.stall = Stall.of(members)
        self.known: list[Floats] = []
        if goes_on and self.best is not None:
            self.known = [self._validation_scores()[0]]
            self.stall.best = -np.where(np.isfinite(self.known[0]), self.known[0], -np.inf)
        self.epochs, self.reasons = np.zeros(members, np.int64), [""] * members
        self.losses: list[Floats] = []
        self.validation_losses: list[Floats] = []
        self.validation_scores: list[Floats] = []
        self.started = time.perf_counter()

    def go(self, interrupted: Callable[[], bool]) -> None:
        """Advance until no member is left, or somebody interrupts."""
        pace = Pace()
        while len(self.active.members) and not interrupted():
            n = self._stretch_length(pace.steps)
            if n % self.steps == 0:
                pace.steps = n  # whole epochs, from which the pace learns as from any number it gave
            with pace.measure(n):
                self._stretch(n)

    def _stretch_length(self, most: int) -> int:
        """To the end of the epoch at most; over several epochs where nobody looks in between."""
        place = self.active.step % self.steps
        left = self.steps - place
        watched = self.validation or self.after_epoch or self.in_order or self.problem.schedule.adaptive
        if watched or place or most < left:
            return min(most, left)
        members = self.active.members
        before_an_end = max(min(UNSURE_EPOCHS, 3 + len(members)), self.stall.sure(members, self.rules))
        return int(min(most // self.steps, self.rules.max_epochs - self.done, before_an_end)) * self.steps

    def _stretch(self, n: int) -> None:
        start = self.active
        self.active, trace = self.engine.advance(self._problem_in_order(), start, n)
        self.seen.append(trace.objective)
        known = self.bad[start.members]
        self.bad[start.members] = np.where(known < 0, trace.bad, known)
        if self.active.step % self.steps == 0:
            self._end_epochs(start)

    def _problem_in_order(self) -> Problem:
        """The problem, or one whose own order brings the rows as they lie: the inverse of an epoch's permutation."""
        if not self.in_order:
            return self.problem
        epoch = self.active.step // self.steps
        if self.lying is None or self.lying[0] != epoch:
            rows = _rows(self.problem, np.arange(self.problem.row_count(0)))
            self.lying = epoch, _in_order(self.problem, rows, epoch)
        return self.lying[1]

    def _end_epochs(self, start: State) -> None:
        """Decide, epoch after epoch, which members end; those that end within the stretch are replayed to there."""
        losses, members, rates = _mean_losses(self.seen, self.sizes), start.members, self._rates()
        self.seen = []
        going, ends = np.ones(len(members), bool), np.full(len(members), len(losses))
        scores = self._validate() if self.validation else None
        for index, loss in enumerate(losses):
            self.done += 1
            self.losses.append(self._of_all(members[going], loss[going]))
            self.epochs[members[going]] += 1
            self._decide(members[going], loss[going], scores)
            ending = [bool(self.reasons[member]) for member in members.tolist()]
            if any(ending):
                going &= ~np.array(ending)
                ends[~going] = np.minimum(ends[~going], index + 1)
            if all(ending):
                break
        self._finish(start, ends, len(losses))
        if self.after_epoch is not None and self.after_epoch(self._record(self._of_all(members, rates))):
            self._end_all("callback")

    def _validate(self) -> Floats:
        """Score the members that still train, and note it."""
        scores, loss = self._validation_scores()
        members = self.active.members
        self.validation_scores.append(self._of_all(members, scores))
        self.validation_losses.append(self._of_all(members, loss))
        return scores

    def _validation_scores(self) -> tuple[Floats, Floats]:
        """The scores and losses of the members that still train, on the validation rows."""
        assert self.validation is not None
        rows, members = self.validation, self.active.members
        x, y, w = (each[members] if each.ndim == 3 else each for each in (rows.x, rows.y, rows.w))
        logits, outputs = self.engine.outputs(self.problem, self.active, x)
        with np.errstate(all="ignore"):
            scores = metrics.find(rows.metric).value(outputs, y, w)
            loss = data_term(self.problem.loss, self.problem.reduction, self.problem.network.output, logits, y, w)[0]
        return scores, loss

    def _decide(self, members: Integers, loss: Floats, scores: Floats | None) -> None:
        """End the members that diverged, that do not get better, or that have had all their epochs."""
        step = self.done * self.steps
        decides = self.best is not None and scores is not None
        better, stuck = self.stall.note(members, -scores if decides and scores is not None else loss, self.rules)
        if self.best is not None:
            self.best = self.best.put(members[better], self.active.take(better))
        stuck &= ~self._divide_rates(members, stuck)
        for member, at_end in zip(members.tolist(), stuck.tolist(), strict=True):
            if 0 <= self.bad[member] < step:
                self.reasons[member] = "diverged"
            elif at_end:
                self.reasons[member] = "stalled"
            elif self.done == self.rules.max_epochs:
                self.reasons[member] = "max_epochs"

    def _divide_rates(self, members: Integers, stuck: Floats) -> Floats:
        """Divide the rate of the stuck members under the adaptive schedule; False where it is at its lowest already."""
        if not self.problem.schedule.adaptive or not stuck.any():
            return np.zeros(len(members), bool)
        slowed = stuck & (self._rates() > LOWEST_RATE)
        divide = self.problem.schedule_numbers["divide"][members]
        self.active = replace(self.active, factor=np.where(slowed, self.active.factor / divide, self.active.factor))
        self.stall.waited[members[slowed]] = 0
        return slowed

    def _finish(self, start: State, ends: Integers, epochs: int) -> None:
        """Keep where each member ended: at the end of the stretch, or replayed to an epoch within it.

        Those that ended are replayed together, from one end to the next, so that all processors have something to do.
        """
        ended = np.array([bool(self.reasons[member]) for member in start.members.tolist()])
        if not ended.any():
            return
        within = ended & (ends < epochs)
        for state in replay(self.engine, self.problem, start.take(within), ends[within] * self.steps):
            self._keep(state)
        if (ended & ~within).any():
            self._keep(self.active.take(ended & ~within))
        self.active = self.active.take(~ended)

    def _keep(self, state: State) -> None:
        """Put what some members have become where the ended are: in place, for a copy of all at each end takes time."""
        if self.ended is self.start:
            self.ended = self.start.take(self.start.members)
        self.ended.overwrite(state.members, state)
        self.ended = replace(self.ended, step=state.step)

    def _end_all(self, reason: str) -> None:
        for member in self.active.members:
            self.reasons[member] = reason
        if len(self.active.members):
            self._keep(self.active)
        self.active = self.active.take(np.zeros(len(self.active.members), bool))

    def _of_all(self, members: Integers, values: Floats) -> Floats:
        row = np.full(self.problem.members, np.nan)
        row[members] = values
        return row

    def _rates(self) -> Floats:
        members = self.active.members
        return self.problem.rates(members, max(self.active.step - 1, 0)) * self.active.factor

    def _record(self, rates: Floats) -> Epoch:
        state = self.ended.put(self.active.members, self.active) if len(self.active.members) else self.ended
        return Epoch(
            number=self.done,
            state=state,
            loss=self.losses[-1],
            validation_loss=self.validation_losses[-1] if self.validation else None,
            validation_score=self.validation_scores[-1] if self.validation else None,
            rate=rates,
            seconds=time.perf_counter() - self.started,
        )

    def run(self, interrupted: bool) -> EpochRun:
        """The record; members that still train are told as interrupted, or else those that ended last."""
        self._end_all("interrupted")
        if interrupted and "interrupted" not in self.reasons:
            sound = np.array([reason != "diverged" for reason in self.reasons])
            if not sound.any():  # nothing is left to keep
                raise KeyboardInterrupt
            last = sound & (self.epochs == self.epochs[sound].max())
            self.reasons = ["interrupted" if told else reason for reason, told in zip(self.reasons, last, strict=True)]
        state = self.ended
        if self.best is not None:
            known = np.flatnonzero(np.isfinite(self.stall.best))
            state = state.put(known, replace(self.best.take(known), step=state.step))
        validated, scores = self.validation is not None, [*self.known, *self.validation_scores]
        return EpochRun(
            state=state,
            epochs=self.epochs,
            reasons=tuple(self.reasons),
            losses=np.array(self.losses).reshape(-1, self.problem.members),
            validation_losses=np.array(self.validation_losses) if validated else None,
            validation_scores=np.array(self.validation_scores) if validated else None,
            best_scores=np.fmax.reduce(scores, axis=0) if scores else None,
            stall=self.stall,
        )
