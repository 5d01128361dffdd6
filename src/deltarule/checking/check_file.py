"""Check a file: a script or notebook that trains as it is, and of any other file its functions and layers."""

import inspect
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

from deltarule.checking.report import HINT_OF_KIND, MAX_HINT, CodeReport
from deltarule.checking.scripts.check_script import SECONDS, SECONDS_TO_CORRECT, NoTraining, check_script
from deltarule.checking.scripts.report import ScriptReport
from deltarule.errors import BadInput
from deltarule.user_functions import call_user_function


def check_file(
    path: Path,
    check_module: Callable[[ModuleType], CodeReport],
    loss: str | None = None,
    seconds: float | None = None,
    hint: int = MAX_HINT,
) -> ScriptReport | CodeReport:
    """Check what a file trains, or with `check_module` what it defines."""
    if not path.is_file():
        raise BadInput(f"there is no file {path}")
    try:
        to_correct = SECONDS_TO_CORRECT if hint >= HINT_OF_KIND else 0.0
        report = check_script(path, loss, SECONDS if seconds is None else seconds, seconds_to_correct=to_correct)
        return report.limited(hint)
    except NoTraining as problem:
        if path.suffix.lower() != ".py":
            raise
        return _check_definitions(path, check_module, problem)


def _check_definitions(path: Path, check_module: Callable[[ModuleType], CodeReport], problem: BadInput) -> CodeReport:
    """Check the functions, layers and objects of a file that does not train."""
    specification = spec_from_file_location(path.stem, path)
    assert specification is not None and specification.loader is not None
    module, before = module_from_spec(specification), sys.modules.get(path.stem)
    with redirect_stdout(sys.stderr), modules_beside(path.parent):
        sys.modules[path.stem] = module
        try:
            call_user_function(specification.loader.exec_module, (module,), {}, f"importing {path.name}")
            return check_module(module)
        except BadInput as error:
            if error.__cause__ is not None:  # the user's code itself failed
                raise
            raise BadInput(f"{problem}, and {error}{_how_to_call(module)}") from error
        finally:
            del sys.modules[path.stem]
            if before is not None:
                sys.modules[path.stem] = before


def _how_to_call(module: ModuleType) -> str:
    """What a user may do so that a function of a module is called."""
    for name, function in vars(module).items():
        if inspect.isfunction(function) and function.__module__ == module.__name__:
            names = list(inspect.signature(function).parameters)
            if names:
                arrays = ", ".join(names)
                return f"; define {arrays} in the file, or in Python call deltarule.check({name}, {arrays})"
    return ""


@contextmanager
def modules_beside(folder: Path) -> Iterator[None]:
    """Let imports find modules in a folder, as beside a user's script."""
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))
