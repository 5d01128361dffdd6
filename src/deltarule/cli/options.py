"""Options and arguments that several commands share."""

import functools
import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast

import typer

from deltarule.cli.output_paths import Output
from deltarule.errors import BadInput

if TYPE_CHECKING:
    from deltarule.engines.base import Engine
    from deltarule.recipes import Recipe
    from deltarule.tables.reader import TextFormat


def option(name: str, help: str, metavar: str | None = None, min: int | None = None, max: int | None = None) -> Any:
    return typer.Option(name, metavar=metavar, help=help, min=min, max=max)


def argument(metavar: str, help: str) -> Any:
    return typer.Argument(metavar=metavar, help=help)


STUDY = argument("STUDY", "Name of a study (see `deltarule list`) or path of a recipe (TOML).")
Study = Annotated[str, STUDY]
ExperimentNames = Annotated[
    list[str] | None,
    option("--experiment", "Use this experiment of the recipe; repeatable, later ones override earlier.", "NAME"),
]
Settings = Annotated[list[str] | None, option("--set", "Set a key of the recipe, in TOML; repeatable.", "KEY=VALUE")]
Seed = Annotated[int | None, option("--seed", "Train one network, with this seed.", "S")]
Seeds = Annotated[int | None, option("--seeds", "Train N networks, with the seeds 0 to N − 1.", "N")]
EngineName = Annotated[
    str | None,
    option("--engine", "Engine: reference, compiled, cuda or autograd; auto chooses by the amount of work.", "ENGINE"),
]
Device = Annotated[str | None, option("--device", "PyTorch device, e.g. cuda; implies --engine autograd.", "D")]
Data = Annotated[Path | None, option("--data", "Folder to search for data files first.", "DIR")]
Out = Annotated[
    Path | None, option("--out", "Write records and figures to this folder.", "DIR"), Output("records", is_folder=True)
]
Separator = Annotated[
    str | None,
    option("--sep", "What separates columns; default: what splits most lines into equally many cells.", "CHARACTER"),
]
Decimal = Annotated[
    str | None,
    option("--decimal", "Decimal point of the numbers; default: a point, or a comma with --thousands .", "CHARACTER"),
]
Thousands = Annotated[
    str | None,
    option("--thousands", "What separates thousands; default: any mark between groups of three digits.", "CHARACTER"),
]
Dates = Annotated[
    Literal["day-first", "month-first"] | None,
    option("--dates", "How dates such as 01/02/2021 begin, if no column shows it."),
]
Encoding = Annotated[
    str | None, option("--encoding", "Encoding of the text; default: UTF-8 or UTF-16, else cp1252 with a note.", "NAME")
]
Sheet = Annotated[
    str | None, option("--sheet", "Sheet of a workbook, its name or number; default: the first.", "SHEET")
]
Skip = Annotated[
    int | None,
    option("--skip", "Leave out N lines above the names of the columns; default: what looks like a title.", "N", min=0),
]
Resume = Annotated[bool, option("--resume", "Continue what is in the --out folder.")]
Json = Annotated[bool, option("--json", "Print one JSON object on stdout instead of text.")]


def grouped(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options of its groups as parameters; a group is a parameter that is a dataclass of options."""
    groups: dict[str, Any] = {}
    parameters: list[inspect.Parameter] = []
    for name, parameter in inspect.signature(command).parameters.items():
        if is_dataclass(group := parameter.annotation):
            groups[name] = group
            parameters += inspect.signature(cast("Callable[..., Any]", group)).parameters.values()
        else:
            parameters.append(parameter)

    @functools.wraps(command)
    def run_command(**arguments: Any) -> Any:
        for name, group in groups.items():
            arguments[name] = group(**{field.name: arguments.pop(field.name) for field in fields(group)})
        return command(**arguments)

    kind = inspect.Parameter.KEYWORD_ONLY
    signature = inspect.Signature([parameter.replace(kind=kind) for parameter in parameters])
    run_command.__signature__ = signature  # type: ignore[attr-defined]
    run_command.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return run_command


@dataclass(frozen=True)
class RecipeOptions:
    """The options that choose a recipe."""

    study: Study
    experiment: ExperimentNames = None
    set: Settings = None
    seed: Seed = None
    seeds: Seeds = None

    def recipe(self) -> "Recipe":
        return chosen_recipe(self.study, self.experiment, self.set, self.seed, self.seeds)


@dataclass(frozen=True)
class TextOptions:
    """The options that say how a table's text is read."""

    sep: Separator = None
    decimal: Decimal = None
    thousands: Thousands = None
    encoding: Encoding = None
    sheet: Sheet = None
    skip: Skip = None

    def text_format(self) -> "TextFormat":
        from deltarule.tables.reader import TextFormat

        return TextFormat(self.sep, self.decimal, self.thousands, self.encoding, self.sheet, self.skip)


def chosen_recipe(
    study: str,
    experiments: Sequence[str] | None = None,
    settings: list[str] | None = None,
    seed: int | None = None,
    seeds: int | None = None,
) -> "Recipe":
    from deltarule.recipes import load_recipe, parse_setting, with_experiment, with_settings

    if seed is not None and seeds is not None:
        raise BadInput("--seed and --seeds are both given; name one member's seed, or how many members")
    recipe = load_recipe(study)
    for experiment in experiments or ():
        recipe = with_experiment(recipe, experiment)
    changes = dict(map(parse_setting, settings or ()))
    if seed is not None:
        changes["run.seeds"] = [seed]
    if seeds is not None:
        changes["run.seeds"] = seeds
    return with_settings(recipe, changes) if changes else recipe


def chosen_engine(name: str | None, recipe: "Recipe", device: str | None = None) -> "Engine | str":
    """The engine's name by option or recipe, or the engine loaded for a device.

    `train` chooses for "auto". A device is one of PyTorch's and implies the autograd engine.
    """
    from deltarule.engines.selection import engine

    chosen = name or recipe.configuration.run.engine
    if device is not None:
        return engine("autograd" if chosen == "auto" else chosen, device)
    if chosen != "auto":
        engine(chosen)
    return chosen


def check_resume(resume: bool, out: Path | None) -> None:
    if resume and out is None:
        raise BadInput("--resume continues what is in the folder of --out; name that folder too")


def how_to_resume(out: Path | None, can_resume: bool = True) -> str:
    if not can_resume:
        return "no file is left half-written; start again"
    if out is None:
        return "nothing is kept without --out; start again"
    if out.is_dir():
        return f"what was reached is kept in {out}; continue with --resume"
    return "nothing is kept yet; start again"
