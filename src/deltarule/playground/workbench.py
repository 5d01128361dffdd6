"""The workbench: a recipe, its data and a population that trains in a thread of its own while a page controls it.

Training goes through the ordinary `advance` of an engine, so what is shown is what `train` computes, bit for bit. The
thread takes a state and puts its successor in its place; whoever draws takes the current one, which nobody changes.

K members · N rows
"""

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deltarule.data.dataset import Dataset
from deltarule.engines.base import Engine
from deltarule.engines.reference import ReferenceEngine, first_nonfinite
from deltarule.engines.selection import choose
from deltarule.errors import BadInput, count_of, one_line, short_repr
from deltarule.maths.activations import Activation
from deltarule.maths.losses import Loss
from deltarule.playground.custom_formulas import with_formulas
from deltarule.playground.past import Past
from deltarule.playground.population import carry_over, population_of, without_study
from deltarule.playground.settings import fitting_settings
from deltarule.playground.training_pace import TrainingPace
from deltarule.problem.problem import Floats, Integers, Problem
from deltarule.problem.state import State, initial_state
from deltarule.studies.recipes import Recipe, dataset_of, with_settings
from deltarule.training.history import EvaluationSchedule, History, evaluate
from deltarule.training.populations import metrics_of
from deltarule.training.run import Divergence, Run

SOLVED_AT = 0.95
"""The accuracy (or R²) on the training rows at which a member counts as solved, unless the recipe says otherwise."""
MAX_NOTED_DIVERGENCES = 8
"""Members of which it is found out where they stopped being finite; each needs a training up to there."""
EXPECTED_UPDATES = 20_000
"""The length of a training for which the engine is chosen."""


@dataclass(frozen=True, eq=False)
class Moment:
    """What is trained now: immutable, so that drawing needs no lock.

    values   objective and metric of every member, {name: [K]}, on training rows; "validation …" on test rows. They are
             those of the last point of the curves, which may be some updates before.
    past     what was trained before; it alone grows, with points and snapshots of the same members.
    """

    recipe: Recipe
    dataset: Dataset
    problem: Problem
    state: State
    values: Mapping[str, Floats]
    past: Past

    @property
    def score(self) -> str:
        """The metric that says how good a member is."""
        return score_of(self.recipe, self.dataset)

    @property
    def is_solved(self) -> NDArray[np.bool_]:
        """Which members have solved their task, [K]."""
        criterion = self.recipe.configuration.study.criterion
        if criterion is None:
            return np.asarray(self.values[self.score] >= SOLVED_AT)
        name = self.score if criterion.part == "train" else f"validation {self.score}"
        return np.asarray(self.values[name] >= criterion.at_least)


class Workbench:
    """A training that is played, paused, changed and looked back on; `close` ends its thread.

    Parameters
    ----------
    recipe : Recipe
        Its data, network and settings; a grid with one key gives each value of the key members of its own.
    engine : Engine or None, default None
        What advances the state; None for that of the recipe, by default the one that is expected to be the fastest.

    Raises
    ------
    BadInput
        As `problem_of`, and for a grid of several keys, or one that changes more than numbers.
    """

    def __init__(self, recipe: Recipe, engine: Engine | None = None) -> None:
        self._changed = threading.Condition()
        self._given_engine = engine
        self._engine: Engine | None = None
        self._is_shown = False
        self._updates_left: float = 0  # infinite while it plays
        self._updates_per_second = np.inf
        self._is_closed = False
        self._chunk_began: float | None = None
        self._formulas: dict[str, Activation | Loss] = {}
        self.failure = ""
        self.version = 0
        self.divergences: dict[int, Divergence] = {}
        with self._changed:
            self._begin_population(recipe, dataset_of(recipe))
        self._thread = threading.Thread(target=self._work, name="deltarule play", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the thread after its current chunk."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()
        self._thread.join()

    # --- what a page asks for -----------------------------------------------------------------------------------------

    @property
    def moment(self) -> Moment:
        """What is trained now."""
        return self._moment

    @property
    def past(self) -> Past:
        """What was trained before now."""
        return self._moment.past

    @property
    def is_playing(self) -> bool:
        """Whether training goes on by itself."""
        return self._updates_left > 0

    @property
    def chunk_seconds(self) -> float:
        """How long the current chunk takes already: seconds where a program is compiled first, 0 between chunks."""
        began = self._chunk_began
        return 0.0 if began is None else time.perf_counter() - began

    @property
    def engine(self) -> Engine:
        """What advances the state; chosen, and its program loaded, when it is needed first."""
        with self._changed:
            if self._engine is None:
                moment = self._moment
                self._engine = choose("auto", moment.problem, EXPECTED_UPDATES).engine
            return self._engine

    @property
    def engine_name(self) -> str:
        """The name of the engine, empty as long as none is loaded."""
        return "" if self._engine is None else self._engine.name

    def load_engine(self) -> None:
        """Load the engine in the thread: a first picture needs none, and comes earlier without."""
        with self._changed:
            self._is_shown = True
            self._changed.notify_all()

    def play(self, updates_per_second: float = np.inf) -> None:
        """Train on until `pause`, at most so many updates a second."""
        with self._changed:
            self._updates_left, self._updates_per_second = np.inf, updates_per_second
            self._changed.notify_all()

    def pause(self) -> None:
        """Stop after the current chunk."""
        with self._changed:
            self._updates_left = 0
            self._changed.notify_all()

    def advance(self, updates: int) -> None:
        """Make so many updates, wait for them, and pause."""
        with self._changed:
            target = self._moment.state.step + updates
            version = self.version
            self._updates_left, self._updates_per_second = updates, np.inf
            self._changed.notify_all()
            self._changed.wait_for(
                lambda: self.version != version or self._moment.state.step >= target or not self.is_playing
            )

    def advance_epoch(self) -> None:
        """Train to the end of the current epoch of the first member."""
        problem, step = self._moment.problem, self._moment.state.step
        epoch = problem.steps_per_epoch(0)
        self.advance(epoch - step % epoch)

    def reset(self) -> None:
        """Return to the same initial weights and forget what was trained."""
        with self._changed:
            self._updates_left = 0
            self._begin_population(self._moment.recipe, self._moment.dataset)

    def change(self, settings: Mapping[str, Any]) -> None:
        """Change keys of the recipe; training goes on where the parameters keep their meaning, and restarts elsewhere.

        With other data, the sizes of the network, its output and its loss become those that the data need.

        Raises `BadInput`, with nothing changed, for settings that do not fit.
        """
        with self._changed:
            moment = self._moment
            has_new_data = any(key.startswith("data.") for key in settings)
            recipe, dataset = moment.recipe, moment.dataset
            if has_new_data:
                recipe = with_settings(without_study(recipe), settings)
                dataset = dataset_of(recipe)
                settings = {**fitting_settings(recipe, dataset), **settings}
            self._use(with_settings(recipe, settings), dataset, _describe_change(settings))

    def use(self, recipe: Recipe) -> None:
        """Begin again with another recipe. Raises `BadInput`, with nothing changed, for one that cannot be used."""
        dataset = dataset_of(recipe)
        with self._changed:
            self._updates_left = 0
            self._begin_population(recipe, dataset)

    @property
    def news(self) -> list[int]:
        """What changes when there is something new to draw: step, version, and whether it plays."""
        return [self._moment.state.step, self.version, int(self.is_playing)]

    def wait_for_change(self, seen: list[int], timeout: float) -> None:
        """Wait until the `news` differ from those that somebody has `seen`, or the time is out."""
        with self._changed:
            self._changed.wait_for(lambda: self.news != seen, timeout)

    def use_formula(self, kind: str, formula: Activation | Loss | None) -> None:
        """Train on with a person's own activation or loss, whose derivative may be wrong; None for the recipe's."""
        with self._changed:
            before = dict(self._formulas)
            self._formulas = {name: one for name, one in before.items() if name != kind}
            if formula is not None:
                self._formulas[kind] = formula
            try:
                description = f"{kind} {'as it was' if formula is None else 'yours'}"
                self._use(self._moment.recipe, self._moment.dataset, description)
            except BadInput:
                self._formulas = before
                raise

    def state_at(self, step: int | None, members: Integers, moment: Moment | None = None) -> tuple[Problem, State]:
        """The problem and the states of some members, exact: after `step` updates, or at the `moment`, or now."""
        moment = moment or self._moment
        if step is None or step >= moment.state.step:
            return moment.problem, moment.state.take(members)
        return moment.past.at(max(step, 0), members, self.engine)

    def run(self) -> Run:
        """The training so far as a record, such as `train` returns."""
        moment, past = self._moment, self._moment.past
        count, members = len(past.bands), moment.problem.members
        history = History(past.steps[:count], {name: rows[:count] for name, rows in past.curves.items()})
        return Run(
            problem=moment.problem,
            engine=self.engine,
            state=moment.state,
            steps=np.full(members, moment.state.step),
            reasons=("interrupted",) * members,
            objective=moment.values["objective"],
            history=history,
            diverged=tuple(self.divergences.values()),
            seconds=0.0,
        )

    # --- the population -----------------------------------------------------------------------------------------------

    def _begin_population(self, recipe: Recipe, dataset: Dataset) -> None:
        self._begin(recipe, dataset, self._problem_of(recipe, dataset))

    def _problem_of(self, recipe: Recipe, dataset: Dataset) -> Problem:
        return with_formulas(population_of(recipe, dataset), self._formulas)

    def _begin(self, recipe: Recipe, dataset: Dataset, problem: Problem) -> None:
        state = initial_state(problem)
        self._engine = self._choose_engine(recipe, problem)
        self.divergences = {}
        self._publish(recipe, dataset, problem, state, Past(problem, state))

    def _use(self, recipe: Recipe, dataset: Dataset, description: str) -> None:
        moment = self._moment
        problem = self._problem_of(recipe, dataset)
        state = carry_over(moment.problem, moment.state, problem)
        if state is None:
            self._begin(recipe, dataset, problem)
            return
        self._engine = self._choose_engine(recipe, problem)
        moment.past.add_change(problem, state, description)
        self._publish(recipe, dataset, problem, state, moment.past)

    def _publish(self, recipe: Recipe, dataset: Dataset, problem: Problem, state: State, past: Past) -> None:
        values = evaluate_members(dataset, problem, state, score_of(recipe, dataset))
        if state.step == 0:
            past.add_point(0, dict(values))
        self._moment = Moment(recipe, dataset, problem, state, values, past)
        self.version += 1
        self.failure = ""
        self._changed.notify_all()

    def _choose_engine(self, recipe: Recipe, problem: Problem) -> Engine | None:
        """The engine that was asked for; before the first picture None where the fastest one is yet to be chosen."""
        name = recipe.configuration.run.engine
        if self._given_engine is not None or (name == "auto" and not self._is_shown):
            return self._given_engine
        return choose(name, problem, EXPECTED_UPDATES).engine

    # --- the thread ---------------------------------------------------------------------------------------------------

    def _work(self) -> None:
        pace = TrainingPace()
        while True:
            with self._changed:
                if not self.is_playing:
                    self._changed.wait_for(self._has_work)
                    pace.restart()
                if self._is_closed:
                    return
                engine = self.engine
                if not self.is_playing:
                    continue
                if (seconds := pace.seconds_to_wait(self._updates_per_second)) > 0:
                    self._changed.wait(seconds)
                    continue
                moment, version, past = self._moment, self.version, self.past
                limit = min(self._updates_left, pace.updates_allowed(self._updates_per_second))
                limit = min(limit, past.next_point(moment.state.step) - moment.state.step)
            self._chunk_began = time.perf_counter()
            try:
                with pace.training(int(limit)) as count:
                    state, trace = engine.advance(moment.problem, moment.state, count)
            except Exception as error:  # of an engine, such as too little memory
                self._fail(error)
                continue
            finally:
                self._chunk_began = None
            after = replace(moment, state=state)
            is_point = state.step == past.next_point(moment.state.step)
            if is_point or count == self._updates_left:
                with pace.time_evaluation():
                    values = evaluate_members(moment.dataset, moment.problem, state, moment.score)
                after = replace(after, values=values)
            with self._changed:
                if self.version != version:
                    continue  # settings changed meanwhile: the chunk was made with those before
                self._moment = after
                self._note_divergences(moment, trace.bad)
                past.add_snapshot(moment.problem, state)
                if is_point:
                    past.add_point(state.step, dict(after.values))
                    if pace.evaluates_too_often:
                        past.coarsen()
                self._updates_left = max(self._updates_left - count, 0)
                self._changed.notify_all()

    def _has_work(self) -> bool:
        return self._is_closed or self.is_playing or (self._is_shown and self._engine is None)

    def _fail(self, error: Exception) -> None:
        with self._changed:
            self.failure = (
                f"the training failed: {one_line(error) or type(error).__name__}; change a setting, or reset it"
            )
            self._updates_left = 0
            self._changed.notify_all()

    def _note_divergences(self, moment: Moment, bad: Integers) -> None:
        for member in np.flatnonzero(bad >= 0).tolist():
            if member not in self.divergences and len(self.divergences) < MAX_NOTED_DIVERGENCES:
                step = int(bad[member])
                problem, state = self.past.at(step, np.array([member]), self.engine)
                self.divergences[member] = Divergence(member, step, *first_nonfinite(problem, state))


def score_of(recipe: Recipe, dataset: Dataset) -> str:
    """The metric by which members are judged: that of the study's criterion, else the accuracy or R²."""
    criterion = recipe.configuration.study.criterion
    return metrics_of(dataset)[0] if criterion is None else criterion.name


def evaluate_members(dataset: Dataset, problem: Problem, state: State, metric: str) -> dict[str, Floats]:
    """Objective and metric of the members of a state, on the training rows and on those set aside, {name: [K]}."""
    aside = dataset.test or dataset.validation
    rows = None if aside is None else (aside.x, dataset.encode(aside, problem.network.outputs))
    return evaluate(problem, ReferenceEngine(), state, EvaluationSchedule(1, (metric,)), rows)


def _describe_change(settings: Mapping[str, Any]) -> str:
    texts = [f"{key.rpartition('.')[2].replace('_', ' ')} {short_repr(value)}" for key, value in settings.items()]
    return ", ".join(texts) if len(texts) <= 3 else f"{count_of(len(texts), 'setting')} changed"
