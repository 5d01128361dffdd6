"""A session, which executes the commands of a page on its workbench."""

import os
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from deltarule.errors import BadInput
from deltarule.json_files import to_jsonable
from deltarule.playground import exports, picture
from deltarule.playground.custom_formulas import explain_mistake, judge_pair, read_pair, require_kind
from deltarule.playground.own_table import read_own_table
from deltarule.playground.past import Present
from deltarule.playground.settings import catalog, list_stories, values_of
from deltarule.playground.side_by_side import SideBySideEngine, first_parting, right_activation
from deltarule.playground.workbench import Workbench
from deltarule.problem.configuration import parse_toml
from deltarule.problem.error_messages import explain_error
from deltarule.problem.problem import Problem
from deltarule.problem.state import State
from deltarule.recipes import Recipe
from deltarule.training.history import History
from deltarule.training.run import Run

MAX_UPDATES_AT_ONCE = 100_000
"""Updates that a command can ask for: a wrong number from the page should not keep the engine busy for hours."""


class Request(BaseModel):
    """What a page may send; each command reads some of it."""

    model_config = ConfigDict(strict=True)

    member: int = Field(0, description="a whole number")
    step: int | None = Field(None, description="a whole number, or null for the last step")
    hidden: bool = Field(False, description="true or false")
    seen: list[Any] | None = Field(None, description="the news of the last frame")
    updates_per_second: float | None = Field(None, gt=0, description="a number above 0, or null for no limit")
    updates: int = Field(
        1, ge=1, le=MAX_UPDATES_AT_ONCE, description=f"a whole number from 1 to {MAX_UPDATES_AT_ONCE:,}"
    )
    settings: dict[str, Any] = Field({}, description="a table")
    keep: bool = Field(False, description="true or false")
    name: str = Field("", description="the name of a story")
    csv: str = Field("", description="a table as CSV")
    target: str | None = Field(None, description="the name of a column")
    quantity: str = Field("", description="the name of a quantity")
    index: list[int] = Field([], description="a list of whole numbers")
    place: int = Field(0, description="a place in θ")
    value: float | None = Field(None, allow_inf_nan=False, description="a finite number")
    locked: bool | None = Field(None, description="true, false or null")
    sample: int | None = Field(None, description="a row of the data, or null for all")
    kind: str = Field("", description="a text")
    function: str | None = Field(None, description="a formula")
    derivative: str = Field("", description="a formula")
    beside: bool = Field(False, description="true or false")
    keys: list[str] = Field([], description="two keys of a recipe")
    values: list[list[Any]] = Field([], description="pairs of numbers")


class Session:
    """A workbench, and the user's data with notes on them."""

    def __init__(self, recipe: Recipe, folder: "tempfile.TemporaryDirectory[str]", notes: Sequence[str] = ()) -> None:
        self.workbench = Workbench(recipe)
        self._folder = folder
        self._notes = list(notes)
        self._own = recipe, list(notes)
        self._csv = ""  # the user's points, if the page has given them
        self._typed: dict[str, list[Any]] = {}
        """Formulas by kind: function, derivative, and true where the right derivative trains beside it."""
        workbench = self.workbench
        self._commands: dict[str, Callable[[Request], Any]] = {
            "catalog": lambda request: catalog(),
            "settings": lambda request: self.settings(),
            "play": lambda request: workbench.play(request.updates_per_second or np.inf),
            "pause": lambda request: workbench.pause(),
            "speed": lambda request: workbench.set_speed(request.updates_per_second or np.inf),
            "toggle": lambda request: self._commands["pause" if workbench.is_playing else "play"](request),
            "step": lambda request: workbench.advance(request.updates),
            "epoch": lambda request: workbench.advance_epoch(),
            "reset": lambda request: workbench.reset(),
            "change": self._change,
            "story": self._tell,
            "edit": lambda request: workbench.edit(self._member(request), request.place, request.value, request.locked),
            "own-data": self._use_own_data,
            "explain": self._explain,
            "formula": self._formula,
            "parting": self._parting,
            "map": lambda request: workbench.outcomes(request.keys, request.values, request.updates),
            "why": self._why,
            "export": self._export,
        }

    def close(self) -> None:
        self.workbench.close()
        self._folder.cleanup()

    def frame(self, table: Mapping[str, Any], timeout: float = 0.0) -> bytes:
        request = _read_request(table)
        if request.hidden and timeout:
            time.sleep(timeout)  # nobody sees the page: it only says that it is still there
        elif request.seen is not None and timeout:
            self.workbench.wait_for_change(request.seen, timeout)
        moment = self.workbench.moment  # the data may be changed while it is drawn
        frame = picture.encode(*picture.draw(self.workbench, self._member(request, moment), request.step, moment))
        self.workbench.load_engine()
        return frame

    def data(self) -> bytes:
        moment = self.workbench.moment  # whose data and network belong together
        typed = self._typed.get("activation", [""])[0]
        return picture.encode(*picture.describe_data(moment.dataset, moment.problem.network, typed))

    def settings(self) -> dict[str, Any]:
        moment = self.workbench.moment
        notes = self._notes if moment.recipe.configuration.data.file is not None else []
        return {
            "values": values_of(moment.recipe.configuration),
            "grid": moment.recipe.configuration.grid,
            "notes": notes,
            "csv": self._csv,
            "typed": self._typed,
            "step": moment.state.step,
            "version": moment.version,
            "criterion": asdict(moment.criterion),
        }

    def respond(self, name: str, table: Mapping[str, Any], timeout: float = 0.0) -> Any:
        """Answer the page with bytes or with the JSON values of a command.

        Raises `BadInput` with what the page shows, also for an error that should not happen; then training pauses.
        """
        if timeout:  # a notebook's page asks for nothing while its kernel computes
            self.workbench.page_asked = time.monotonic()
        try:
            if name == "frame":
                return self.frame(table, timeout)
            return self.data() if name == "data" else self.command(name, table)
        except BadInput:
            raise
        except Exception as error:  # whatever fails is shown, and the page can go on
            self.workbench.fail("a picture" if name == "frame" else name, error)
            raise BadInput(self.workbench.failure) from error

    def command(self, name: str, table: Mapping[str, Any]) -> Any:
        """Execute a command; one that fails raises `BadInput` and changes nothing."""
        try:
            return to_jsonable(self._commands[name](_read_request(table)))
        except BadInput as error:
            raise BadInput(str(error).replace(self._folder.name + os.sep, "")) from None

    # --- the commands -------------------------------------------------------------------------------------------------

    def _change(self, request: Request) -> None:
        """Change settings; a "grid" restarts with members for each value of one key, a "criterion" judges them."""
        settings = dict(request.settings)
        criterion = settings.pop("criterion", None)
        grid = settings.pop("grid", None)
        if "optimizer.name" in settings:  # whose table has the momentum
            settings["optimizer.momentum"] = "none"
        if settings:
            self.workbench.change(settings, request.keep)
            if self.workbench.moment.recipe.configuration.data.file is None:
                self._csv = ""
        if criterion is not None:
            self.workbench.judge_by(criterion)
        if grid is not None:
            self.workbench.vary(grid)

    def _tell(self, request: Request) -> None:
        """Play a story, or without a name the recipe of the beginning, without the formulas that were typed before."""
        stories = {story["name"]: story for story in list_stories()}
        if request.name and request.name not in stories:
            raise BadInput(f"there is no story {request.name!r}; choose one of {', '.join(stories)}")
        own, notes = self._own
        story = stories.get(request.name)
        self.workbench.use_recipe(replace(own, configuration=parse_toml(story["recipe"])) if story else own)
        self._typed, self._csv, self._notes = {}, "", list(notes)
        if story and (formula := story["parts"][0].get("formula")):
            self._formula(_read_request(formula))

    def _use_own_data(self, request: Request) -> None:
        """Train on the rows of a pasted or opened table; the settings have notes on them."""
        folder = Path(self._folder.name)
        file = folder / f"your table {self.workbench.version}.csv"
        file.write_text(request.csv, encoding="utf-8")
        try:
            table = read_own_table(file, request.target or "", folder)
            self.workbench.change({**table.settings, **request.settings}, request.keep)
        except BadInput as error:
            raise BadInput(str(error).replace(file.name, "your table")) from None
        self._csv = request.csv
        self._notes = [note.replace(file.name, "your table") for note in table.notes]

    def _member(self, request: Request, moment: Present | None = None) -> int:
        """The member that a page shows, which may be gone."""
        return min(max(request.member, 0), (moment or self.workbench.moment).problem.members - 1)

    def _viewed(self, request: Request) -> tuple[Problem, State]:
        member = self._member(request)
        problem, state = self.workbench.state_at(request.step, np.array([member]))
        return self.workbench.problem_of(problem, member), state

    def _explain(self, request: Request) -> dict[str, Any]:
        """The formula of one number at the view's step, with names and with numbers."""
        from deltarule.tracing.explain import explain_update  # imported on use: the first picture comes earlier
        from deltarule.tracing.expression_text import format_index, format_significant, with_names, with_numbers

        problem, state = self._viewed(request)
        explanation = explain_update(_problem_of_sample(problem, request.sample), state)
        quantity = explanation.quantities.get(request.quantity)
        index = tuple(request.index)
        if quantity is None or quantity.rule is None or not _is_within(index, quantity.value.shape):
            raise BadInput(f"there is no formula of {format_index(request.quantity, index)}; click a unit or a weight")
        formula = quantity.formula
        value = float(quantity.value[index])
        name = quantity.name
        text = "" if formula is None else f"{format_index(name, quantity.axes)} = {with_names(formula)}"
        return {
            "name": format_index(name, index),
            "about": quantity.about,
            "formula": text,
            "numbers": f"{with_numbers(quantity.rule(*index))} = {format_significant(value, 6)}",
            "value": value,
        }

    def _formula(self, request: Request) -> dict[str, str]:
        """Use a custom activation or loss and report the check of its derivative."""
        formula, text, right = None, "", None
        require_kind(request.kind)
        if request.function is not None:
            formula = read_pair(request.kind, request.function, request.derivative)
            is_right, verdict = judge_pair(formula)
            text = verdict if is_right else f"{verdict}\n{explain_mistake(formula)}".rstrip()
            if request.beside and request.kind == "activation":
                right = right_activation(request.function)
        self.workbench.use_formula(request.kind, formula, right)
        others = {kind: pair for kind, pair in self._typed.items() if kind != request.kind}
        pair = [request.function, request.derivative, *([True] if right else [])]
        self._typed = others if formula is None else {**others, request.kind: pair}
        return {"text": text}

    def _parting(self, request: Request) -> dict[str, int | None]:
        """The update at which a network and the one with the other derivative part."""
        engine, moment = self.workbench.engine, self.workbench.moment
        if not isinstance(engine, SideBySideEngine):
            raise BadInput("no two derivatives train beside each other; type one, and train both")
        return {"step": first_parting(moment, self._member(request, moment), engine)}

    def _why(self, request: Request) -> dict[str, Any]:
        from deltarule.symptoms.report import why_not_learning

        moment = self.workbench.moment
        members = self.workbench.moment.problem.members
        steps, curves, _ = moment.past.curves(np.arange(members))
        run = Run(
            problem=moment.problem,
            engine=self.workbench.engine,
            state=moment.state,
            steps=np.full(members, moment.state.step),
            reasons=("interrupted",) * members,
            objective=moment.values["objective"],
            history=History(steps, {name: list(rows) for name, rows in curves.items()}),
            diverged=tuple(self.workbench.divergences.values()),
            seconds=0.0,
        )
        report = why_not_learning(run, [self._member(request)])
        findings = [{"code": one.code, "sentence": one.sentence, "fix": one.fix} for one in report.findings]
        return {"header": report.header, "findings": findings}

    def _export(self, request: Request) -> dict[str, str]:
        moment = self.workbench.moment
        problem, state = self._viewed(request)
        name, text = exports.export(request.kind, moment.recipe, moment.dataset, problem, state)
        return {"name": name, "text": text}


def _is_within(index: tuple[int, ...], shape: tuple[int, ...]) -> bool:
    return len(index) == len(shape) and all(0 <= place < length for place, length in zip(index, shape, strict=True))


def _read_request(table: Mapping[str, Any]) -> Request:
    try:
        return Request.model_validate(_with_whole_numbers(table))
    except ValidationError as error:
        raise BadInput(explain_error(error, Request)) from None


def _with_whole_numbers(value: Any) -> Any:
    """A value from JSON, which has one kind of numbers, with whole ones as Python's integers."""
    if isinstance(value, Mapping):
        return {key: _with_whole_numbers(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_with_whole_numbers(one) for one in value]
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) < 2**53 else value


def _problem_of_sample(problem: Problem, sample: int | None) -> Problem:
    """The problem with one row of its data as its only batch."""
    if sample is None:
        return problem
    if not 0 <= sample < len(problem.x):
        raise BadInput(f"sample is {sample}; give a row from 0 to {len(problem.x) - 1}")
    row = slice(sample, sample + 1)
    return replace(problem, x=problem.x[row], y=problem.y[row], weights=None, rows=None, batch_size=None)
