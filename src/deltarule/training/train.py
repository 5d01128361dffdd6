"""`train`: train every member of a problem by any engine until its stop rules end it."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from deltarule.engines.base import Engine
from deltarule.engines.selection import Choice, choose
from deltarule.engines.selection import engine as by_name
from deltarule.errors import BadInput
from deltarule.files import kind_of
from deltarule.problem.batches import orders_kept
from deltarule.problem.problem import Integers, Problem
from deltarule.problem.validation import problem as checked_problem
from deltarule.training import checkpoint as checkpoints
from deltarule.training.interrupts import interrupts
from deltarule.training.lbfgs import train_lbfgs
from deltarule.training.loop import TrainingLoop
from deltarule.training.options import TrainOptions, check_observed_steps, check_validation_rows, history_intervals
from deltarule.training.run import Progress as Progress
from deltarule.training.run import Run


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
    given = {name: value for name, value in locals().items() if name != "problem"}
    return _train(checked_problem(problem), TrainOptions(**given))


def _train(problem: Problem, options: TrainOptions) -> Run:
    rules, engine = options.rules, options.engine
    every = history_intervals(problem, rules, options.history_every)
    looks = options.looks(problem, every)
    aside = check_validation_rows(problem, options.validation, rules, options.score)
    if problem.optimizer.name == "lbfgs":
        if options.checkpoint is not None or options.observe is not None:
            raise BadInput("L-BFGS has no updates to go on from or to be shown at; leave checkpoint and observe out")
        return train_lbfgs(problem, rules, looks, aside, options.progress, _lbfgs_engine_notes(engine))
    file = None if options.checkpoint is None else Path(options.checkpoint)
    before = file if file is not None and options.resume and kind_of(file) else None
    if before is not None and engine == "auto":
        engine = checkpoints.engine_of(before) or engine
    limit = int(rules.limits(problem).max(initial=0))
    chosen = choose(engine, problem, limit) if isinstance(engine, str) else Choice(engine, "as given")
    training = TrainingLoop(problem, chosen, rules, looks, every, aside, options.score, options.before_checkpoint)
    if options.observe is not None and options.observer is not None:
        training.observe(check_observed_steps(options.observe, problem.members), options.observer)
    if before is not None:
        training.restore(before)
    with orders_kept(), interrupts() as interrupted:
        training.go(file, options.progress, interrupted)
    return training.run(interrupted())


def _lbfgs_engine_notes(asked: Engine | str) -> tuple[str, ...]:
    """Return the note that the reference engine trains L-BFGS, where another engine was asked for."""
    name = asked if isinstance(asked, str) else asked.name
    if name in ("auto", "reference"):
        return ()
    if isinstance(asked, str):
        by_name(asked)  # raises BadInput for an unknown name
    return (f"the engine '{name}' has no L-BFGS: the reference engine trains this",)
