"""The training loop: an engine advances the active members chunk by chunk, for stop rules, history and checkpoints.

A chunk lasts about a fifth of a second, so that Ctrl-C is answered soon, and longer only where starting one takes much
of that, as for many members with many rows each (`chunk_size.py`). It ends early at a history point, at the end of an
epoch that a rule needs, and at a member's limit. A member that stops or diverges within a chunk is replayed from the
chunk's start to its exact step: its results depend on nothing but the member itself.
"""

import time
from collections.abc import Callable
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deltarule.engines.base import Trace
from deltarule.engines.reference import first_nonfinite
from deltarule.engines.selection import Choice
from deltarule.errors import BadInput
from deltarule.problem.problem import Floats, Integers, Problem
from deltarule.problem.state import State, initial_state
from deltarule.stats import metrics
from deltarule.training import checkpoint as checkpoints
from deltarule.training.chunk_size import Pace
from deltarule.training.history import History, Looks, look
from deltarule.training.replay import replay
from deltarule.training.run import Divergence, Progress, Run
from deltarule.training.stopping import REASONS, StopRules, Watch, first_crossing

CHECKPOINT_INTERVAL_SECONDS = 10.0
MAX_CHECKPOINT_TIME_SHARE = 0.05
"""Checkpoints of large populations take seconds to write; they become rarer, to take at most this share of the time."""


class TrainingLoop:
    """One training: the state of the members that still train, and the final states of those that ended."""

    def __init__(
        self,
        problem: Problem,
        chosen: Choice,
        rules: StopRules,
        looks: Looks,
        every: Integers,
        validation: tuple[Floats, Floats] | None,
        score: str,
        before_checkpoint: Callable[[], None] | None,
    ) -> None:
        self.before_checkpoint = before_checkpoint
        self.problem, self.engine, self.rules, self.looks = problem, chosen.engine, rules, looks
        self.every = every
        self.notes = chosen.notes
        self.validation, self.score = validation, score
        self.limits = rules.limits(problem)
        self.epochs = np.array([problem.steps_per_epoch(member) for member in range(problem.members)])
        self.history = History()
        self.watch = Watch.of(problem, rules.patience is not None)
        self.active = initial_state(problem)
        self.ended = self.active.take(self.active.members)  # a copy: the final state of each member, once it has ended
        self.steps = np.zeros(problem.members, np.int64)
        self.reasons = [""] * problem.members
        self.diverged: list[Divergence] = []
        self.seconds = 0.0
        self.latest = float("nan")
        self.points = np.zeros((0, problem.members), np.int64)
        self.observer: Callable[[Run, Integers], None] | None = None

    def observe(self, points: Integers, observer: Callable[[Run, Integers], None]) -> None:
        """Show each member at its points, and end it at the last of them."""
        self.points, self.observer = points, observer
        self.limits = np.minimum(self.limits, points[-1])

    def go(
        self, file: Path | None, progress: Callable[[Progress], None] | None, interrupted: Callable[[], bool]
    ) -> None:
        """Advance until every member has ended or Ctrl-C is pressed."""
        pace = Pace()
        started = time.perf_counter()
        due = started + CHECKPOINT_INTERVAL_SECONDS
        before = self.seconds
        if not self.history.steps:
            self._handle_events()
        while len(self.active.members) and not interrupted():
            with pace.measure(n := min(pace.steps, self._updates_until_event())):
                self._advance_chunk(n)
            now = time.perf_counter()
            self.seconds = before + now - started
            if file is not None and now > due:
                self.save(file)
                saved = time.perf_counter()
                due = saved + max(CHECKPOINT_INTERVAL_SECONDS, (saved - now) / MAX_CHECKPOINT_TIME_SHARE)
            if progress is not None:
                progress(self._progress())
        self.seconds = before + time.perf_counter() - started
        if file is not None:
            self.save(file)

    def _updates_until_event(self) -> int:
        """Return the number of updates before the next limit, history point, end of epoch or observation."""
        step, members = self.active.step, self.active.members
        events = [int(self.limits[members].min())]
        for sizes, asked in ((self.every, self.looks.every), (self.epochs, self._needs_epoch_ends())):
            events += [(step // size + 1) * size for size in np.unique(sizes[members]).tolist()] if asked else []
        coming = self.points[:, members]
        events += coming[coming > step].tolist()
        return min(events) - step

    def _needs_epoch_ends(self) -> bool:
        return self.rules.tolerance is not None or self.problem.schedule.adaptive

    def _advance_chunk(self, n: int) -> None:
        start = self.active
        self.active, trace = self.engine.advance(self.problem, start, n)
        self.latest = _finite_median(trace.objective[-1])
        self._end_within(start, trace)
        if self._needs_epoch_ends():
            self._end_epochs(start, trace)
        del start, trace  # another state of a large population is much memory
        if len(self.active.members):
            self._handle_events()

    def _handle_events(self) -> None:
        """Evaluate members that are due or at their limit, show observed ones, then end those at their limit."""
        at_limit = self.limits[self.active.members] <= self.active.step
        if self.looks.every and (due := at_limit | (self.active.step % self.every[self.active.members] == 0)).any():
            self._add_history_point(due)
        at_point = self.active.members[(self.points[:, self.active.members] == self.active.step).any(0)]
        if self.observer is not None and len(at_point):
            self.observer(self.run(False), at_point)
        self._finish(self.active, self._still_training(self.active.members[at_limit]), "max_steps")
        self._drop_finished()

    def _end_within(self, start: State, trace: Trace) -> None:
        """End the members that crossed the threshold or diverged within a chunk, each at its own step."""
        n = len(trace.objective)
        ends, reasons = np.full(len(start.members), n), np.full(len(start.members), "", object)
        if self.rules.threshold is not None and self.rules.metric == "objective":
            counted = self.watch.counted[start.members]
            first, counted = first_crossing(trace.objective, self.rules.threshold, counted, self.rules.times)
            self.watch.counted[start.members] = counted
            ends, reasons[first < n] = first, "threshold"
        bad = np.where(trace.bad >= 0, trace.bad - start.step, n)
        reasons[bad < ends] = "diverged"
        ends = np.minimum(ends, bad)
        self._replay(start, ends, reasons, n)

    def _replay(self, start: State, ends: Integers, reasons: Any, n: int) -> None:
        """Replay each member that ended within a chunk from the chunk's start to its own last step."""
        within = ends < n
        if not within.any():
            return
        why = dict(zip(start.members.tolist(), reasons.tolist(), strict=True))
        for state in replay(self.engine, self.problem, start.take(within), ends[within]):
            for reason in sorted({why[member] for member in state.members.tolist()}):
                chosen = [member for member in state.members.tolist() if why[member] == reason]
                self._finish(state, np.array(chosen, np.int64), reason)
        self.active = self.active.take(~within)

    def _finish(self, state: State, members: Integers, reason: str) -> None:
        """Record final state and reason of members, in place: copying the whole population each time is slow."""
        only = state.take(np.isin(state.members, members))
        places = only.members
        self.ended.overwrite(places, only)
        self.steps[places] = state.step
        for member in places.tolist():
            self.reasons[member] = reason
            if reason == "diverged":
                alone = only.take(places == member)
                self.diverged.append(Divergence(member, state.step, *first_nonfinite(self.problem, alone)))

    def _still_training(self, members: Integers) -> Integers:
        return np.array([member for member in members.tolist() if not self.reasons[member]], np.int64)

    def _end_epochs(self, start: State, trace: Trace) -> None:
        """At the end of an epoch, apply the tolerance rule and the adaptive schedule."""
        places = np.flatnonzero(np.isin(start.members, self.active.members))
        self.watch.add_to_epoch(self.problem, start.members[places], start.step, trace.objective[:, places])
        factor = self.active.factor.copy()
        for index, member in enumerate(self.active.members.tolist()):
            if self.active.step % self.epochs[member]:
                continue
            before, now = self.watch.end_epoch(member)
            if self.problem.schedule.adaptive:
                numbers = {name: value[member] for name, value in self.problem.schedule_numbers.items()}
                if not self.watch.improves_epoch(member, now, numbers["tolerance"], numbers["patience"]):
                    factor[index] /= numbers["divide"]
            if self.rules.tolerance is not None and abs(before - now) < self.rules.tolerance * abs(before):
                self._finish(self.active, np.array([member]), "tolerance")
        self.active = replace(self.active, factor=factor)
        self._drop_finished()

    def _drop_finished(self) -> None:
        left = self._still_training(self.active.members)
        if len(left) < len(self.active.members):
            self.active = self.active.take(np.isin(self.active.members, left))

    def _add_history_point(self, due: NDArray[np.bool_]) -> None:
        """Add a history point, and apply the rules that evaluate it to the members [K] that are due."""
        seen = look(self.problem, self.engine, self.active, self.looks, self.validation)
        self.history.add(self.active.step, self.active.members, seen, self.problem.members)
        if self.rules.threshold is not None and self.rules.metric != "objective":
            self._apply_metric_threshold(seen[self.rules.metric], due)
        if self.rules.patience is not None:
            self._apply_patience(seen[f"validation {self.score}"], due)

    def _apply_metric_threshold(self, values: Floats, due: NDArray[np.bool_]) -> None:
        rules, members = self.rules, self.active.members
        assert rules.threshold is not None
        met = values > rules.threshold if metrics.find(rules.metric).more_is_better else values < rules.threshold
        self.watch.counted[members] += met & due
        self._finish(self.active, members[self.watch.counted[members] >= rules.times], "threshold")

    def _apply_patience(self, values: Floats, due: NDArray[np.bool_]) -> None:
        assert self.rules.patience is not None
        watch, members = self.watch, self.active.members
        more = self.score != "objective" and metrics.find(self.score).more_is_better
        scores = np.where(np.isfinite(values), values if more else -values, -np.inf)
        better = due & (scores > watch.best_score[members])
        watch.waited[members] = np.where(better, 0, watch.waited[members] + due)
        chosen = members[better]
        watch.best_score[chosen], watch.best_step[chosen] = scores[better], self.active.step
        watch.best_theta[chosen], watch.best_buffers[chosen] = self.active.theta[better], self.active.buffers[better]
        self._finish(self.active, members[watch.waited[members] >= self.rules.patience], "patience")

    def _progress(self) -> Progress:
        left = len(self.active.members)
        return Progress(
            step=int(self.active.step),
            limit=int(self.limits.max()),
            training=left,
            stopped=self.problem.members - left - len(self.diverged),
            diverged=len(self.diverged),
            seconds=self.seconds,
            solved=self.reasons.count("threshold"),
            objective=self.latest,
        )

    def run(self, interrupted: bool) -> Run:
        """Return the record; members that still train are reported as interrupted."""
        state, steps, reasons = self.ended, self.steps.copy(), list(self.reasons)
        if len(self.active.members):
            state = state.put(self.active.members, self.active)
            steps[self.active.members] = self.active.step
            reasons = [reason or "interrupted" for reason in reasons]
        best = None
        if self.rules.patience is not None:
            best, known = self.watch.best_step.copy(), np.isfinite(self.watch.best_score)[:, None]
            state = replace(
                state,
                theta=np.where(known, self.watch.best_theta, state.theta),
                buffers=np.where(known, self.watch.best_buffers, state.buffers),
            )
        state = replace(state, step=int(steps.max(initial=0)))
        final = np.full(self.problem.members, np.nan)
        if self.looks.every:
            final = look(self.problem, self.engine, state, Looks(1), None)["objective"]
        return Run(
            problem=self.problem,
            engine=self.engine,
            state=state,
            steps=steps,
            reasons=tuple(reasons),
            objective=final,
            history=self.history,
            diverged=tuple(sorted(self.diverged, key=lambda one: one.member)),
            seconds=self.seconds,
            best_steps=best,
            interrupted=interrupted,
            notes=self.problem.notes + self.notes + self.engine.notes(self.problem),
        )

    @cached_property
    def _identity(self) -> dict[str, Any]:
        """What a checkpoint must match; computed once, because it hashes all the data."""
        about = (self.problem, self.engine.name, self.rules, self.looks, self.score, self.validation)
        return checkpoints.identity(*about)

    def save(self, file: Path) -> None:
        """Write a checkpoint atomically."""
        if self.before_checkpoint is not None:
            self.before_checkpoint()
        arrays = {
            **checkpoints.state_arrays("active", self.active),
            **checkpoints.state_arrays("ended", self.ended),
            **{f"watch {name}": value for name, value in self.watch.arrays().items()},
            **self.history.arrays(),
            "steps": self.steps,
        }
        about = {
            "reasons": self.reasons,
            "diverged": [vars(one) for one in self.diverged],
            "seconds": self.seconds,
            **self._identity,
        }
        checkpoints.write(file, arrays, about)

    def restore(self, file: Path) -> None:
        """Resume from a checkpoint of the same problem."""
        arrays, about = checkpoints.read_checkpoint(file, self._identity)
        try:
            self._load_checkpoint(arrays, about)
        except (AttributeError, LookupError, OverflowError, TypeError, ValueError) as error:
            raise BadInput(f"{file} is a damaged checkpoint ({error}); delete it, and start without resume") from error

    def _load_checkpoint(self, arrays: dict[str, NDArray[Any]], about: dict[str, Any]) -> None:
        """Load the contents of a checkpoint after checking that all of them fit this problem."""
        members = np.arange(self.problem.members)
        watch = {f"watch {name}": array for name, array in self.watch.arrays().items()}
        checkpoints.check_arrays(arrays, watch | {"steps": self.steps})
        active = checkpoints.checked_state("active", arrays, self.active)
        ended = checkpoints.checked_state("ended", arrays, self.active)
        reasons = [str(reason) for reason in about["reasons"]]
        still = [member for member, reason in enumerate(reasons) if not reason]
        if len(reasons) != len(members) or still != active.members.tolist() or not {*reasons} <= {"", *REASONS}:
            raise ValueError("it is not told why members ended")
        if len(ended.members) != len(members) or (self.limits[active.members] < active.step).any():
            raise ValueError("members lie beyond their limits")
        history = History.from_arrays(arrays)
        history.check(len(members), self._history_names())
        self.active, self.ended = active, ended.take(members)  # a copy to write into
        self.watch = Watch(**{name: arrays[f"watch {name}"].copy() for name in self.watch.arrays()})
        self.history, self.steps = history, arrays["steps"].copy()
        self.reasons, self.seconds = reasons, float(about["seconds"])
        self.diverged = [
            Divergence(int(one["member"]), int(one["step"]), int(one["layer"]), str(one["where"]))
            for one in about["diverged"]
        ]

    def _history_names(self) -> set[str]:
        """Return the names of the series that every history point has."""
        names = {"objective", *self.looks.metrics}
        if self.validation is not None:
            names |= {f"validation {name}" for name in names}
        if self.looks.gradients:
            names |= {f"gradient {entry.name}" for entry in self.problem.network.entries}
        return names | {"outputs"} if self.looks.outputs else names


def _finite_median(objective: Floats) -> float:
    """Return the median of the finite values of objective [K], NaN without any."""
    finite = objective[np.isfinite(objective)]
    return float(np.median(finite)) if len(finite) else float("nan")
