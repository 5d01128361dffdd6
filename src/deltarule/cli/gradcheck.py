"""`deltarule gradcheck`: check the gradient of a study or of a user's code."""

import re
import sys
from collections.abc import Iterator
from contextlib import redirect_stdout
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from deltarule.checking.gradient_report import ARE_TEXTS, HEAD, GradientReport, parts
from deltarule.cli.options import Data, ExperimentName, Json, Seed, Settings, chosen_recipe
from deltarule.cli.output import Result, console, is_watched, print_json, show, show_elapsed_time
from deltarule.errors import BadInput
from deltarule.files import is_same_file
from deltarule.reports.table import Column, table

if TYPE_CHECKING:
    from rich.console import RenderableType

    from deltarule.checking.report import CodeReport

Study = Annotated[
    str | None,
    typer.Argument(metavar="STUDY", help="Name of a study (see `deltarule list`) or path of a recipe (TOML)."),
]
Function = Annotated[
    str | None,
    typer.Option(
        "--function",
        metavar="MODULE:NAME",
        help="Check your own code: NAME() returns (loss, gradient, params). This runs the code.",
    ),
]
LikeOption = Annotated[
    str | None,
    typer.Option(
        "--like",
        metavar="MODULE:NAME",
        help="With --function, the network that the code is meant to be: NAME() returns (network, x, y).",
    ),
]
Hint = Annotated[
    str | None,
    typer.Option(
        "--hint", metavar="LEVEL", help="With --function, how much to reveal: pass, where, kind or fix (everything)."
    ),
]


def gradcheck(
    study: Study = None,
    experiment: ExperimentName = None,
    set: Settings = None,
    seed: Seed = None,
    data: Data = None,
    function: Function = None,
    hint: Hint = None,
    like: LikeOption = None,
    json: Json = False,
) -> Result:
    """Compare a study's gradient with differences, the complex step and PyTorch.

    With --function, check the gradient of your own code and find the mistake in it.
    """
    if (study is None) == (function is None):
        given = "both are given" if study else "neither is given"
        raise BadInput(f"give a study, or your own code with --function; {given}")
    unfit: dict[str, Any] = {"--hint": hint, "--like": like}
    advice = "is for your own code; give --function too"
    if function is not None:
        unfit = {"--experiment": experiment, "--set": set, "--seed": seed, "--data": data}
        advice = "is for studies; leave it out with --function"
    for option, value in unfit.items():
        if value is not None:
            raise BadInput(f"{option} {advice}")
    if function is None:
        gradient_report = _check_study(str(study), experiment, set, seed, data)
        is_screen = is_watched(console())
        shown = _report_lines(gradient_report) if is_screen else [str(gradient_report)]
        return Result(gradient_report, shown, 0 if gradient_report.ok else 1)
    try:
        report = _check_user_code(function, hint or "fix", like)
    except BadInput as error:
        if json:
            print_json({"what": "gradient", "ok": False, "error": str(error)})
        raise
    return Result(report, [report.text(console().width)], 0 if report.ok else 1)


def _check_study(
    study: str, experiment: str | None, settings: list[str] | None, seed: int | None, data: Path | None
) -> GradientReport:
    """Check the gradient of the networks that a study trains."""
    from deltarule.checking.problem_gradient import check_problem
    from deltarule.studies.recipes import dataset_of, problem_of

    recipe = chosen_recipe(study, experiment, settings, seed)
    problem = problem_of(recipe, dataset_of(recipe, data), seeds=None if seed is None else [seed])
    with show_elapsed_time(f"the gradient of {study} is checked"):
        return check_problem(problem)


def _report_lines(report: GradientReport) -> "Iterator[RenderableType]":
    header, rows, remarks = parts(report)
    yield header
    if rows:
        yield table([Column(name, is_text) for name, is_text in zip(HEAD, ARE_TEXTS, strict=True)], rows)
    yield from remarks


def _check_user_code(name: str, hint: str, like: str | None) -> "CodeReport":
    """Run a user's function `name` and check its gradient."""
    from deltarule.checking.check import check_gradient
    from deltarule.checking.report import validate_hint

    validate_hint(hint)
    module, attribute = _split_function_name("--function", name)
    network_function = None if like is None else _split_function_name("--like", like)
    show([f"Running the code in {module}, to check {attribute}."], to_errors=True)
    folder = str(Path.cwd())
    sys.path.insert(0, folder)  # a user's module is usually in the current folder
    try:
        with redirect_stdout(sys.stderr):  # what the code prints is not part of the report
            loss, gradient, params = _call_for_three(module, attribute, "loss, gradient (or None) and params")
            options: dict[str, Any] = {}
            if network_function is not None:
                network, x, y = _call_for_three(*network_function, "network, x and y")
                options = {"like": network, "x": x, "y": y}
            with show_elapsed_time("the gradient is checked"):
                return check_gradient(loss, gradient, params, hint=hint, **options)
    finally:
        sys.path.remove(folder)


def _split_function_name(option: str, name: str) -> tuple[str, str]:
    """Split package.module:name into module and name."""
    module, colon, attribute = name.rpartition(":")
    if not colon or not module or not attribute:
        raise BadInput(f"{option} is '{name}'; give the module and the function's name, as package.module:name")
    if module.endswith(".ipynb"):
        raise BadInput(f"{module} is a notebook; call check_gradient in it, or give a module, as package.module:name")
    if module.endswith(".py") or module[0] == "." or "/" in module or "\\" in module:
        stem = re.split(r"[/\\\\]", module.removesuffix(".py"))[-1]
        raise BadInput(f"{option} names a file; give its module, as {stem}:{attribute}, and run it where the file lies")
    return module, attribute


def _check_is_importable(module: str) -> None:
    """Refuse a module that is hidden by an already loaded one of the same name."""
    first = module.partition(".")[0]
    local, loaded = Path(f"{first}.py"), sys.modules.get(first)
    if local.exists() and loaded is not None:
        file = getattr(loaded, "__file__", None) or "Python itself"
        if not is_same_file(file, local):
            raise BadInput(f"{local} is not read, as the name {first} is that of {file}; rename it")


def _call_for_three(module: str, attribute: str, content: str) -> Any:
    """Import and call a user's function, and return its three results."""
    from deltarule.user_functions import call_user_function

    _check_is_importable(module)
    try:
        function = call_user_function(import_module, (module,), {}, f"importing {module}")
    except BadInput as error:
        cause = error.__cause__
        if isinstance(cause, ModuleNotFoundError) and f"{module}.".startswith(f"{cause.name}."):
            raise BadInput(
                f"there is no module '{cause.name}'; give one in this folder, or one that is installed"
            ) from None
        raise
    for part in attribute.split("."):
        if not hasattr(function, part):
            raise BadInput(f"the module {module} has no '{attribute}'")
        function = getattr(function, part)
    if not callable(function):
        content = content.replace(" (or None)", "")
        raise BadInput(f"{attribute} is {type(function).__name__}; give a function that returns {content}")
    returned = call_user_function(function, (), {}, attribute)
    if not isinstance(returned, tuple | list) or len(returned) != 3:
        raise BadInput(f"{attribute}() has to return three things: {content}")
    return returned
