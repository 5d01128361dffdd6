"""The public interface as text, a file for each part of it, that a change shows up in.

    python tests/interface/describe.py

writes the files anew. What stands in them does not depend on the machine, nor on the versions of other libraries.
"""

import contextlib
import dataclasses
import inspect
import io
import json
import re
import sys
import tempfile
import types
import typing
import warnings
from collections.abc import Callable, Iterator, Mapping
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import typer

import deltarule
from deltarule import errors
from deltarule.array_files import load_arrays
from deltarule.checking.report import CodeReport
from deltarule.checking.scripts.report import ScriptReport
from deltarule.cli.app import command_line, main
from deltarule.cli.train import TrainOutcome
from deltarule.doctor import Findings
from deltarule.files import write_whole
from deltarule.problem import registry
from deltarule.problem.recipe_sections import Configuration
from deltarule.problem.settings import settings_of
from deltarule.problem.state import State
from deltarule.studies.claim_results import StudyResults
from deltarule.studies.reproduce_studies import Reproduction
from deltarule.studies.runner import Outcome
from deltarule.studies.sweep_study import SweepOutcome
from deltarule.sweeps.store_connection import APPLICATION, FILE, SCHEMA, VERSION
from deltarule.symptoms.report import WhyReport

FOLDER = Path(__file__).parent

RECIPE = """
[data]
name = "xor"
split = {test = 5}
[network]
layers = [2, 2, 1]
output = "sigmoid"
[loss]
name = "binary_cross_entropy"
[stopping]
max_steps = 3
[grid]
"optimizer.learning_rate" = [0.1, 1]
"""

TABLE = "size,color,y\n" + "".join(f"{row % 5},{'red' if row % 2 else 'blue'},{row % 2}\n" for row in range(40))


RETURNED = (State,)
"""Other records that public functions return."""

# --- Python -----------------------------------------------------------------------------------------------------------


def python() -> str:
    """Every public name, with its parameters and what they are left out for; of classes also what they can do."""
    lines = []
    for name in sorted(set(deltarule.__all__) - {"__version__"}):
        value = getattr(deltarule, name)
        if not inspect.isclass(value):
            lines.append(f"{name}{_parameters(value)}")
            continue
        above = [base.__name__ for base in value.__mro__[1:] if issubclass(base, Exception) and base is not Exception]
        made = _parameters(value) if not above and not issubclass(value, Exception) else ""
        lines.append(f"class {name}{made}" + (f": {', '.join(above)}" if above else ""))
        lines += [f"    {line}" for line in _members(value)]
    for kind in RETURNED:
        lines += [kind.__name__, *(f"    {line}" for line in _members(kind))]
    return "\n".join(lines) + "\n"


def _members(kind: type) -> Iterator[str]:
    """What a class of ours can do, and its fields."""
    if "__dataclass_fields__" in vars(kind):  # of an estimator they are its parameters, in the line above
        yield f"fields: {', '.join(field.name for field in dataclasses.fields(kind))}"
    for name, function in functions_of(kind):
        is_property = isinstance(inspect.getattr_static(kind, name), property | cached_property)
        yield f"{name}: property" if is_property else f"{name}{_parameters(function)}"


def functions_of(kind: type) -> Iterator[tuple[str, Callable[..., Any]]]:
    """Yield the public methods of ours that a class has, and what computes its properties, by name."""
    for name in sorted(dir(kind)):
        function = inspect.getattr_static(kind, name)
        for wrapped in ("__func__", "fn", "fget", "func"):  # "fn" of scikit-learn's methods that some settings lack
            function = getattr(function, wrapped, None) or function
        if not name.startswith("_") and inspect.isfunction(function) and function.__module__.startswith("deltarule"):
            yield name, function


def _parameters(value: Callable[..., Any]) -> str:
    """Names, kinds and defaults; how types are written differs between versions of Python."""
    try:
        signature = inspect.signature(value)
    except ValueError:  # of errors, which take what every exception does
        return ""
    bare = [one.replace(annotation=inspect.Parameter.empty) for one in signature.parameters.values()]
    return str(signature.replace(parameters=bare, return_annotation=inspect.Signature.empty))


# --- commands ---------------------------------------------------------------------------------------------------------


def commands() -> str:
    """Every command with its arguments and options, and what their statuses mean."""
    lines = []
    for name, command in sorted(typer.main.get_command(command_line()).commands.items()):  # type: ignore[attr-defined]
        lines.append(f"deltarule {name}")
        lines += [f"    {_option(one)}" for one in command.params if one.name != "help"]
    return "\n".join([*lines, "", *_statuses()]) + "\n"


def _option(one: Any) -> str:
    names = " ".join([*one.opts, *one.secondary_opts]) if one.param_type_name == "option" else (one.metavar or one.name)
    default = "" if one.default is None or one.default is False or callable(one.default) else f" = {one.default}"
    kind = " (flag)" if getattr(one, "is_flag", False) else " (several)" if one.multiple or one.nargs == -1 else ""
    return f"{names}{' (needed)' if one.required else ''}{kind}{default}"


def _statuses() -> Iterator[str]:
    from deltarule.cli.app import _report_error

    yield "status 0: done"
    for kind in (errors.BadInput, errors.RunFailed):
        with contextlib.redirect_stderr(io.StringIO()):
            yield f"status {_report_error(kind('why'))}: {kind.__name__}"


# --- records ----------------------------------------------------------------------------------------------------------

RECORDS: dict[str, type] = {
    "check --json of a script": ScriptReport,
    "check --json of a study or function": CodeReport,
    "claims --json, claims.json": StudyResults,
    "doctor --json": Findings,
    "reproduce --json, reproduce.json": Reproduction,
    "run --json, run.json": Outcome,
    "sweep --json": SweepOutcome,
    "train --json": TrainOutcome,
}
"""What commands print that is a dataclass; all else is looked at as it is printed."""


def records() -> str:
    """The fields of every JSON object that a command prints, and of those that are written beside them."""
    lines = []
    for name, kind in RECORDS.items():
        lines += [name, *(f"    {field}" for field in _fields(kind))]
    for name, record in _printed():
        lines += [name, *(f"    {key}" for key in sorted(_keys(record)))]
    return "\n".join(lines) + "\n"


def _fields(kind: type, above: str = "") -> Iterator[str]:
    hints = typing.get_type_hints(kind, vars(sys.modules[kind.__module__]) | _later())
    for field in dataclasses.fields(kind):
        yield f"{above}{field.name}"
        for inner in _dataclasses_in(hints[field.name]):
            yield from _fields(inner, f"{above}{field.name}.")


def _later() -> dict[str, Any]:
    """Names that modules import for their annotations alone."""
    from deltarule.estimators.tabular.scores import Scores
    from deltarule.tables.readings import ColumnReading

    return {"Scores": Scores, "WhyReport": WhyReport, "ColumnReading": ColumnReading}


def _dataclasses_in(hint: Any) -> Iterator[type]:
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        yield hint
    elif isinstance(hint, types.UnionType) or typing.get_origin(hint) is not None:
        for one in typing.get_args(hint):
            yield from _dataclasses_in(one)


OWN = frozenset({"keys", "settings", "set", "grid", "layers"})
"""Keys below which stand those of a recipe, or names that a user gives."""


def _keys(record: Any, above: str = "") -> set[str]:
    """The keys of nested objects; those of the objects in a list together."""
    if isinstance(record, list):
        return {key for one in record for key in _keys(one, above)}
    if not isinstance(record, Mapping) or above.removesuffix(".").rpartition(".")[2] in OWN:
        return set()
    return {f"{above}{key}" for key in record} | {
        inner for key, one in record.items() for inner in _keys(one, f"{above}{key}.")
    }


def _printed() -> Iterator[tuple[str, Any]]:
    """What the other commands print, of something small."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        recipe, table, model = folder / "r.toml", folder / "t.csv", folder / "m.safetensors"
        recipe.write_text(RECIPE, encoding="utf-8")
        table.write_text(TABLE, encoding="utf-8")
        yield "list --json", _json("list")
        yield "show --json, recipe.json", _json("show", "encoder")
        yield "data list --json", _json("data", "list")
        yield "explain --json", _json("explain", recipe)
        _json("run", recipe, "--out", folder / "run")
        yield "report --json", _json("report", folder / "run")
        yield "lr-range --json, lr_range.json", _json("lr-range", recipe, "--steps", 20)
        _json("sweep", recipe, "--out", folder / "sweep")
        yield "sweep --table --json", _json("sweep", "--table", folder / "sweep")
        model.write_bytes(_model())
        yield "predict --json", _json("predict", model, table)
        yield "evaluate --json", _json("evaluate", model, table)


def _json(*words: Any) -> Any:
    """What a command prints with --json."""
    screen, before = io.StringIO(), sys.argv
    sys.argv = ["deltarule", *map(str, words), "--json"]
    try:
        with contextlib.redirect_stdout(screen):
            main()
    except SystemExit as end:
        assert not end.code, words
    finally:
        sys.argv = before
    return json.loads(screen.getvalue())


@cache
def _model() -> bytes:
    """The file of a model for tables."""
    from deltarule.tables.reader import read_frame

    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # that one column tells the target
        (Path(folder) / "t.csv").write_text(TABLE, encoding="utf-8")
        frame = read_frame(Path(folder) / "t.csv")
        y = frame.pop("y").astype(int)
        made = deltarule.TabularClassifier(random_state=0).fit(frame, y)
        made.target_ = "y"
        made.save(Path(folder) / "m.safetensors")
        return (Path(folder) / "m.safetensors").read_bytes()


# --- recipes ----------------------------------------------------------------------------------------------------------


def recipes() -> str:
    """Every key of a recipe with what it may be and what it is left out for, and every name with its parameters."""
    lines = []
    for section, table in settings_of(Configuration).items():
        lines.append(f"[{section}]")
        for key, one in settings_of(table.form.section).items() if table.form.section else ():
            default = "needed" if one.is_needed else repr(one.default)
            lines.append(f"    {key} = {default}    {one.form.allowed}")
    for kind in ("activation", "initializer", "loss", "penalty", "optimizer", "schedule"):
        lines.append(f"{kind}s")
        for name in registry.names(kind):
            found = dict(getattr(registry.find(kind, name), "parameters", {}))
            lines.append(f"    {name}" + "".join(f" {key}={value!r}" for key, value in found.items()))
    return "\n".join(lines) + "\n"


# --- files ------------------------------------------------------------------------------------------------------------


def files() -> str:
    """The tables of a store, and what lies in the files of a run, of a model and of a checkpoint."""
    lines = [f"{FILE}: application {APPLICATION:#x}, version {VERSION}", SCHEMA.strip(), ""]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        recipe = folder / "r.toml"
        recipe.write_text(RECIPE, encoding="utf-8")
        _json("run", recipe, "--out", folder / "run")
        lines.append(f"run: {' '.join(sorted(path.name for path in (folder / 'run').iterdir()))}")
        for file in sorted((folder / "run").glob("*.safetensors")):
            lines += _arrays(f"run/{file.name}", file)
        (folder / "m.safetensors").write_bytes(_model())
        lines += _arrays("a model for tables", folder / "m.safetensors")
        x, y = [[0.0], [1.0], [2.0], [3.0]], [0.0, 1.0, 2.0, 3.0]
        regressor = deltarule.MLPRegressor(hidden_layer_sizes=(2,), solver="lbfgs", max_iter=20, random_state=0).fit(
            x, y
        )
        regressor.save(folder / "r.safetensors")
        lines += _arrays("a regressor", folder / "r.safetensors")
    return "\n".join(lines) + "\n"


def _arrays(what: str, file: Path) -> Iterator[str]:
    arrays, about = load_arrays(file)
    yield f"{what}: arrays with their types and axes, then the keys of its JSON"
    yield from (f"    {name} {array.dtype.name} {array.ndim}" for name, array in arrays.items())
    yield from (f"    {key}" for key in sorted(_keys(about)) if not re.search(r"settings\.|parameters\.", key))
    yield from (f"    format: {about[key]}" for key in ("format",) if key in about)


PARTS: dict[str, Callable[[], str]] = {
    "python": python,
    "commands": commands,
    "records": records,
    "recipes": recipes,
    "files": files,
}


def stored(part: str) -> Path:
    """The file in which a part of the interface is kept."""
    return FOLDER / f"{part}.txt"


if __name__ == "__main__":
    for part, described in PARTS.items():
        write_whole(stored(part), described())
        print(f"Written: {stored(part).name}")
