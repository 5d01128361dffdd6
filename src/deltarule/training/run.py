"""The record of a training: where every member ended, why, and what was seen on the way; and how far one is."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from deltarule.blas_threads import one_blas_thread
from deltarule.engines.base import Engine
from deltarule.errors import count_of
from deltarule.maths.network import forward, views
from deltarule.problem import validation
from deltarule.problem.problem import Floats, Integers, Problem
from deltarule.problem.state import State
from deltarule.training.history import History, outputs_of


@dataclass(frozen=True)
class Divergence:
    """A member that stopped being finite: in the update after `step`, first in `where` (z2, loss …) of `layer`."""

    member: int
    step: int
    layer: int
    where: str


@dataclass(frozen=True)
class Progress:
    """How far a training is.

    step, limit     the update, and the last one that there may be; of L-BFGS, which trains one member after another,
                    all iterations
    training, stopped, diverged   members that still train, that a rule or their limit ended, that diverged
    seconds         so far
    solved          those of the stopped that came to the threshold
    objective       of the members that trained, on their last batch: the median, NaN where none is finite
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
        """An estimate, as if nobody stopped early."""
        return self.seconds * (self.limit - self.step) / self.step if self.step else float("nan")


@dataclass(frozen=True, eq=False)
class Run:
    """What a training of K members came to.

    problem      what was trained                engine       what advanced it; its name is `engine.name`
    state        where each member ended (a diverged one: its last finite state); its `step` is the largest of `steps`
    steps [K]    updates that each member made; with patience, the step of the best weights is in `best_steps`
    reasons [K]  why each member stopped: one of `stopping.REASONS`
    objective [K]  over all training rows, dropout off, at the end
    history      what was seen on the way        diverged     the members that did
    seconds      of training and compiling       interrupted  whether Ctrl-C ended it
    notes        sentences worth telling
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

    def outputs(self, x: Any) -> Floats:
        """The outputs of every member.   x [B, D] or [K, B, D]  →  [K, B, C]

        Raises `BadInput` for what is no numbers, and rows that have not as many columns as the network has inputs.
        """
        return outputs_of(self.problem, self.engine, self.state, self._query_inputs(x))[1]

    def activations(self, x: Any) -> dict[str, Floats]:
        """Every value on the way from x to the logits, by name: z1, a1, z2 …, and the outputs as the last a.

        x [B, D] or [K, B, D]  →  {name: [K, B, H]}

        Raises `BadInput` as `outputs`.
        """
        network, rows = self.problem.network, self._query_inputs(x)
        with one_blas_thread(), np.errstate(all="ignore"):
            tape, _ = forward(
                network.layers,
                views(self.state.theta, network.entries),
                rows,
                buffers=views(self.state.buffers, network.buffers),
            )
            outputs = network.output.forward(tape[-1].value)[0]
        return {taped.name: taped.value for taped in tape} | {f"a{network.layers[-1].number}": outputs}

    def parameters(self, member: int = 0) -> dict[str, Floats]:
        """Copies of a member's arrays by name: W1 [D, H], b1 [1, H] and so on.

        Raises `BadInput` for a member that there is not.
        """
        place = validation.member(member, self.problem.members, "the run has the members")
        return views(self.state.theta[place].copy(), self.problem.network.entries)

    def take(self, chosen: Any) -> "Run":
        """The run of some of the members; `seconds` stay those of the whole.

        Parameters: `chosen`, an index or several, of which −1 is the last, or a mask [K].
        Raises `BadInput` for members that there are not, and for none at all.
        """
        chosen = validation.member_indices(chosen, self.problem.members)
        steps, state = self.steps[chosen], self.state.take(chosen)
        known = {one.member: one for one in self.diverged}
        return replace(
            self,
            problem=self.problem.take(chosen),
            state=replace(state, members=np.arange(len(chosen)), step=int(steps.max())),
            steps=steps,
            reasons=tuple(self.reasons[member] for member in chosen),
            objective=self.objective[chosen],
            history=self.history.take(chosen),
            diverged=tuple(
                replace(known[member], member=index) for index, member in enumerate(chosen.tolist()) if member in known
            ),
            best_steps=None if self.best_steps is None else self.best_steps[chosen],
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
