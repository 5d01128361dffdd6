"""Options and arguments that several commands share."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from deltarule.errors import BadInput
from deltarule.files import check_can_write, is_same_file

if TYPE_CHECKING:
    from deltarule.engines.base import Engine
    from deltarule.studies.recipes import Recipe


Study = Annotated[
    str, typer.Argument(metavar="STUDY", help="Name of a study (see `deltarule list`) or path of a recipe (TOML).")
]
ExperimentName = Annotated[
    str | None, typer.Option("--experiment", metavar="NAME", help="Use this experiment of the recipe.")
]
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="KEY=VALUE", help="Change a key of the recipe, e.g. --set optimizer.momentum=0.5; repeatable."
    ),
]
Seed = Annotated[int | None, typer.Option("--seed", metavar="S", help="Train one network, with this seed.")]
Seeds = Annotated[int | None, typer.Option("--seeds", metavar="N", help="Train N networks, with the seeds 0 to N − 1.")]
EngineName = Annotated[
    str | None, typer.Option("--engine", metavar="ENGINE", help="Engine: auto, reference, compiled or autograd.")
]
Device = Annotated[
    str | None,
    typer.Option("--device", metavar="D", help="PyTorch device, e.g. cuda; implies --engine autograd."),
]
Data = Annotated[Path | None, typer.Option("--data", metavar="DIR", help="Folder to search for data files first.")]
Out = Annotated[Path | None, typer.Option("--out", metavar="DIR", help="Write records and figures to this folder.")]
Separator = Annotated[
    str | None,
    typer.Option("--sep", metavar="CHARACTER", help="What separates the columns of the file, if not commas or tabs."),
]
Decimal = Annotated[
    str, typer.Option("--decimal", metavar="CHARACTER", help="Decimal point of the numbers in the file.")
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout instead of text.")]


def chosen_recipe(
    study: str,
    experiment: str | None = None,
    settings: list[str] | None = None,
    seed: int | None = None,
    seeds: int | None = None,
) -> "Recipe":
    """Load the recipe and apply the options to it."""
    from deltarule.studies.recipes import load_recipe, parse_setting, with_experiment, with_settings

    if seed is not None and seeds is not None:
        raise BadInput("--seed and --seeds are both given; name one member's seed, or how many members")
    if seed is not None and seed < 0:
        raise BadInput(f"--seed is {seed}; give a whole number of 0 or more")
    if seeds is not None and seeds < 1:
        raise BadInput(f"--seeds is {seeds}; give a whole number of 1 or more")
    recipe = load_recipe(study)
    if experiment is not None:
        recipe = with_experiment(recipe, experiment)
    if settings:
        recipe = with_settings(recipe, dict(parse_setting(setting) for setting in settings))
    if seed is not None:
        recipe = with_settings(recipe, {"run.seeds": [seed]})
    if seeds is not None:
        recipe = with_settings(recipe, {"run.seeds": seeds})
    return recipe


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


def check_output(out: Path | None, content: str, **inputs: Path | None) -> None:
    """Check before long work that a file can be written and is none of the `inputs`."""
    if out is None:
        return
    for name, path in inputs.items():
        if path is not None and is_same_file(out, path):
            raise BadInput(f"{out} is the {name} itself; give the {content} another name")
    check_can_write(out)


def how_to_resume(out: Path | None, can_resume: bool = True) -> str:
    """A sentence on how to resume an interrupted command."""
    if not can_resume:
        return "no file is left half-written; start again"
    if out is None:
        return "nothing is kept without --out; start again"
    if out.is_dir():
        return f"what was reached is kept in {out}; go on with --resume"
    return "nothing is kept yet; start again"
