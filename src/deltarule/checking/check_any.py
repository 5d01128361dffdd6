"""The one entry to the checks: `check(anything)` finds out what it is given, and how that is called."""

import inspect
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import replace
from functools import partial
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

from deltarule.checking.catalog import join_names
from deltarule.checking.check_layers import check_vjp
from deltarule.checking.check_objects import (
    FORWARDS,
    check_function,
    check_layer,
    check_loss_object,
    check_network,
    is_layer,
    is_loss,
    is_torch_function,
    make_instance,
    method_of,
    names_of,
    variables_of,
)
from deltarule.checking.hints import MAX_HINT, validate_hint
from deltarule.checking.notes import Note
from deltarule.checking.report import CodeReport
from deltarule.checking.scripts.check_script import NoTraining, check_training
from deltarule.checking.scripts.report import ScriptReport
from deltarule.errors import BadInput
from deltarule.user_functions import call_user_function

_BACKWARDS = ("backward", "backprop", "bprop", "backward_pass", "back_propagation", "backpropagation", "gradient")
_LOSSES = ("loss", "compute_loss", "cost", "compute_cost", "loss_function", "cost_function", "J", "objective")
_GRADIENTS = ("gradient", "gradients", "grad", "compute_gradient", "compute_gradients", "loss_gradient", "dloss")
_HAS_GRADIENT = re.compile("^[A-Z]|(?i:loss|cost|grad|back|deriv|prime|delta|layer|forward)")
"""Names of classes, and of functions with a gradient: that others, such as `show`, were not checked needs no note."""
_DERIVATIVE = re.compile(
    r"(?:d|d_|grad_|deriv_)(\w+)|(\w+?)(?:_derivative|_prime|_deriv|_grad|_gradient|_d|_backward|_back)"
)


def check(
    target: Any, *arguments: Any, hint: int = MAX_HINT, loss: str | None = None, seconds: float | None = None
) -> CodeReport | ScriptReport:
    """Check the gradients of a function, a layer, a network, a class, a module, or of a script that trains.

    Parameters
    ----------
    target : callable, object or module
        What is checked. A function that returns (loss, gradients); a loss or a layer, with the function of its
        gradient as the first of `arguments`; an object or class with forward and backward, or with a loss and the
        arrays of parameters and gradients in attributes; a function or module of PyTorch; a Python module, of which
        all such functions are checked; or the name of a file, a script or notebook that trains, as "train.py".
    *arguments : array-like
        What it is called with. Without them the variables of its module that have the names of its parameters are
        taken; a layer gets random numbers.
    hint : int, default=4
        How much is reported, for a teacher: 0 the verdict, 1 which arrays are wrong, 2 the kind of mistake, 3 its line,
        4 the correction.
    loss : str, optional
        Of a script, the name of the variable that is the loss, if it is not found without.
    seconds : float, optional
        How long a script may take; 30 by default.

    Returns
    -------
    CodeReport or ScriptReport
        As that of `check_gradient`, `check_vjp` or `check_object`, which check one form; its `what` says which. A
        script has a report of its own.

    Raises
    ------
    BadInput
        Where it does not find what to check, or with which arguments.

    Examples
    --------
    >>> import numpy as np
    >>> from deltarule import check
    >>> x, y = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 7.0]]), np.array([1.0, 2.0, 4.0])
    >>> def step(w, x, y):
    ...     error = x @ w - y
    ...     return (error**2).mean(), x.T @ error / len(y)
    >>> report = check(step, np.array([0.5, -0.5]), x, y)
    >>> report.what, report.ok, report.diagnosis[0].code
    ('gradient of step', False, 'factor_two')
    """
    if isinstance(target, str | Path):
        return _check_file(Path(target), loss, seconds, validate_hint(hint))
    return _check_value(target, arguments, validate_hint(hint))


def _check_file(path: Path, loss: str | None, seconds: float | None, hint: int) -> ScriptReport | CodeReport:
    """Check a script or notebook that trains as it is, and of any other file its functions and layers."""
    try:
        return check_training(path, loss, seconds, hint)
    except NoTraining as problem:
        return check_definitions(path, hint, problem)


def check_definitions(path: Path, hint: int, problem: BadInput) -> CodeReport:
    """Check the functions, layers and objects of a file that does not train, for which `problem` says so."""
    if path.suffix.lower() != ".py":
        raise problem
    specification = spec_from_file_location(path.stem, path)
    assert specification is not None and specification.loader is not None
    module = module_from_spec(specification)
    before = sys.modules.get(path.stem)
    with redirect_stdout(sys.stderr), modules_beside(path.parent):
        sys.modules[path.stem] = module
        try:
            call_user_function(specification.loader.exec_module, (module,), {}, f"importing {path.name}")
            return _check_module(module, hint)
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


def _check_value(target: Any, arguments: Sequence[Any], hint: int) -> CodeReport:
    if isinstance(target, ModuleType):
        return _check_module(target, hint)
    if _is_torch_module(target):
        return _check_torch_module(target, arguments, hint)
    if isinstance(target, type) and not is_torch_function(target):
        target = make_instance(target, arguments)
    forward, backward = method_of(target, FORWARDS), method_of(target, _BACKWARDS)
    if inspect.isroutine(target) or isinstance(target, type | partial):
        return check_function(target, arguments, hint)
    if len(arguments) == 2 and forward is not None and backward is not None and is_loss(target, forward, backward):
        return check_loss_object(target, forward, backward, arguments, hint)
    loss = method_of(target, _LOSSES)
    if loss is not None and (backward is None or not is_layer(forward, backward, arguments)):
        arguments = arguments or tuple(variables_of(loss, names_of(loss)))
        return check_network(target, loss, backward or method_of(target, _GRADIENTS), arguments, hint)
    if forward is not None and backward is not None:
        return check_layer(target, forward, backward, arguments, hint)
    if callable(target):
        return check_function(target, arguments, hint)
    raise BadInput(
        f"{type(target).__name__} has no forward and backward, and no loss; give a function that returns (loss, "
        "gradients), or a loss and its gradient"
    )


def _is_torch_module(target: Any) -> bool:
    return any(
        f"{base.__module__}.{base.__name__}" == "torch.nn.modules.module.Module" for base in type(target).__mro__
    )


def _check_torch_module(module: Any, arguments: Sequence[Any], hint: int) -> CodeReport:
    """The gradients of a module's input and parameters, which its own functions may compute."""
    import torch

    names = [name for name, _ in module.named_parameters()]
    inputs = [torch.as_tensor(array, dtype=torch.float64) for array in arguments]
    if not inputs:
        raise BadInput(f"{type(module).__name__} is given no input; give it, as check(module, x)")
    held = [parameter.detach().double() for parameter in module.parameters()]

    def forward(*values: Any) -> Any:
        given = [torch.as_tensor(array).detach().double().requires_grad_() for array in values]
        buffers = {name: b.double() if b.is_floating_point() else b for name, b in module.named_buffers()}
        out = torch.func.functional_call(
            module, dict(zip(names, given[len(inputs) :], strict=True)) | buffers, tuple(given[: len(inputs)])
        )
        return out.detach(), lambda upstream: torch.autograd.grad(out, given, torch.as_tensor(upstream))

    labels = ["x", *(f"x{i}" for i in range(1, len(inputs))), *(name.replace(".", "_") for name in names)]
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    forward.__signature__ = inspect.Signature([inspect.Parameter(name, kind) for name in labels])  # type: ignore[attr-defined]
    report = check_vjp(forward, None, (*inputs, *held) if held or len(inputs) > 1 else inputs[0], hint=hint)
    return replace(report, what=f"backward pass of {type(module).__name__}")


def _check_module(module: ModuleType, hint: int) -> CodeReport:
    """All functions and layers of a module for which it has the arguments too."""
    functions, objects = _members(module)
    partners = {name: _partner_of(name, functions) for name in functions}
    reports = {}
    left = dict[str, BadInput]()
    for name, member in (functions | objects).items():
        if name in partners.values():
            continue
        partner = partners.get(name)
        try:
            reports[name] = _check_value(member, [functions[partner]] if partner else [], hint)
        except BadInput as error:
            left[name] = error
    if not reports:
        for failure in filter(_is_of_user, left.values()):
            raise failure
        raise BadInput(
            f"{module.__name__} has no gradients that can be checked as they are; give a function or an object of it, "
            "and what it is called with"
        )
    return _merge_reports(module.__name__, reports, left)


def _members(module: ModuleType) -> tuple[dict[str, Any], dict[str, Any]]:
    """The functions of a module; and its objects, with its classes of layers of which it has no object."""
    own = {name: item for name, item in vars(module).items() if getattr(item, "__module__", None) == module.__name__}
    functions = {name: item for name, item in own.items() if inspect.isfunction(item)}
    objects = {name: item for name, item in vars(module).items() if type(item).__module__ == module.__name__}
    made = {type(item) for item in objects.values()}
    objects |= {name: item for name, item in own.items() if _is_layer_class(item) and item not in made}
    return functions, objects


def _is_of_user(error: BadInput) -> bool:
    """Whether a function failed in its own lines; otherwise we called it wrongly."""
    cause = error.__cause__
    return cause is not None and cause.__traceback__ is not None and cause.__traceback__.tb_next is not None


def _is_layer_class(kind: Any) -> bool:
    has_both = all(any(hasattr(kind, name) for name in names) for names in (FORWARDS[:1] + FORWARDS[2:], _BACKWARDS))
    return isinstance(kind, type) and has_both


def _partner_of(name: str, functions: Mapping[str, Any]) -> str | None:
    """The name of the function that is the gradient or the backward pass of another one."""
    if name in _LOSSES:
        return next((own for own in _GRADIENTS if own in functions), None)
    if "forward" in name:
        return next((partner for partner in (name.replace("forward", "backward"),) if partner in functions), None)
    named = {other: _DERIVATIVE.fullmatch(other) for other in functions}
    return next((other for other, match in named.items() if match and name in match.groups()), None)


def _merge_reports(module: str, reports: Mapping[str, CodeReport], left: Mapping[str, BadInput]) -> CodeReport:
    """One report of several functions: it is that of the first wrong one, with the arrays of all."""
    first = next(
        (name for verdict in ("WRONG", "not proved") for name, r in reports.items() if r.verdict == verdict), ""
    )
    arrays = tuple(replace(array, name=f"{name}: {array.name}") for name, r in reports.items() for array in r.arrays)
    notes = [f"{name}: {note}" for name, report in reports.items() for note in report.notes]
    report = reports[first] if first else next(iter(reports.values()))
    counts = {
        name: sum(getattr(report, name) for report in reports.values())
        for name in ("entries", "compared", "kinks", "faint")
    }
    return replace(
        report,
        what=f"gradients of {module}",
        ok=not first,
        arrays=arrays,
        notes=tuple(Note("code", text=text) for text in [*notes, *_remarks_on_unchecked(left)]),
        location=f"{first}: {report.location}" if report.location else "",
        vacuous=Note("code", text=f"{first}: {report.vacuous}") if report.vacuous else None,
        **counts,
    )


def _remarks_on_unchecked(left: Mapping[str, BadInput]) -> Iterator[str]:
    for failure in filter(_is_of_user, left.values()):
        yield f"not checked: {failure}"
    uncalled = [name for name, failure in left.items() if not _is_of_user(failure)]
    unknown = [name for name in uncalled if _HAS_GRADIENT.search(name.lower())]
    if unknown:
        yield f"not checked, as its arguments are not known: {join_names(unknown)}"
