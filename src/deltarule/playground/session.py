"""A session, which executes the commands of a page on its workbench."""

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from deltarule.data.dataset import Dataset
from deltarule.errors import BadInput, short_repr
from deltarule.json_files import to_jsonable
from deltarule.playground import exports, picture
from deltarule.playground.custom_formulas import check_kind, check_pair, read_pair
from deltarule.playground.picture import View
from deltarule.playground.playable import list_stories, numeric_table
from deltarule.playground.population import recipe_of_configuration
from deltarule.playground.settings import describe_settings
from deltarule.playground.view_axes import ViewAxes, view_axes
from deltarule.playground.workbench import Workbench
from deltarule.problem.configuration import parse_toml
from deltarule.problem.error_messages import as_toml
from deltarule.problem.problem import Problem
from deltarule.studies.recipes import Recipe
from deltarule.training.populations import seeds_of

MAX_UPDATES_AT_ONCE = 100_000
"""Updates that a command can ask for: a wrong number from the page should not keep the engine busy for hours."""


class Session:
    """A workbench with the axes of its plane and a folder for the user's data."""

    def __init__(self, recipe: Recipe, folder: "tempfile.TemporaryDirectory[str]") -> None:
        self.workbench = Workbench(recipe)
        self._folder = folder
        self._columns: list[int] | None = None
        self._axes: tuple[Dataset, ViewAxes] | None = None
        self._commands: dict[str, Callable[[Mapping[str, Any]], Any]] = {
            "settings": lambda table: self.settings(),
            "play": self._play,
            "pause": lambda table: self.workbench.pause(),
            "toggle": self._toggle,
            "step": self._step,
            "epoch": lambda table: self.workbench.advance_epoch(),
            "reset": lambda table: self.workbench.reset(),
            "change": self._change,
            "vary": self._vary,
            "reseed": self._reseed,
            "stories": lambda table: list_stories(),
            "recipe": self._use_recipe,
            "own-data": self._use_own_data,
            "axes": self._choose_axes,
            "explain": self._explain,
            "formula": self._formula,
            "why": self._why,
            "export": self._export,
        }

    def close(self) -> None:
        """End the training, and delete the copy of the user's data."""
        self.workbench.close()
        self._folder.cleanup()

    @property
    def axes(self) -> ViewAxes:
        """The axes of the plane, for the current data."""
        return self._axes_of(self.workbench.moment.dataset)

    def _axes_of(self, dataset: Dataset) -> ViewAxes:
        """The chosen or default axes of a data set."""
        if self._axes is None or self._axes[0] is not dataset:
            if self._columns is not None and max(self._columns) >= dataset.inputs:
                self._columns = None
            chosen = view_axes(np.asarray(dataset.train.x, np.float64), dataset.features, self._columns)
            self._axes = dataset, chosen
            return chosen
        return self._axes[1]

    def frame(self, table: Mapping[str, Any], timeout: float = 0.0) -> bytes:
        """Draw the view that a page requests, as a frame."""
        seen = table.get("seen")
        if isinstance(seen, list) and timeout:
            self.workbench.wait_for_change(seen, timeout)
        moment = self.workbench.moment  # the data may be changed while it is drawn
        view = View.parse(table, moment.problem.members)
        frame = picture.encode(*picture.draw(self.workbench, self._axes_of(moment.dataset), view, moment))
        self.workbench.load_engine()
        return frame

    def data(self) -> bytes:
        """The points of the data that the page draws, and their names, as a frame."""
        dataset = self.workbench.moment.dataset
        return picture.encode(*picture.describe_data(dataset, self._axes_of(dataset)))

    def settings(self) -> dict[str, Any]:
        """The current settings, and the allowed values of each."""
        return describe_settings(self.workbench.moment.recipe, self.workbench.moment.problem)

    def respond(self, name: str, table: Mapping[str, Any], timeout: float = 0.0) -> Any:
        """Answer the page with bytes or with the JSON values of a command.

        Raises `BadInput` with what the page shows, also for an error that should not happen; then training pauses.
        """
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
        """Execute a command of the page and return its JSON values.

        Raises `BadInput`, with nothing changed, for a command that does not exist or fails.
        """
        if name not in self._commands:
            raise BadInput(f"there is no command {short_repr(name)}; there are: {', '.join(self._commands)}")
        return to_jsonable(self._commands[name](table))

    # --- the commands -------------------------------------------------------------------------------------------------

    def _play(self, table: Mapping[str, Any]) -> None:
        speed = table.get("updates_per_second")
        if speed is not None and (isinstance(speed, bool) or not isinstance(speed, int | float) or not speed > 0):
            raise BadInput(f"updates_per_second is {short_repr(speed)}; give a number above 0, or null for no limit")
        self.workbench.play(np.inf if speed is None else speed)

    def _toggle(self, table: Mapping[str, Any]) -> None:
        if self.workbench.is_playing:  # the page may not know yet
            self.workbench.pause()
        else:
            self._play(table)

    def _step(self, table: Mapping[str, Any]) -> None:
        updates = table.get("updates", 1)
        if isinstance(updates, bool) or not isinstance(updates, int) or not 1 <= updates <= MAX_UPDATES_AT_ONCE:
            raise BadInput(f"updates is {short_repr(updates)}; give a whole number from 1 to {MAX_UPDATES_AT_ONCE:,}")
        self.workbench.advance(updates)

    def _change(self, table: Mapping[str, Any]) -> None:
        self.workbench.change(_table_of(table, "settings"))

    def _vary(self, table: Mapping[str, Any]) -> None:
        """Restart with members for each of the `values` of one `key`."""
        key, values = table.get("key"), table.get("values")
        recipe = self.workbench.moment.recipe
        toml = exports.recipe_toml(recipe.configuration.model_copy(update={"grid": {}}))
        if key:
            if not isinstance(key, str) or not isinstance(values, list):
                raise BadInput(f"key and values are {short_repr((key, values))}; give a key and a list")
            toml += f'\n[grid]\n"{key}" = {as_toml(values)}\n'
        self._use_recipe({"recipe": toml})

    def _reseed(self, table: Mapping[str, Any]) -> None:
        seeds = seeds_of(self.workbench.moment.recipe.configuration)
        first = max(seeds) + 1
        self.workbench.change({"run.seeds": list(range(first, first + len(seeds)))})

    def _use_recipe(self, table: Mapping[str, Any]) -> None:
        configuration = parse_toml(_text_of(table, "recipe"))
        old = self.workbench.moment.recipe
        self.workbench.use_recipe(recipe_of_configuration(configuration, old.name, old.folder))

    def _use_own_data(self, table: Mapping[str, Any]) -> None:
        """Train on a user's table, given as the text of a CSV file."""
        text = _text_of(table, "csv")
        target = table.get("target") or text.strip().partition("\n")[0].rpartition(",")[2].strip().strip('"')
        file = Path(self._folder.name) / f"data-{self.workbench.version}.csv"
        file.write_text(text, encoding="utf-8")
        file = numeric_table(file, target, Path(self._folder.name))
        settings = {"data.file": str(file), "data.target": target, "data.name": "none"}
        self.workbench.change({**settings, **_table_of(table, "settings")})

    def _choose_axes(self, table: Mapping[str, Any]) -> None:
        """Use two `columns`, or the default axes, as the axes of the plane."""
        columns, dataset = table.get("columns"), self.workbench.moment.dataset
        if columns is not None and not (isinstance(columns, list) and all(type(column) is int for column in columns)):
            raise BadInput(f"columns is {short_repr(columns)}; give two numbers of columns, or null")
        chosen = view_axes(np.asarray(dataset.train.x, np.float64), dataset.features, columns)
        self._columns, self._axes = columns, (dataset, chosen)
        self.workbench.draw_again()

    def _explain(self, table: Mapping[str, Any]) -> dict[str, Any]:
        """The formula of one number at the view's step, with names and with numbers."""
        from deltarule.tracing.explain import explain_update  # imported on use: the first picture comes earlier
        from deltarule.tracing.expression_text import format_index, format_significant, with_names, with_numbers

        view = View.parse(table, self.workbench.moment.problem.members)
        problem, state = self.workbench.state_at(view.step, np.array([view.member]))
        explanation = explain_update(_problem_of_sample(problem, table.get("sample")), state)
        name, index = table.get("quantity"), table.get("index", [])
        quantity = explanation.quantities.get(str(name))
        if quantity is None or quantity.rule is None:
            raise BadInput(f"there is no formula of {short_repr(name)}; there are: {', '.join(explanation.quantities)}")
        shape = quantity.value.shape
        is_index = isinstance(index, list) and all(type(entry) is int for entry in index)
        if not is_index or tuple(index) not in np.ndindex(shape):
            raise BadInput(f"the index of {name} is {short_repr(index)}; give one inside {list(shape)}")
        formula, value = quantity.formula, float(quantity.value[tuple(index)])
        text = "" if formula is None else f"{format_index(quantity.name, quantity.axes)} = {with_names(formula)}"
        return {
            "name": format_index(quantity.name, tuple(index)),
            "about": quantity.about,
            "formula": text,
            "numbers": f"{with_numbers(quantity.rule(*index))} = {format_significant(value, 6)}",
            "value": value,
            "step": state.step,
            "rows": len(explanation.rows),
        }

    def _formula(self, table: Mapping[str, Any]) -> dict[str, str]:
        """Use a custom activation or loss and report the check of its derivative."""
        kind = check_kind(table.get("kind"))
        if table.get("function") is None:
            self.workbench.use_formula(kind, None)
            return {"verdict": "", "text": ""}
        formula = read_pair(kind, table.get("function"), table.get("derivative"))
        report = check_pair(formula)
        self.workbench.use_formula(kind, formula)
        return {"verdict": report.verdict, "text": str(report)}

    def _why(self, table: Mapping[str, Any]) -> dict[str, Any]:
        """Explain why a member does not learn: the findings of `why_not_learning`."""
        from deltarule.symptoms.report import why_not_learning

        run = self.workbench.run()
        report = why_not_learning(run, [View.parse(table, run.problem.members).member])
        return {
            "header": report.header,
            "findings": [{"code": one.code, "sentence": one.sentence, "fix": one.fix} for one in report.findings],
        }

    def _export(self, table: Mapping[str, Any]) -> dict[str, str]:
        """Export the view's member as a file of some `kind`: its name and its text."""
        moment = self.workbench.moment
        view = View.parse(table, moment.problem.members)
        problem, state = self.workbench.state_at(view.step, np.array([view.member]))
        name, text = exports.export(str(table.get("kind")), moment.recipe, moment.dataset, problem, state)
        return {"name": name, "text": text}


def _problem_of_sample(problem: Problem, sample: Any) -> Problem:
    """The problem with one row of its data as its only batch."""
    if sample is None:
        return problem
    if type(sample) is not int or not 0 <= sample < len(problem.x):
        raise BadInput(f"sample is {short_repr(sample)}; give a row from 0 to {len(problem.x) - 1}")
    row = slice(sample, sample + 1)
    return replace(problem, x=problem.x[row], y=problem.y[row], weights=None, rows=None, batch_size=None)


def _text_of(table: Mapping[str, Any], name: str) -> str:
    text = table.get(name)
    if not isinstance(text, str) or not text.strip():
        raise BadInput(f"{name} is {short_repr(text)}; give a text")
    return text


def _table_of(table: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = table.get(name, {})
    if not isinstance(value, Mapping):
        raise BadInput(f"{name} is {short_repr(value)}; give a table")
    return value
