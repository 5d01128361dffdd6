"""Records of a training run: its result, divergences and progress."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from deltarule.engines.base import Engine, outputs_of
from deltarule.errors import count_of
from deltarule.problem import validation
from deltarule.problem.problem import Floats, Integers, Problem
from deltarule.problem.state import State
from deltarule.training.continuation import Continuation, renumbered
from deltarule.training.history import History
from deltarule.training.moment import Moment, activations_of

if TYPE_CHECKING:
    from pandas import DataFrame


@dataclass(frozen=True)
class Divergence:
    """A member that diverged.

    Parameters
    ----------
    member : int
        Its index.
    step : int
        Its last finite update; what the next one computes is not finite.
    layer : int
        The number of the layer that was not finite first, from 1.
    where : str
        What was not finite, such as "z2" or "loss".

    Examples
    --------
    >>> from deltarule import Network, create_problem, train
    >>> problem = create_problem(Network([1, 1]), [[1.0], [2.0]], [1.0, 3.0], learning_rate=[0.1, 1e300])
    >>> [(one.member, one.layer) for one in train(problem, max_steps=20).diverged]
    [(1, 1)]
    """

    member: int
    step: int
    layer: int
    where: str


@dataclass(frozen=True)
class Progress:
    """The progress of a training.

    Parameters
    ----------
    step, limit : int
        The current update, and the last possible one.
    training, stopped, diverged : int
        Members that still train, that a rule or their limit ended, that diverged.
    seconds : float
        Since the start.
    solved : int
        The stopped members that reached the threshold.
    objective : float
        The median over the members that trained, on their last batch; NaN if none is finite.

    Examples
    --------
    >>> from deltarule import Network, create_problem, train
    >>> seen = []
    >>> problem = create_problem(Network([1, 1]), [[1.0], [2.0]], [1.0, 3.0])
    >>> run = train(problem, max_steps=20, progress=seen.append)
    >>> seen[-1].step, seen[-1].limit
    (20, 20)
    """

    step: int
    limit: int
    training: int
    stopped: int
    diverged: int
    seconds: float
    solved: int = 0
    objective: float = float("nan")

    @property
    def seconds_left(self) -> float:
        """The estimated seconds until the limit; NaN before the first update."""
        return self.seconds * (self.limit - self.step) / self.step if self.step else float("nan")


@dataclass(frozen=True, eq=False)
class Run:
    """The result of a training of K members.

    Parameters
    ----------
    problem : Problem
        What was trained.
    engine : Engine
        What advanced it; its name is `engine.name`.
    state : State
        The final state of each member (if diverged, the last finite one); its `step` is the largest of `steps`.
    steps : ndarray of shape (K,)
        Updates that each member made.
    reasons : tuple of str
        [K], why each member stopped: "max_steps" (or epochs), "threshold", "tolerance", "patience", "diverged" or
        "interrupted".
    objective : ndarray of shape (K,)
        Over all training rows, dropout off, at the end.
    history : History
        Evaluations during training.
    diverged : tuple of Divergence
        The members that diverged.
    seconds : float
        Duration of training and compiling.
    best_steps : ndarray of shape (K,), or None
        With patience, the step of the best weights.
    interrupted : bool
        Whether Ctrl-C ended it.
    notes : tuple of str
        Sentences for the user.
    continuation : Continuation or None
        What `train` with `start=run` continues from.

    Examples
    --------
    >>> import deltarule
    >>> network = deltarule.Network([1, 1])
    >>> problem = deltarule.create_problem(network, [[0.0], [1.0]], [1.0, 3.0], learning_rate=[0.1, 0.5], members=2)
    >>> run = deltarule.train(problem, max_steps=200)
    >>> run.outputs([[2.0]]).round(2)[:, 0, 0], run.take([1]).problem.numbers["learning_rate"]
    (array([5., 5.]), array([0.5]))
    """

    problem: Problem
    engine: Engine
    state: State
    steps: Integers
    reasons: tuple[str, ...]
    objective: Floats
    history: History
    diverged: tuple[Divergence, ...]
    seconds: float
    best_steps: Integers | None = None
    interrupted: bool = False
    notes: tuple[str, ...] = ()
    continuation: Continuation | None = None

    def outputs(self, x: Any) -> Floats:
        """Compute the outputs of every member for other rows.

        Parameters
        ----------
        x : array-like, [B, D], or [K, B, D] with rows for each member

        Returns
        -------
        array, [K, B, C]

        Raises
        ------
        BadInput
            If x is not numbers, or has more or fewer columns than the network has inputs.
        """
        return outputs_of(self.problem, self.engine, self.state, self._query_inputs(x))[1]

    def activations(self, x: Any) -> dict[str, Floats]:
        """Compute the values of a forward pass of every member.

        Parameters
        ----------
        x : as for `outputs`

        Returns
        -------
        dict of str to array, [K, B, H]
            Logits and activations of each layer, such as "z1" and "a1".
        """
        state = self.state
        return activations_of(self.problem.network, state.theta, state.buffers, self._query_inputs(x))

    @property
    def end(self) -> Moment:
        """The moment at the end: each member has its final state, at its own step."""
        return Moment(self.problem, self.engine, renumbered(self.state))

    @property
    def parameters(self) -> dict[str, Floats]:
        """The parameter arrays by name, read-only: "W1" [K, D, H] and so on."""
        return self.end.parameters

    def frame(self) -> "DataFrame":
        """Return the history as a data frame.

        Returns
        -------
        pandas.DataFrame
            A row for each member and each step at which all series have a value. Columns: step, member, seed, the
            numbers that vary between members, and each series of one number a member.
        """
        import pandas as pd

        history = self.history
        own = {name: history.steps_of(name) for name in history.names}
        common = np.array([step for step in history.steps if all(step in steps for steps in own.values())], np.int64)
        step, member = (each.ravel() for each in np.indices((len(common), self.problem.members)))
        steps = common[step]
        columns = {"step": steps, "member": member, "seed": self.problem.seeds[member]}
        columns |= {name: values[member] for name, values in self.problem.varying.items()}
        series = {name: history.series(name)[np.isin(own[name], common)] for name in history.names}
        columns |= {name: values.ravel() for name, values in series.items() if values.ndim == 2}
        return pd.DataFrame(columns)[steps <= self.steps[member]].reset_index(drop=True)

    def take(self, chosen: Any) -> "Run":
        """Return the run of some members, renumbered from 0.

        Parameters
        ----------
        chosen : int, array-like of int, or mask [K]
            Indices of members, of which −1 is the last.

        Returns
        -------
        Run
            Its `seconds` are those of all members.

        Raises
        ------
        BadInput
            For members that do not exist, and for none at all.
        """
        chosen = validation.member_indices(chosen, self.problem.members)
        steps = self.steps[chosen]
        state = renumbered(self.state.take(chosen))
        divergences = {divergence.member: divergence for divergence in self.diverged}
        return replace(
            self,
            problem=self.problem.take(chosen),
            state=replace(state, step=int(steps.max())),
            steps=steps,
            reasons=tuple(self.reasons[member] for member in chosen),
            objective=self.objective[chosen],
            history=self.history.take(chosen),
            diverged=tuple(
                replace(divergences[member], member=index)
                for index, member in enumerate(chosen.tolist())
                if member in divergences
            ),
            best_steps=None if self.best_steps is None else self.best_steps[chosen],
            continuation=self.continuation and self.continuation.take(chosen),
        )

    def _query_inputs(self, x: Any) -> Floats:
        return validation.query_inputs(x, self.problem.network, self.problem.members, self.problem.dtype)

    def __repr__(self) -> str:
        text = ", ".join(f"{self.reasons.count(reason)} {reason}" for reason in dict.fromkeys(self.reasons))
        middle = float(np.median(self.objective)) if len(self.objective) else float("nan")
        return (
            f"Run of {self.problem.members} × {self.problem.network!r}: {count_of(int(self.steps.max()), 'step')}, "
            f"median objective {middle:.6g} ({text})"
        )
