"""Training: an engine advances the state in stretches; stop rules, history, checkpoints and divergence are here, once.

A stretch lasts about a fifth of a second, so that Ctrl-C answers, and longer only where much of that would be its
beginning, as of many members with many rows each (`pace.py`). It ends early wherever somebody must look: at
a history point, at the end of an epoch where a rule needs it, at a member's limit. A member that stops or diverges
within a stretch is replayed from the stretch's beginning to that very step: it depends on nothing but itself.
"""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deltarule.engines.base import Engine, Trace
from deltarule.engines.reference import first_nonfinite
from deltarule.engines.selection import NAMES, Choice, choose
from deltarule.engines.selection import engine as by_name
from deltarule.errors import BadInput, RunFailed, count_of, short_repr
from deltarule.files import kind_of
from deltarule.problem.batches import orders_kept
from deltarule.problem.network import switch
from deltarule.problem.problem import Floats, Integers, Problem
from deltarule.problem.state import State, initial_state
from deltarule.problem.validation import numeric, whole
from deltarule.problem.validation import problem as checked_problem
from deltarule.stats import metrics
from deltarule.training import checkpoint as checkpoints
from deltarule.training.chunk_size import Pace
from deltarule.training.history import History, Looks, look
from deltarule.training.lbfgs import train_lbfgs
from deltarule.training.run import Divergence, Run
from deltarule.training.run import Progress as Progress
from deltarule.training.stopping import REASONS, StopRules, Watch, check_metric, first_crossing

CHECKPOINT_SECONDS = 10.0
SAVING_SHARE = 0.05
"""Checkpoints of large populations take seconds to write: then they are fewer, to take no more than this share."""
DEFAULT_LOOKS = 200


def train(
    problem: Problem,
    *,
    engine: Engine | str = "auto",
    max_steps: int | None = None,
    max_epochs: int | None = None,
    threshold: float | None = None,
    times: int = 1,
    metric: str = "objective",
    tolerance: float | None = None,
    patience: int | None = None,
    validation: tuple[Any, Any] | None = None,
    score: str = "objective",
    metrics: Sequence[str] = (),
    history_every: int | None = None,
    outputs: bool = False,
    gradients: bool = False,
    checkpoint: str | Path | None = None,
    resume: bool = False,
    progress: Callable[[Progress], None] | None = None,
    with_history: bool = True,
    observe: Integers | None = None,
    observer: Callable[[Run, Integers], None] | None = None,
    before_checkpoint: Callable[[], None] | None = None,
) -> Run:
    """Train every member of a problem until its stop rules say so.

    Parameters
    ----------
    problem : made by `create_problem`.
    engine : what advances the state: an engine, its name, or "auto" for the one that should be done first.
    max_steps … patience : the stop rules, see `StopRules`; a limit of steps or epochs is needed.
    validation : inputs [M, D] and targets [M, C] that are never trained on.
    score : what patience looks at on them: "objective", or a metric's name.
    metrics : names of metrics that the history holds, on training and validation rows.
    history_every : updates between two looks; None for an epoch of mini-batches, or about 200 looks in all. Rules that
        look at the history count for each member the looks that there are where it is trained alone.
    outputs, gradients : keep the outputs of all rows, of which members must then have equally many, the lengths of all
        gradients, in the history.
    checkpoint : a file that is written every ten seconds and at the end; L-BFGS keeps none.
    resume : go on from that file where it exists; the result is, bit for bit, that of an unbroken run.
    progress : called between stretches.
    with_history : False for a run without history and objective (which are looked for at the start and the end, too):
        where rows are many and something else looks at them.
    observe : steps [T, K] at which each member that still trains is shown to `observer`, ascending; its last is its
        limit. What it is then is what a training with that limit would come to.
    observer : called with the run so far, and the members [M] that are at one of their steps.
    before_checkpoint : called each time before the checkpoint is written, to keep what must never be behind it.

    Returns a `Run`. Ctrl-C ends the training at the next stretch; the run then holds what was reached. A second Ctrl-C
    interrupts at once; so does the first one with L-BFGS, which has no stretches: it raises `KeyboardInterrupt`.

    Raises `BadInput` for rules that do not fit, what is of another kind than is asked for, a checkpoint of another
    problem, `resume` without any, and of L-BFGS for a checkpoint and points to observe.

    >>> from deltarule.problem.network import Network
    >>> from deltarule.problem.create import create_problem
    >>> import numpy as np
    >>> x = np.eye(8)
    >>> problem = create_problem(Network([8, 3, 8], "sigmoid", "sigmoid"), x, x, loss="binary_cross_entropy",
    ...                          learning_rate=8.0, seeds=range(2))
    >>> run = train(problem, max_steps=1000, metrics=("thresholded",))
    >>> run.history.series("thresholded")[-1]
    array([1., 1.])
    """
    problem, engine = checked_problem(problem), checked_engine(engine)
    switches = {"outputs": outputs, "gradients": gradients, "resume": resume, "with_history": with_history}
    outputs, gradients, resume, with_history = (switch(name, value) for name, value in switches.items())
    _check_called(progress=progress, observer=observer, before_checkpoint=before_checkpoint)
    if (observe is None) != (observer is None):
        raise BadInput("one of observe and observer is given without the other; give both or neither")
    if not isinstance(checkpoint, str | os.PathLike | None):
        raise BadInput(f"the checkpoint is {short_repr(checkpoint)}; name the file to write")
    if resume and checkpoint is None:
        raise BadInput("resume is True, and no checkpoint is named; name the file to go on from")
    rules = StopRules(max_steps, max_epochs, threshold, times, metric, tolerance, patience)
    every = history_intervals(problem, rules, history_every)
    looks = Looks(int(every.max()) if with_history else 0, _required_metrics(rules, metrics, score), outputs, gradients)
    if not with_history and (looks.metrics or patience is not None or problem.optimizer.name == "lbfgs"):
        raise BadInput("metrics, patience and L-BFGS look at the history, and there is to be none; leave them out")
    fewest, most = problem.row_counts.min(), problem.row_counts.max()
    if looks.outputs and looks.every and fewest < most:
        raise BadInput(
            f"outputs is True, and members have from {fewest:,} to {most:,} rows; leave it out, or make them equal"
        )
    aside = _check_validation(problem, validation, rules, score)
    if problem.optimizer.name == "lbfgs":
        if checkpoint is not None or observe is not None:
            raise BadInput("L-BFGS has no updates to go on from or to be shown at; leave checkpoint and observe out")
        return train_lbfgs(problem, rules, looks, aside, progress, _notes_of_lbfgs(engine))
    file = None if checkpoint is None else Path(checkpoint)
    before = file if file is not None and resume and kind_of(file) else None
    if before is not None and engine == "auto":
        engine = checkpoints.engine_of(before) or engine
    limit = int(rules.limits(problem).max(initial=0))
    chosen = choose(engine, problem, limit) if isinstance(engine, str) else Choice(engine, "as given")
    training = _TrainingLoop(problem, chosen, rules, looks, every, aside, score, before_checkpoint)
    if observe is not None and observer is not None:
        training.observe(_points(observe, problem.members), observer)
    if before is not None:
        training.restore(before)
    with orders_kept(), interrupts() as interrupted:
        training.go(file, progress, interrupted)
    return training.run(interrupted())


class _TrainingLoop:
    """The running of one training: a state of the members that still train, and what has become of the others."""

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
        self.ended = self.active.take(self.active.members)  # a copy: every member's last state, once it has ended
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
        """Advance until no member is left, or somebody interrupts."""
        pace = Pace()
        started = time.perf_counter()
        due = started + CHECKPOINT_SECONDS
        before = self.seconds
        if not self.history.steps:
            self._arrive()
        while len(self.active.members) and not interrupted():
            with pace.measure(n := min(pace.steps, self._until_event())):
                self._stretch(n)
            now = time.perf_counter()
            self.seconds = before + now - started
            if file is not None and now > due:
                self.save(file)
                saved = time.perf_counter()
                due = saved + max(CHECKPOINT_SECONDS, (saved - now) / SAVING_SHARE)
            if progress is not None:
                progress(self._progress())
        self.seconds = before + time.perf_counter() - started
        if file is not None:
            self.save(file)

    def _until_event(self) -> int:
        """How many updates may be made before somebody must look."""
        step, members = self.active.step, self.active.members
        events = [int(self.limits[members].min())]
        for sizes, asked in ((self.every, self.looks.every), (self.epochs, self._needs_epochs())):
            events += [(step // size + 1) * size for size in np.unique(sizes[members]).tolist()] if asked else []
        coming = self.points[:, members]
        events += coming[coming > step].tolist()
        return min(events) - step

    def _needs_epochs(self) -> bool:
        return self.rules.tolerance is not None or self.problem.schedule.adaptive

    def _stretch(self, n: int) -> None:
        start = self.active
        self.active, trace = self.engine.advance(self.problem, start, n)
        self.latest = _middle(trace.objective[-1])
        self._end_within(start, trace)
        if self._needs_epochs():
            self._end_epochs(start, trace)
        del start, trace  # of a large population a state more is much memory
        if len(self.active.members):
            self._arrive()

    def _arrive(self) -> None:
        """Look, where it is time to for a member or where one reaches its limit; then end the members that have."""
        at_limit = self.limits[self.active.members] <= self.active.step
        if self.looks.every and (due := at_limit | (self.active.step % self.every[self.active.members] == 0)).any():
            self._look(due)
        at_point = self.active.members[(self.points[:, self.active.members] == self.active.step).any(0)]
        if self.observer is not None and len(at_point):
            self.observer(self.run(False), at_point)
        self._finish(self.active, self._still_training(self.active.members[at_limit]), "max_steps")
        self._drop_finished()

    def _end_within(self, start: State, trace: Trace) -> None:
        """End the members that crossed the threshold or diverged within a stretch, each at its own step."""
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
        """Bring each member that ended within a stretch from its start to its own last step."""
        within = ends < n
        if not within.any():
            return
        part, left, why = start.take(within), ends[within], reasons[within]
        for end in np.unique(left).tolist():
            if start.step + end > part.step:
                part, _ = self.engine.advance(self.problem, part, start.step + end - part.step)
            for reason in sorted(set(why[left == end])):
                self._finish(part, part.members[(left == end) & (why == reason)], reason)
            part, left, why = part.take(left > end), left[left > end], why[left > end]
        self.active = self.active.take(~within)

    def _finish(self, state: State, members: Integers, reason: str) -> None:
        """Keep where members ended, and why: in place, for a copy of all members at each end takes time and memory."""
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
        """Where an epoch ends: the rule of tolerance, and the adaptive schedule."""
        places = np.flatnonzero(np.isin(start.members, self.active.members))
        self.watch.add_to_epoch(self.problem, start.members[places], start.step, trace.objective[:, places])
        factor = self.active.factor.copy()
        for place, member in enumerate(self.active.members.tolist()):
            if self.active.step % self.epochs[member]:
                continue
            before, now = self.watch.end_epoch(member)
            if self.problem.schedule.adaptive:
                numbers = {name: value[member] for name, value in self.problem.schedule_numbers.items()}
                if not self.watch.improves_epoch(member, now, numbers["tolerance"], numbers["patience"]):
                    factor[place] /= numbers["divide"]
            if self.rules.tolerance is not None and abs(before - now) < self.rules.tolerance * abs(before):
                self._finish(self.active, np.array([member]), "tolerance")
        self.active = replace(self.active, factor=factor)
        self._drop_finished()

    def _drop_finished(self) -> None:
        left = self._still_training(self.active.members)
        if len(left) < len(self.active.members):
            self.active = self.active.take(np.isin(self.active.members, left))

    def _look(self, due: NDArray[np.bool_]) -> None:
        """Write the history, and ask the rules that look at it: of the members [K] whose own look this is."""
        seen = look(self.problem, self.engine, self.active, self.looks, self.validation)
        self.history.add(self.active.step, self.active.members, seen, self.problem.members)
        if self.rules.threshold is not None and self.rules.metric != "objective":
            self._count_metric(seen[self.rules.metric], due)
        if self.rules.patience is not None:
            self._be_patient(seen[f"validation {self.score}"], due)

    def _count_metric(self, values: Floats, due: NDArray[np.bool_]) -> None:
        rules, members = self.rules, self.active.members
        assert rules.threshold is not None
        met = values > rules.threshold if metrics.find(rules.metric).more_is_better else values < rules.threshold
        self.watch.counted[members] += met & due
        self._finish(self.active, members[self.watch.counted[members] >= rules.times], "threshold")

    def _be_patient(self, values: Floats, due: NDArray[np.bool_]) -> None:
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
        """The record; members that still train are told as interrupted."""
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
        """What a checkpoint must be of: worked out once, for it reads all the data."""
        about = (self.problem, self.engine.name, self.rules, self.looks, self.score, self.validation)
        return checkpoints.identity(*about)

    def save(self, file: Path) -> None:
        """Write a checkpoint, whole."""
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
        """Take up a checkpoint of the same problem."""
        arrays, about = checkpoints.read_checkpoint(file, self._identity)
        try:
            self._load_checkpoint(arrays, about)
        except (AttributeError, LookupError, OverflowError, TypeError, ValueError) as error:
            raise BadInput(f"{file} is a damaged checkpoint ({error}); delete it, and start without resume") from error

    def _load_checkpoint(self, arrays: dict[str, NDArray[Any]], about: dict[str, Any]) -> None:
        """Take up what a checkpoint holds, where all of it fits this problem."""
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
        self.active, self.ended = active, ended.take(members)  # one to write into
        self.watch = Watch(**{name: arrays[f"watch {name}"].copy() for name in self.watch.arrays()})
        self.history, self.steps = history, arrays["steps"].copy()
        self.reasons, self.seconds = reasons, float(about["seconds"])
        self.diverged = [
            Divergence(int(one["member"]), int(one["step"]), int(one["layer"]), str(one["where"]))
            for one in about["diverged"]
        ]

    def _history_names(self) -> set[str]:
        """What every look sees."""
        names = {"objective", *self.looks.metrics}
        if self.validation is not None:
            names |= {f"validation {name}" for name in names}
        if self.looks.gradients:
            names |= {f"gradient {entry.name}" for entry in self.problem.network.entries}
        return names | {"outputs"} if self.looks.outputs else names


@contextmanager
def interrupts() -> Iterator[Callable[[], bool]]:
    """Turn the first Ctrl-C into a question that training asks between stretches; the second one acts at once.

    It is to be asked once more after the end: until then one may come that nobody has been told of.
    """
    asked = at_once = False

    def note(number: int, frame: Any) -> None:
        nonlocal asked, at_once
        if asked:
            at_once = True
            signal.signal(signal.SIGINT, before)  # now: what is raised may break off the end, which would do so
            raise KeyboardInterrupt
        asked = True

    # Signals reach the main thread alone; and a handler that is not Python's could not be put back.
    if threading.current_thread() is not threading.main_thread() or signal.getsignal(signal.SIGINT) is None:
        yield lambda: False
        return
    before = signal.signal(signal.SIGINT, note)
    try:
        yield lambda: asked
    except (RuntimeError, SystemError) as error:
        # It came where Python can raise nothing, as in what a compiler calls, which failed of it.
        if at_once and not isinstance(error, RunFailed):
            raise KeyboardInterrupt from error
        raise
    finally:
        signal.signal(signal.SIGINT, before)


def _notes_of_lbfgs(asked: Engine | str) -> tuple[str, ...]:
    """What is told where L-BFGS is asked of another engine than computes it."""
    name = asked if isinstance(asked, str) else asked.name
    if name in ("auto", "reference"):
        return ()
    if isinstance(asked, str):
        by_name(asked)  # which refuses what there is not
    return (f"the engine '{name}' has no L-BFGS: the reference engine trains this",)


def history_interval(problem: Problem, rules: StopRules, given: int | None = None) -> int:
    """The updates between two looks: the largest of `history_intervals`.

    >>> from deltarule.problem.network import Network
    >>> from deltarule.problem.create import create_problem
    >>> history_interval(create_problem(Network([1, 1]), [[0.0]], [0.0]), StopRules(max_steps=1000))
    5
    """
    return int(history_intervals(problem, rules, given).max())


def history_intervals(problem: Problem, rules: StopRules, given: int | None = None) -> Integers:
    """The updates between two looks at each member, [K]: as given, an epoch of mini-batches, or a 200th of the limit.

    Where a rule looks they are those of the member alone, and else the longest of all, which make the history short.
    """
    if given is not None:
        return np.full(problem.members, whole("history_every", given))
    epochs = np.array([problem.steps_per_epoch(member) for member in range(problem.members)])
    limits = rules.limits(problem)
    if not rules.look:
        epochs, limits = (np.full_like(each, each.max()) for each in (epochs, limits))
    return np.where(epochs > 1, epochs, np.maximum(1, limits // DEFAULT_LOOKS))


def checked_engine(given: Any) -> Any:
    """An engine, or the name of one, which is looked up later."""
    if not isinstance(given, str) and (isinstance(given, type) or not hasattr(given, "advance")):
        raise BadInput(f"the engine is {short_repr(given)}; give one of {', '.join(NAMES)}, or an engine")
    return given


def _check_called(**given: Any) -> None:
    """Refuse what is to be called in the midst of training, and cannot be."""
    for name, value in given.items():
        if value is not None and not callable(value):
            raise BadInput(f"{name} is {short_repr(value)}; give a function")


def _middle(objective: Floats) -> float:
    """The median of what is finite.    objective [K]"""
    finite = objective[np.isfinite(objective)]
    return float(np.median(finite)) if len(finite) else float("nan")


def _required_metrics(rules: StopRules, asked: Sequence[str], score: str) -> tuple[str, ...]:
    """The metrics that are asked for, and those that the rules look at."""
    if isinstance(asked, str):
        raise BadInput(f"metrics is {short_repr(asked)}, a text; give a list of names, as [{short_repr(asked)}]")
    asked = tuple(asked) if isinstance(asked, Iterable) else (asked,)
    for name in asked:
        if not isinstance(name, str):
            raise BadInput(f"metrics hold {short_repr(name)}; give a list of names, as ['accuracy']")
        metrics.find(name)
    check_metric("score", score)
    extra = [name for name in (rules.metric, score if rules.patience else "objective") if name != "objective"]
    return tuple(dict.fromkeys([*asked, *extra]))


def _points(given: Any, members: int) -> Integers:
    """The steps [T, K] at which members are shown."""
    try:
        points = np.asarray(given)
    except ValueError:  # a ragged list
        points = np.array(None)
    if points.ndim != 2 or points.dtype.kind not in "iu" or points.shape[1] != members or not len(points):
        raise BadInput(
            f"observe is {short_repr(given)}; give whole numbers, at least one row with a step for each member"
        )
    points = points.astype(np.int64)
    if points.min() < 0 or (points[1:] < points[:-1]).any():
        raise BadInput(f"observe is {short_repr(given)}; give each member's steps ascending, from 0 on")
    return points


def _check_validation(
    problem: Problem, validation: tuple[Any, Any] | None, rules: StopRules, score: str
) -> tuple[Floats, Floats] | None:
    """The validation rows [M, D] and [M, C], on which the score of `patience` has a meaning."""
    if validation is None:
        if rules.patience is not None:
            raise BadInput("patience looks at a validation score, and there are no validation rows; give some")
        return None
    try:
        inputs, targets = validation
    except (TypeError, ValueError):
        raise BadInput("validation is no pair; give inputs and targets, as (x, y)") from None
    x = numeric("the validation inputs", inputs, problem.dtype.name)
    y = numeric("the validation targets", targets, problem.dtype.name)
    if x.shape != (len(y), problem.network.inputs) or y.shape[1] != problem.network.outputs:
        raise BadInput(
            f"the validation rows have the shapes {x.shape} and {y.shape}; "
            f"give (M, {problem.network.inputs}) and (M, {problem.network.outputs})"
        )
    if rules.patience is not None and score != "objective":
        with np.errstate(all="ignore"):  # what even the very targets are given no number for
            perfect = metrics.find(score).value(y[None], y, np.ones((len(y), 1), y.dtype))
        if np.isnan(perfect).any():
            rows = count_of(len(y), "validation row")
            raise BadInput(f"the score '{score}' has no meaning on {rows}; give more of them, or another score")
    return x, y
