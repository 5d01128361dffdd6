"""Run a command, from its arguments to its exit status."""

import functools
import inspect
import logging
import os
import sys
from collections.abc import Callable, Collection, Mapping
from pkgutil import resolve_name
from typing import Annotated, Any

import typer

import deltarule
from deltarule import platforms
from deltarule.cli.options import how_to_resume, option
from deltarule.cli.output import IS_QUIET, Result, print_json, show, show_last_line
from deltarule.cli.output_paths import check_outputs
from deltarule.errors import (
    DISK_TROUBLE,
    FREE_SPACE,
    INTERRUPTED,
    BadInput,
    DeltaruleError,
    RunFailed,
    is_interruption,
    is_out_of_memory,
    one_line,
)

Quiet = Annotated[bool, option("--quiet", "Print the result in one line, and no progress.")]


def _runner(command: Callable[..., Result | None]) -> Callable[..., int]:
    """Wrap a command, so that it takes `--quiet`, its result is shown and its early end explained."""

    @functools.wraps(command)
    def run_command(quiet: bool, **arguments: Any) -> int:
        """Run the command, and raise an error with advice if it ends early."""
        before = IS_QUIET.set(quiet)
        try:
            check_outputs(command, arguments)
            result = command(**arguments) or Result(None)
            _print_result(result, quiet, bool(arguments.get("json")))
            return result.status
        except SystemExit as end:
            if isinstance(end.__context__, BrokenPipeError):  # from rich, when the reader of our output has gone
                raise
            # A user's code called exit: this must not look like our own status.
            raise BadInput("the code that was run ended the program; take the call of exit out of it") from None
        except (Exception, KeyboardInterrupt) as error:
            if sentence := _explain_end(error, arguments):
                raise RunFailed(sentence) from (None if is_interruption(error) else error)
            raise
        finally:
            IS_QUIET.reset(before)

    signature = inspect.signature(command)
    kind = inspect.Parameter.KEYWORD_ONLY
    parameters = [*signature.parameters.values(), inspect.Parameter("quiet", kind, default=False, annotation=Quiet)]
    run_command.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    run_command.__annotations__ = {**command.__annotations__, "quiet": Quiet}
    return run_command


def _print_result(result: Result, quiet: bool, as_json: bool) -> None:
    if as_json:
        if result.record is not None:
            print_json(result.record)
    elif quiet:
        show_last_line(result.shown if result.verdict is None else [result.verdict])
    else:
        show(result.shown)


def _explain_end(error: BaseException, arguments: Mapping[str, Any]) -> str:
    """What ended a command early, and what to do; "" for errors that say so themselves."""
    advice = how_to_resume(arguments.get("out"), "resume" in arguments)
    if is_interruption(error):  # Typer would end without a message
        return f"interrupted; {advice}"
    if is_out_of_memory(error) and not isinstance(error, DeltaruleError):
        return f"there is not enough memory for this; {advice}"
    if isinstance(error, RunFailed) and str(error).endswith(FREE_SPACE) and arguments.get("resume") is not None:
        return f"{error}, or continue with --resume where there is a checkpoint"
    return ""


def _print_version(is_asked: bool) -> None:
    if is_asked:
        print(f"deltarule {deltarule.__version__}")
        raise typer.Exit


Version = Annotated[bool, typer.Option("--version", help="Print the version.", callback=_print_version, is_eager=True)]


def options_of_the_program(version: Version = False) -> None:
    """Train, prove and see multi-layer perceptrons."""


GROUPS: dict[str, dict[str, str]] = {
    "Learn and see: deltarule play": {
        "play": "machine:play",
        "learn": "machine:learn",
        "explain": "run:explain",
    },
    "Check and grade: deltarule check train.py": {
        "check": "check:check",
        "grade": "grade:grade",
    },
    "Tables: deltarule train table.csv --target price": {
        "train": "train:train",
        "predict": "models:predict",
        "evaluate": "models:evaluate",
        "export": "models:export",
    },
    "Studies and sweeps: deltarule run encoder": {
        "list": "studies:list_studies",
        "show": "studies:show_recipe",
        "run": "run:run",
        "sweep": "sweep:sweep",
        "lr-range": "run:lr_range",
        "claims": "studies:claims",
        "reproduce": "studies:reproduce",
        "report": "studies:report",
    },
    "Data and this computer: deltarule doctor": {
        "data": "machine:data",
        "doctor": "machine:doctor",
    },
}
"""The commands by what people come for, each group with an example: the module and the function of each."""
COMMANDS = {name: f"deltarule.cli.{place}" for group in GROUPS.values() for name, place in group.items()}


def command_line(names: Collection[str] = COMMANDS.keys()) -> typer.Typer:
    """Return the program with these commands; what defines the others is not imported."""
    app = typer.Typer(
        help="Train, prove and see multi-layer perceptrons.",
        no_args_is_help=True,
        context_settings={"help_option_names": ["-h", "--help"]},
        pretty_exceptions_enable=False,
    )
    app.callback()(options_of_the_program)
    for title, group in GROUPS.items():
        for name in group:
            if name in names:
                app.command(name, rich_help_panel=title)(_runner(resolve_name(COMMANDS[name])))
    return app


def main() -> None:
    """Run the command line and end the process with its status, 0, 1 or 2."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # characters that the terminal's encoding lacks
    # Without a writable settings folder Matplotlib works, but would print two lines about it.
    logging.getLogger("matplotlib").setLevel(logging.ERROR)
    try:
        with platforms.termination_as_ctrl_c():
            asked = {*sys.argv[1:2]} & COMMANDS.keys()  # only the command's own options are made
            status = command_line(asked or COMMANDS.keys())(prog_name="deltarule", standalone_mode=False) or 0
            # Typer's status for a Ctrl-C that arrives in its own code.
            if status == 130:
                raise KeyboardInterrupt
            sys.stdout.flush()
    except (Exception, KeyboardInterrupt) as error:
        status = _report_error(error)
    sys.exit(status)


def _report_error(error: Exception | KeyboardInterrupt) -> int:
    """Print an error that the user can fix, and return the exit status."""
    if isinstance(error, DeltaruleError):
        _print_error(error)
        return 2 if isinstance(error, BadInput) else 1
    if isinstance(error, typer.Abort) or is_interruption(error):
        _print_error(INTERRUPTED)
        return 1
    if hasattr(error, "format_message"):  # a wrong option or argument; Typer does not export the base class
        _print_error(_explain_usage(error))
        return 2
    if isinstance(error, OSError) and (isinstance(error, BrokenPipeError) or error.errno in DISK_TROUBLE):
        # The reader has gone (`| head`) or the disk is full; Python would fail again when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if error.errno in DISK_TROUBLE:
            where = error.filename or "the output"
            _print_error(f"{where} could not be written: {error.strerror}; {FREE_SPACE}")
        return 1
    if isinstance(error, OSError):  # such as a folder without access
        _print_error(one_line(error))
        return 1
    raise error


def _explain_usage(error: Any) -> str:
    context = getattr(error, "ctx", None)
    hint = f" (see '{context.command_path} --help')" if context else ""
    text = error.format_message().replace("Value error, ", "").rstrip(".")  # the beginning is pydantic's
    if text in ("", "Missing command"):
        text = "no command is given; give one, as in deltarule list"
    return f"{one_line(text)}{hint}"


def _print_error(sentence: object) -> None:
    print(f"deltarule: {sentence}", file=sys.stderr)
