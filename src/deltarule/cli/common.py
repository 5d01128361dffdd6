"""What the commands share: their options, how a study is chosen, and how a record gets onto the screen."""

import io
import json
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TextIO

import typer

from deltarule.errors import COMMANDS, BadInput
from deltarule.files import check_can_write, is_same_file

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, ConsoleRenderable, RenderableType, RenderResult
    from rich.progress import Progress as ProgressLine

    from deltarule.engines.base import Engine
    from deltarule.reports.progress import ProgressHistory
    from deltarule.studies.recipes import Recipe
    from deltarule.sweeps.sweep import SweepProgress
    from deltarule.training import train as training


def whole_number(word: str) -> int:
    """A whole number as Python's int() reads it: 1_000 is one; 0x10, 1e3 and 2.0 are none."""
    try:
        return int(word)
    except ValueError:
        raise _bad_parameter(word, "a whole number") from None


def number(word: str) -> float:
    """A number as Python's float() reads it."""
    try:
        return float(word)
    except ValueError:
        raise _bad_parameter(word, "a number") from None


def text(word: str) -> str:
    """A text that is not empty, as "$NAME" is where that is not set."""
    if not word:
        raise _bad_parameter(word, "one")
    return word


def path(word: str) -> Path:
    """A path; Python would take the empty one for the folder where one stands."""
    return Path(text(word))


def _bad_parameter(word: str, wanted: str) -> typer.BadParameter:
    """The end of a sentence, which the program begins with the name of the option or argument."""
    given = word or '""'
    return typer.BadParameter(f"is {given}; give {wanted}")


Study = Annotated[str, typer.Argument(metavar="STUDY", help="A study's name (see `deltarule list`), or a TOML file.")]
ExperimentName = Annotated[str | None, typer.Option("--experiment", metavar="NAME", help="A variant of the study.")]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help='Set a key of the recipe, as in --set "optimizer.momentum=0.5".'),
]
Seed = Annotated[int | None, typer.Option("--seed", metavar="S", help="Train the one member with this seed.")]
Seeds = Annotated[int | None, typer.Option("--seeds", metavar="N", help="Train the N seeds 0 … N − 1, a member each.")]
EngineName = Annotated[
    str | None, typer.Option("--engine", metavar="ENGINE", help="auto, reference, compiled or autograd.")
]
Device = Annotated[
    str | None,
    typer.Option("--device", metavar="D", help='Where PyTorch computes, as "cuda"; means --engine autograd.'),
]
Data = Annotated[Path | None, typer.Option("--data", metavar="DIR", help="Folder in which data files are looked for.")]
Out = Annotated[Path | None, typer.Option("--out", metavar="DIR", help="Folder to write records and curves to.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout, and nothing else there.")]
Resume = Annotated[bool, typer.Option("--resume", help="Go on from the checkpoint in the folder of --out.")]
Verbose = Annotated[bool, typer.Option("--verbose", help="Say more: the recipe's notes, what was chosen and why.")]


def chosen_recipe(
    study: str,
    experiment: str | None = None,
    settings: list[str] | None = None,
    seed: int | None = None,
    seeds: int | None = None,
) -> "Recipe":
    """The recipe that the options mean: the study, its experiment, then what is set, then the seeds."""
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
    """The engine that the options or the recipe mean: one that can be used, or "auto".

    A device is PyTorch's: where none is named, or "auto", the autograd engine computes on it.
    """
    from deltarule.engines.selection import engine

    chosen = name or recipe.configuration.run.engine
    if device is not None:
        return engine("autograd" if chosen == "auto" else chosen, device)
    if chosen != "auto":
        engine(chosen)
    return chosen


def check_output(out: Path | None, what: str, **inputs: Path | None) -> None:
    """Before minutes of work: whether a file can be written, and overwrites nothing that is read.

    Parameters: `what` it holds; `inputs`, by what they are.
    """

    if out is None:
        return
    for name, path in inputs.items():
        if path is not None and is_same_file(out, path):
            raise BadInput(f"{out} is the {name} itself; give the {what} another name")
    check_can_write(out)


def how_to_resume(out: Path | None, can_resume: bool = True) -> str:
    """What is left of a command that ended before its time, and how to go on."""
    if not can_resume:
        return "no file is left half-written; start again"
    if out is None:
        return "nothing is kept without --out; start again"
    with suppress(OSError):  # of a name that no folder can have
        if out.is_dir():
            return f"what was reached is kept in {out}; go on with --resume"
    return "nothing is kept yet; start again"


def print_json(record: Any) -> None:
    """Print a record as one JSON object on stdout."""
    from deltarule.json_files import to_jsonable

    out = data_output()
    in_ascii = not (out.encoding or "utf-8").lower().startswith("utf")  # JSON has no number as long as Python's of 😀
    text = json.dumps(to_jsonable(record), indent=2, ensure_ascii=in_ascii, allow_nan=False)
    out.write(re.sub(f"[{COMMANDS}]", lambda found: f"\\u{ord(found[0]):04x}", text) + "\n")  # within texts alone
    out.flush()


def data_output() -> TextIO:
    """Where CSV and JSON go: stdout in UTF-8, as in files, whatever the encoding of prose; a terminal keeps its own.

    A path of undecodable bytes holds lone surrogates, of which Python's backslash form is also JSON's.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        how: dict[str, Any] = {} if sys.stdout.isatty() else {"encoding": "utf-8", "newline": "\n"}
        sys.stdout.reconfigure(errors="backslashreplace", **how)
    return sys.stdout


AS_ASCII = {
    **dict(zip("\xa0\u202f−–─×·′‖", "  ---x*'|", strict=True)),
    **{"…": "...", "²": "^2", "ᵀ": "^T", "√": "sqrt", "½": "1/2", "±": "+/-", "≤": "<=", "≥": ">=", "←": "<-"},
    **{"Σ": "sum", "∂": "d", "Δ": "Delta", "α": "alpha", "β": "beta", "γ": "gamma", "δ": "delta", "ε": "epsilon"},
    **{"θ": "theta", "λ": "lambda", "ρ": "rho", "π": "pi", "η": "eta", "\u2068": "", "\u2069": ""},
}
"""What means the same as a sign that our own sentences and formulas hold."""
IN_ASCII = "deltarule.in_ascii"
"""The name of `in_ascii`, for Python's streams."""


def in_ascii(error: UnicodeError) -> tuple[str, int]:
    r"""What stands for characters that an encoding lacks: our own signs in ASCII, all others by their numbers.

    >>> import codecs
    >>> codecs.register_error(IN_ASCII, in_ascii)
    >>> print("λ‖W‖² of '猫'".encode("cp1252", IN_ASCII).decode("cp1252"))
    lambda|W|² of '\u732b'
    """
    assert isinstance(error, UnicodeEncodeError)
    lacking = error.object[error.start : error.end]
    text = "".join(AS_ASCII.get(one, one.encode("ascii", "backslashreplace").decode("ascii")) for one in lacking)
    return text, error.end


def as_written(text: str, errors: str | None = None) -> str:
    """Text with what stdout writes for characters that it lacks: for a cell of a table, which then has its width."""
    encoding = sys.stdout.encoding or "utf-8"
    return text.encode(encoding, errors or sys.stdout.errors or "strict").decode(encoding)


def name_as_written(name: str) -> str:
    """The same of a name that is the user's: whatever is lacking by its number, for λ and lambda may be two names."""
    return as_written(name, "backslashreplace")


def console(to_errors: bool = False) -> "Console":
    """Where tables go: stdout, or stderr for progress and for anything beside a JSON object."""
    from rich.console import Console

    screen = Console(stderr=to_errors, highlight=False, soft_wrap=False, markup=False, emoji=False)
    hook: Any = _OnlyText()
    screen.push_render_hook(hook)
    return screen


def is_watched(screen: "Console") -> bool:
    """Whether somebody sits in front of it: with FORCE_COLOR, rich takes any file for a terminal."""
    return screen.is_terminal and screen.file.isatty()


class _OnlyText:
    """What is printed as a terminal may show it: names from files command nothing, only rich's own styles do."""

    def process_renderables(self, renderables: "list[ConsoleRenderable]") -> "list[ConsoleRenderable]":
        """What rich is about to print, each made harmless."""
        return [_Harmless(renderable) for renderable in renderables]


class _Harmless:
    def __init__(self, inner: "RenderableType") -> None:
        self.inner = inner

    def __rich_console__(self, console: "Console", options: "ConsoleOptions") -> "RenderResult":
        from rich.segment import Segment

        from deltarule.reports.formatting import visible

        for one in console.render(self.inner, options):
            yield one if one.control else Segment(visible(one.text), one.style)


CTRL_C = "^C "
"""What a terminal shows of it beside the line of progress, and what would otherwise begin another line."""
MIN_BAR, MAX_TIME, GAPS = 4, len("0:00:00"), 4


@contextmanager
def progress_shown(what: str) -> Iterator["Callable[[training.Progress | SweepProgress], None] | None"]:
    """A line on stderr that tells how far a training or a sweep is, where a person is there to see it."""
    screen = console(to_errors=True)
    if not is_watched(screen):
        yield None
        return
    from deltarule.reports.formatting import visible
    from deltarule.reports.progress import ProgressHistory
    from deltarule.training.train import Progress as TrainingProgress

    with _line(screen) as bar:
        name, losses = visible(what), ProgressHistory()
        task = bar.add_task(name, told="", losses="")

        def tell(seen: "training.Progress | SweepProgress") -> None:
            if not isinstance(seen, TrainingProgress):
                rows = f"{seen.done:,} of {seen.rows:,} rows"
                bar.update(task, total=seen.rows, completed=seen.done + seen.under_way, told=rows)
                return
            losses.add(seen.step, seen.objective)
            called, drawn, says = _fit_progress(name, losses, seen, screen)
            bar.update(task, total=seen.limit, completed=seen.step, description=called, losses=drawn, told=says)

        yield tell


def _line(screen: "Console") -> "ProgressLine":
    """The line itself: a name, bars of the losses, how far it is, words, and the time that is left."""
    from rich.constrain import Constrain
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}", markup=False),
        TextColumn("{task.fields[losses]}", markup=False),
        BarColumn(bar_width=None),
        TextColumn("{task.fields[told]}", markup=False),
        TimeRemainingColumn(compact=True),
    )

    class Line(Progress):
        def get_renderables(self) -> "Iterator[RenderableType]":
            yield Constrain(self.make_tasks_table(self.tasks), screen.width - len(CTRL_C))

    return Line(*columns, console=screen, transient=True, expand=True)


def _fit_progress(
    name: str, losses: "ProgressHistory", seen: "training.Progress", screen: "Console"
) -> tuple[str, str, str]:
    """As much of a training's name, bars and words as the screen has room for, beside the bar and the time."""
    from deltarule.reports.progress import describe_progress

    text, line = describe_progress(seen), losses.bars(ascii_only=not screen.encoding.lower().startswith("utf"))
    short = text.partition(f", {seen.training:,} training")[0]
    room = screen.width - len(CTRL_C) - MIN_BAR - MAX_TIME - GAPS
    choices = (name, line, text), (name, "", text), (name, "", short), ("", "", short)
    return next((choice for choice in choices if sum(map(len, choice)) <= room), choices[-1])


def show_all(*renderables: "RenderableType | None") -> None:
    """Print what there is to show, a blank line between."""
    screen = console()
    for index, one in enumerate(renderable for renderable in renderables if renderable is not None):
        if index:
            screen.print()
        screen.print(one)
