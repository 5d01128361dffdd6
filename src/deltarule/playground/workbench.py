"""The workbench: a recipe, its data and a population that trains in a thread.

Training uses the ordinary `advance` of an engine, so its results equal those of `train`, bit for bit. The thread
replaces the current state by its successor; drawing uses the current state, which is never modified. While another
thread compiles the engine's program, the reference engine trains; then its training is computed again.

K members · N rows
"""

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np

from deltarule.data.dataset import Dataset
from deltarule.engines.base import Engine
from deltarule.engines.reference import ReferenceEngine, first_nonfinite
from deltarule.engines.selection import engine_for
from deltarule.errors import BadInput, one_line
from deltarule.maths.activations import Activation
from deltarule.maths.losses import Loss
from deltarule.playground.custom_formulas import Formulas, with_formulas
from deltarule.playground.past import Past, Present, advance
from deltarule.playground.population import (
    carry_over,
    population_of,
    require_affordable,
    require_few_members,
    without_study,
)
from deltarule.playground.settings import fitting_settings
from deltarule.playground.side_by_side import SideBySideEngine
from deltarule.playground.trainability import outcomes_of
from deltarule.playground.training_pace import CHUNK_SECONDS, TrainingPace
from deltarule.problem.configuration import parse
from deltarule.problem.problem import Integers, Problem
from deltarule.problem.state import State, initial_state
from deltarule.recipes import Recipe, dataset_of, with_settings
from deltarule.training.run import Divergence

MAX_NOTED_DIVERGENCES = 8
"""Diverged members whose first nonfinite layer is found, by a training up to that step."""
PAGE_PATIENCE_SECONDS = 60
"""How long training continues after the last request of a page."""
EXPECTED_UPDATES = 20_000
"""The length of a training for which the engine is chosen."""


class Workbench:
    """A training run that can be played, paused, changed and rewound.

    If the recipe's grid has a key, there are separate members for each of the key's values.
    """

    def __init__(self, recipe: Recipe) -> None:
        self._changed = threading.Condition()
        self.engine: Engine = ReferenceEngine()
        self._loading: object | None = None  # another one for each engine that is loaded
        self._overtaking: object | None = None  # the one of the engine with which the training is computed again
        self._loader: threading.Thread | None = None
        self._is_loaded = False
        self._updates_left: float = 0  # infinite while it plays
        self._updates_per_second = np.inf
        self._is_closed = False
        self.page_asked: float | None = None
        """When a page last asked for something: after a minute without, training pauses."""
        self._formulas: Formulas = {}
        self._right: Activation | None = None  # with which the first half trains beside a typed one
        self.failure = ""
        self.version = 0
        self.moment: Present
        self.divergences: dict[int, Divergence] = {}
        self._begin(recipe, dataset_of(recipe))
        self._thread = threading.Thread(target=self._train_until_closed, name="deltarule play", daemon=True)
        self._thread.start()

    def close(self) -> None:
        with self._changed:
            self._is_closed = True
            self._loading = None
            self._changed.notify_all()
        self._thread.join()
        if self._loader is not None:
            self._loader.join()

    # --- what a page asks for -----------------------------------------------------------------------------------------

    @property
    def is_playing(self) -> bool:
        return self._updates_left > 0

    @property
    def engine_name(self) -> str:
        """The name of the engine that was chosen, "" until its program is there."""
        return self.engine.name if self._is_loaded else ""

    def load_engine(self) -> None:
        """Choose the engine and compile its program in a thread, if nobody has."""
        with self._changed:
            if not self._is_loaded and self._loading is None:
                token = self._loading = object()
                self._loader = threading.Thread(
                    target=self._load, args=(token, self.moment), name="deltarule play engine", daemon=True
                )
                self._loader.start()

    def play(self, updates_per_second: float = np.inf, updates: float = np.inf) -> None:
        """Train until `pause` or for a number of updates, at most at the given speed."""
        with self._changed:
            self._updates_left, self._updates_per_second = updates, updates_per_second
            self._changed.notify_all()

    def pause(self) -> None:
        self.play(updates=0)

    def set_speed(self, updates_per_second: float) -> None:
        self.play(updates_per_second, self._updates_left)

    def advance(self, updates: int) -> None:
        """Make this number of updates, wait for them, and pause."""
        with self._changed:
            target = self.moment.state.step + updates
            version = self.version
            self.play(updates=updates)
            self._changed.wait_for(
                lambda: self.version != version or self.moment.state.step >= target or not self.is_playing
            )

    def advance_epoch(self) -> None:
        epoch = self.moment.problem.steps_per_epoch(0)
        self.advance(epoch - self.moment.state.step % epoch)

    def reset(self) -> None:
        self.pause()
        self._begin(self.moment.recipe, self.moment.dataset)

    def change(self, settings: Mapping[str, Any], keep: bool = False) -> None:
        """Change keys of the recipe and continue or restart training.

        Other data begin a training, with first weights or, where `keep`, with the current ones if they fit; they adapt
        the first and last layer and the loss. Raises `BadInput`, with nothing changed, for settings that do not fit.
        """
        with self._changed:
            recipe = self.moment.recipe
            if not any(key.startswith("data.") for key in settings):
                self._continue_with(with_settings(recipe, settings), self.moment.dataset)
                return
            recipe = with_settings(without_study(recipe), settings)
            require_affordable(recipe)
            dataset = dataset_of(recipe)
            recipe = with_settings(recipe, {**fitting_settings(recipe, dataset), **settings})
            self._begin(recipe, dataset, self.moment if keep else None)

    def vary(self, grid: Any) -> None:
        """Restart with a member for each seed and each value of the grid's key."""
        require_few_members(grid)
        recipe = self.moment.recipe
        recipe = replace(recipe, configuration=parse({**asdict(recipe.configuration), "grid": grid}))
        require_affordable(recipe)
        self.pause()
        self._begin(recipe, self.moment.dataset)

    def judge_by(self, criterion: Any) -> None:
        """Count members as solved that meet a criterion, which is given as in a recipe."""
        with self._changed:
            recipe = self.moment.recipe
            table = asdict(recipe.configuration)
            table["study"]["criterion"] = criterion
            recipe = replace(recipe, configuration=parse(table))
            self._continue_with(recipe, self.moment.dataset)

    def edit(self, member: int, place: int, value: float | None, locked: bool | None) -> None:
        """Set an entry of a member's θ, lock it in all members, or unlock it."""
        with self._changed:
            moment = self.moment
            state = self.moment.state
            if not 0 <= place < state.theta.shape[1]:
                raise BadInput(f"place is {place}; give one from 0 to {state.theta.shape[1] - 1}")
            if value is not None:
                theta = state.theta.copy()
                theta[member, place] = value
                state = replace(state, theta=theta)
            others = tuple(one for one in moment.locked if one != place)
            locks = moment.locked if locked is None else (*others, place) if locked else others
            edits = (*moment.edits, (state.step, member, place, value, locked))
            self._go_on(replace(moment, state=state, locked=locks, edits=edits))

    def use_recipe(self, recipe: Recipe) -> None:
        """Train another recipe from its start, once it is played, without typed formulas."""
        require_affordable(recipe)
        dataset = dataset_of(recipe)
        self.pause()
        with self._changed:
            before = self._formulas, self._right
            self._formulas, self._right = {}, None
            try:
                self._begin(recipe, dataset)
            except BadInput:
                self._formulas, self._right = before
                raise

    @property
    def news(self) -> list[int]:
        """Step, version and playing state, which change when there is news to draw."""
        return [self.moment.state.step, self.version, int(self.is_playing)]

    def wait_for_change(self, seen: list[int], timeout: float) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self.news != seen, timeout)

    def use_formula(self, kind: str, formula: Activation | Loss | None, right: Activation | None = None) -> None:
        """Train with a typed formula; where `right` is given, each network trains with that too, from its start."""
        with self._changed:
            before = self._formulas, self._right
            is_beside = right is not None or (kind == "activation" and self._right is not None)
            self._formulas = {**self._formulas, kind: formula}
            self._right = right if kind == "activation" else self._right
            try:
                if is_beside:
                    self._begin(self.moment.recipe, self.moment.dataset)
                else:
                    self._continue_with(self.moment.recipe, self.moment.dataset)
            except BadInput:
                self._formulas, self._right = before
                raise

    def problem_of(self, problem: Problem, member: int) -> Problem:
        """The problem that a member trains on, which has its own derivative where two are compared."""
        return self.engine.problem_of(problem, member) if isinstance(self.engine, SideBySideEngine) else problem

    def outcomes(self, keys: Sequence[str], values: Sequence[Sequence[float]], updates: int) -> list[str]:
        """What becomes of a network for each pair of values of two settings, whose keys are given."""
        return outcomes_of(self.moment, self._formulas, keys, values, updates)

    def fail(self, what: str, error: Exception) -> None:
        with self._changed:
            reason = one_line(error) or type(error).__name__
            self.failure = f"{what} failed: {reason}; change a setting, or reset it"
            self._updates_left = 0
            self._loading = None  # the next picture asks for an engine again
            self._changed.notify_all()

    def state_at(self, step: int | None, members: Integers, moment: Present | None = None) -> tuple[Problem, State]:
        moment = moment or self.moment
        if step is None or step >= moment.state.step:
            return moment.problem, moment.state.take(members)
        return moment.past.at(step, members, self.engine)

    # --- the population -----------------------------------------------------------------------------------------------

    def _begin(self, recipe: Recipe, dataset: Dataset, before: Present | None = None) -> None:
        """Begin a training, with the weights of the one before if they are given and fit."""
        with self._changed:
            problem = self._problem(recipe, dataset)
            kept = before and carry_over(before.problem, before.state, problem)
            state = initial_state(problem, kept.theta) if kept else initial_state(problem)
            self.divergences = {}
            self._publish(Present(recipe, dataset, problem, state, {}, Past(problem, state), self.version))

    def _continue_with(self, recipe: Recipe, dataset: Dataset) -> None:
        """Train a changed recipe, from the current state where possible."""
        problem = self._problem(recipe, dataset)
        state = carry_over(self.moment.problem, self.moment.state, problem)
        if state is None:
            self._begin(recipe, dataset)
        else:
            self._go_on(replace(self.moment, recipe=recipe, dataset=dataset, problem=problem, state=state))

    def _problem(self, recipe: Recipe, dataset: Dataset) -> Problem:
        problem = population_of(recipe, dataset, copies=1 if self._right is None else 2)
        return with_formulas(problem, self._formulas)

    def _sided(self, engine: Engine) -> Engine:
        return engine if self._right is None else SideBySideEngine(engine, self._right)

    def _go_on(self, moment: Present) -> None:
        moment.past.add_change(moment.problem, moment.state, moment.locked)
        self._publish(moment)

    def _publish(self, moment: Present) -> None:
        values = moment.evaluate()
        if moment.state.step == 0:
            moment.past.add_point(0, values)
        self.version += 1
        self.moment = replace(moment, values=values, version=self.version)
        self.failure = ""
        was_loaded = self._is_loaded or self._loading is not None
        self._loading = None
        self.engine = self._sided(ReferenceEngine())
        self._is_loaded = False
        if was_loaded:
            self.load_engine()
        self._changed.notify_all()

    # --- the engine ---------------------------------------------------------------------------------------------------

    def _load(self, token: object, moment: Present) -> None:
        """Compile a moment's programs, and compute its training again with them.

        The training goes on while they are compiled, and waits while it is computed again: that takes less time.
        """
        try:
            name = moment.recipe.configuration.run.engine
            engine = self._sided(engine_for(name, moment.problem, EXPECTED_UPDATES))
            again = moment if engine.name == "reference" else moment.past.restart(moment)
            again.evaluate(engine)
            engine.advance(again.problem, again.state, 1)
            if engine.name != "reference":
                self._overtaking = token
                again = again.catch_up(self.moment, engine)
            self._take_over(token, engine, again)
        except Exception as error:  # whatever fails is shown, and another setting may work
            if self._loading is token:
                self.fail("the training", error)

    def _take_over(self, token: object, engine: Engine, again: Present) -> None:
        """Replace the training by the recomputed one."""
        with self._changed:
            if self._loading is not token:
                return  # the settings have changed: another engine is being loaded
            self.engine, self._loading, self._is_loaded = engine, None, True
            if engine.name != "reference":
                again = again.catch_up(self.moment, engine)
                self.moment = replace(again, version=self.version)
            self._changed.notify_all()

    # --- the thread ---------------------------------------------------------------------------------------------------

    @property
    def _trains(self) -> bool:
        return self.is_playing and (self._loading is None or self._overtaking is not self._loading)

    def _train_until_closed(self) -> None:
        pace = TrainingPace()
        while not self._is_closed:
            try:
                self._train_chunk(pace)
            except Exception as error:  # whatever fails is shown, and another setting may work
                self.fail("the training", error)

    def _wait_for_work(self, pace: TrainingPace) -> bool:
        """Wait until there is something to train; returns whether it is time for it."""
        if not self._trains:
            self._changed.wait_for(lambda: self._is_closed or self._trains)
            pace.restart()
        if self.page_asked is not None and time.monotonic() - self.page_asked > PAGE_PATIENCE_SECONDS:
            self.pause()
        if self._is_closed or not self.is_playing:
            return False
        if (seconds := pace.seconds_to_wait(self._updates_per_second)) > 0:
            self._changed.wait(seconds)
            return False
        return True

    def _train_chunk(self, pace: TrainingPace) -> None:
        """Wait for work, then train and evaluate a chunk."""
        with self._changed:
            if not self._wait_for_work(pace):
                return
            self.load_engine()
            engine = self.engine
            moment = self.moment
            version = self.version
            past = self.moment.past
            due = max(1, CHUNK_SECONDS * self._updates_per_second)
            until_point = past.next_point(moment.state.step) - moment.state.step
            count = int(min(self._updates_left, pace.updates, due, until_point))
        began = time.perf_counter()
        state, diverged_steps = advance(engine, moment.problem, moment.state, count, moment.locked)
        pace.add_chunk(count, began)
        after = replace(moment, state=state)
        is_point = state.step == past.next_point(moment.state.step)
        if is_point or count == self._updates_left:
            began = time.perf_counter()
            after = replace(after, values=after.evaluate(engine))
            pace.add_evaluation(began)
        with self._changed:
            if self.version != version or self.engine is not engine:
                return  # settings or engine changed meanwhile: the chunk used the previous ones
            self.moment = after
            self._note_divergences(diverged_steps)
            past.add_snapshot(moment.problem, state)
            if is_point:
                past.add_point(state.step, after.values)
                if pace.evaluates_too_often(self._updates_per_second):
                    past.interval *= 2
            self._updates_left = max(self._updates_left - count, 0)
            self._changed.notify_all()

    def _note_divergences(self, diverged_steps: Integers) -> None:
        for member in np.flatnonzero(diverged_steps >= 0).tolist():
            if member not in self.divergences and len(self.divergences) < MAX_NOTED_DIVERGENCES:
                step = int(diverged_steps[member])
                problem, state = self.moment.past.at(step, np.array([member]), self.engine)
                self.divergences[member] = Divergence(member, step, *first_nonfinite(problem, state))
