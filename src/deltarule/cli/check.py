"""`deltarule check`: check a script that trains, the gradient of a user's code, or that of a study."""

import sys
from contextlib import redirect_stdout
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from deltarule.checking.hints import MAX_HINT
from deltarule.cli.options import Data, ExperimentNames, Json, Seed, Settings, argument, chosen_recipe, option
from deltarule.cli.output import Result, console, remark, show_elapsed_time
from deltarule.errors import BadInput, count_of

if TYPE_CHECKING:
    from deltarule.checking.report import CodeReport
    from deltarule.checking.scripts.report import ScriptReport

OWN = "MODULE:NAME"
Target = Annotated[
    str | None,
    argument("FILE", "A script that trains or a notebook; or a study (`deltarule list`), or a recipe (TOML)."),
]
Arguments = Annotated[list[str] | None, argument("ARGUMENTS", "Of a script, after `--`: what it finds in `sys.argv`.")]
Function = Annotated[str | None, option("--function", "Your own code: NAME() returns (loss, gradient, params).", OWN)]
LikeOption = Annotated[str | None, option("--like", "What it is meant to be: NAME() returns (network, x, y).", OWN)]
LossOption = Annotated[str | None, option("--loss", "The variable of the script that is the loss.", "NAME")]
Seconds = Annotated[int | None, option("--seconds", "How long a script may take; default: 30.", "S", min=1)]
Hint = Annotated[
    int | None,
    option("--hint", "0 verdict, 1 arrays, 2 kind of mistake, 3 line, 4 correction (default).", "N", min=0, max=4),
]


def check(
    file: Target = None,
    arguments: Arguments = None,
    experiment: ExperimentNames = None,
    set: Settings = None,
    seed: Seed = None,
    data: Data = None,
    function: Function = None,
    loss: LossOption = None,
    hint: Hint = None,
    like: LikeOption = None,
    seconds: Seconds = None,
    json: Json = False,
) -> Result:
    """Run a script that trains as it is, and check that what it updates follows the gradient of its loss.

    With --function check the gradient of your own function, and find the mistake in it. Of a study or recipe the
    gradient is compared with differences, the complex step and PyTorch.
    """
    study = file
    if (study is None) == (function is None):
        given = "both are given" if study else "neither is given"
        raise BadInput(f"give a script or a study, or your own code with --function; {given}")
    of_studies = {"--experiment": experiment, "--set": set, "--seed": seed, "--data": data}
    if study is not None and study.lower().endswith((".py", ".ipynb")):
        _refuse_options({"--like": like, **of_studies}, "is not for a script; leave it out")
        if loss is None and (public := Path(study).with_name("public_checks.json")).is_file():
            return _check_publicly(Path(study), public, hint)
        return _check_script(Path(study), loss, seconds, hint, arguments or [])
    _refuse_options({"--loss": loss, "--seconds": seconds, "arguments": arguments}, "is for a script; leave it out")
    report: CodeReport
    if function is None:
        _refuse_options({"--hint": hint, "--like": like}, "is for your own code; give --function too")
        report = _check_study(str(study), experiment, set, seed, data)
    else:
        _refuse_options(of_studies, "is for studies; leave it out with --function")
        report = _check_user_code(function, hint, like)
    return _check_result(report)


def _check_result(report: "CodeReport | ScriptReport") -> Result:
    """The report with the verdict, the line as it stands and the line to write in colors."""
    from rich.text import Text

    text = Text(report.text(console().width))
    for pattern, style in _COLORS.items():
        text.highlight_regex(pattern, style)
    return Result(report, [text], 0 if report.ok else 1, text.plain.splitlines()[0])


_COLORS = {
    r"^right( up to a factor)?(?=  )|(?<=: )right$": "bold green",
    r"(?m)^WRONG.*|: WRONG$|^ +line \d+ .*$": "bold red",
    r"^not proved|(?<=: )not proved$|^right for another loss": "bold yellow",
    r"(?m)^ *(try|and line \d+)  .*$": "green",
}


def _check_publicly(path: Path, public: Path, hint: int | None) -> Result:
    """Make the checks that a teacher handed out with a task."""
    from deltarule.checking.check_any import modules_beside
    from deltarule.grading.results import feedback, to_json
    from deltarule.grading.starter import check_publicly

    if not path.is_file():
        raise BadInput(f"there is no file {path}")
    with redirect_stdout(sys.stderr), modules_beside(path.parent), show_elapsed_time(f"{path.name} is checked"):
        record = check_publicly(path, public)
    if hint is not None:  # never more than the teacher allows
        record = replace(record, hint=min(hint, record.hint))
    lines = [f"{record.title}: {count_of(len(record.submissions[0].checks), 'public check')}"]
    [result] = record.submissions
    for check, test in zip(result.checks, feedback(record, result, "points"), strict=True):
        quoted = [check.line] if check.line and record.hint >= 3 else []
        about = "\n    ".join([*test["output"].splitlines(), *quoted])
        lines.append(
            f"{'right' if check.points == check.max_points else 'wrong'}  {test['name']}\n    {about}".rstrip()
        )
    right = sum(check.points == check.max_points for check in result.checks)
    lines.append(f"{right} of {len(result.checks)} are right")
    return Result(to_json(record), lines, 0 if right == len(result.checks) else 1)


def _check_script(path: Path, loss: str | None, seconds: int | None, hint: int | None, arguments: list[str]) -> Result:
    from deltarule.checking.scripts.own_process import checking_process

    hint = MAX_HINT if hint is None else hint
    report: CodeReport | ScriptReport
    process = checking_process(path, loss, seconds, hint, arguments)
    with process as wait, show_elapsed_time(f"{path.name} runs and is checked"):
        from deltarule.checking.scripts.check_script import NoTraining, report_of  # while the script runs

        try:
            report = report_of(path, wait()).limited(hint)
        except NoTraining as problem:  # all other checks are imported only here
            from deltarule.checking.check_any import check_definitions

            report = check_definitions(path, hint, problem)
    return _check_result(report)


def _refuse_options(options: dict[str, Any], reason: str) -> None:
    for name, value in options.items():
        if value is not None:
            raise BadInput(f"{name} {reason}")


def _check_study(
    study: str, experiments: list[str] | None, settings: list[str] | None, seed: int | None, data: Path | None
) -> "CodeReport":
    from deltarule.checking.problem_gradient import check_problem
    from deltarule.recipes import dataset_of, problem_of

    recipe = chosen_recipe(study, experiments, settings, seed)
    problem = problem_of(recipe, dataset_of(recipe, data), seeds=None if seed is None else [seed])
    with show_elapsed_time(f"the gradient of {study} is checked"):
        return check_problem(problem)


def _check_user_code(name: str, hint: int | None, like: str | None) -> "CodeReport":
    from deltarule.checking.check import check_gradient
    from deltarule.checking.check_any import modules_beside

    module, attribute = _split_function_name("--function", name)
    network_function = None if like is None else _split_function_name("--like", like)
    remark([f"Running the code in {module}, to check {attribute}."])
    with redirect_stdout(sys.stderr), modules_beside(Path.cwd()):  # what the code prints is not part of the report
        loss, gradient, params = _call_for_three(module, attribute, "loss, gradient (or None) and params")
        options: dict[str, Any] = {} if hint is None else {"hint": hint}
        if network_function is not None:
            network, x, y = _call_for_three(*network_function, "network, x and y")
            options |= {"like": network, "x": x, "y": y}
        with show_elapsed_time("the gradient is checked"):
            return check_gradient(loss, gradient, params, **options)


def _split_function_name(option: str, name: str) -> tuple[str, str]:
    """Split package.module:name into module and name."""
    module, colon, attribute = name.rpartition(":")
    if not colon or not module or not attribute:
        raise BadInput(f"{option} is '{name}'; give the module and the function's name, as package.module:name")
    if module.endswith((".py", ".ipynb")) or not module.replace(".", "_").isidentifier():
        raise BadInput(f"{option} names a file; give a module, as {Path(module).stem}:{attribute}, where the file lies")
    return module, attribute


def _call_for_three(module: str, attribute: str, content: str) -> Any:
    """Import and call a user's function, and return its three results."""
    from deltarule.user_functions import call_user_function

    function = getattr(call_user_function(import_module, (module,), {}, f"importing {module}"), attribute, None)
    if not callable(function):
        raise BadInput(f"the module {module} has no function '{attribute}'; give one that returns {content}")
    returned = call_user_function(function, (), {}, attribute)
    if not isinstance(returned, tuple | list) or len(returned) != 3:
        raise BadInput(f"{attribute}() has to return three things: {content}")
    return returned
