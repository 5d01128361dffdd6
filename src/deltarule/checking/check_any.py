"""The one entry to the checks: `check(anything)` finds out what it is given, and how that is called."""

import inspect
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from deltarule.checking.catalog import join_names
from deltarule.checking.check import check_gradient, check_object, check_vjp
from deltarule.checking.check_file import check_file
from deltarule.checking.report import CodeReport, Note, validate_hint
from deltarule.checking.scripts.report import ScriptReport
from deltarule.checking.user_code.arrays import as_numpy, dtype_kind, split_loss
from deltarule.checking.user_code.attributes import arrays_in, gradient_paths
from deltarule.checking.user_code.callables import function_of_some, positional_parameters
from deltarule.checking.user_code.layer_forms import required_parameters
from deltarule.checking.user_code.random_numbers import random_numbers
from deltarule.errors import BadInput
from deltarule.user_functions import call_user_function, quietly

_FORWARDS = ("forward", "__call__", "call", "fprop", "forward_pass", "feedforward", "feed_forward")
_BACKWARDS = ("backward", "backprop", "bprop", "backward_pass", "back_propagation", "backpropagation", "gradient")
_LOSSES = ("loss", "compute_loss", "cost", "compute_cost", "loss_function", "cost_function", "J", "objective")
_GRADIENTS = ("gradient", "gradients", "grad", "compute_gradient", "compute_gradients", "loss_gradient", "dloss")
_TARGETS = ("y", "y_true", "t", "target", "targets", "labels")
_DERIVATIVE = re.compile(
    r"(?:d|d_|grad_|deriv_)(\w+)|(\w+?)(?:_derivative|_prime|_deriv|_grad|_gradient|_d|_backward|_back)"
)


def check(
    target: Any, *arguments: Any, hint: str = "fix", loss: str | None = None, seconds: float | None = None
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
    hint : {"pass", "where", "kind", "fix"}, default="fix"
        How much is reported: "pass", "where", "kind" or "fix".
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
        return check_file(Path(target), partial(_check_module, hint=hint), loss, seconds)
    return _check_value(target, arguments, validate_hint(hint))


def _check_value(target: Any, arguments: Sequence[Any], hint: str) -> CodeReport:
    if isinstance(target, ModuleType):
        return _check_module(target, hint)
    if _is_torch_module(target):
        return _check_torch_module(target, arguments, hint)
    if isinstance(target, type) and not _is_torch_function(target):
        target = _make_instance(target, arguments)
    forward, backward = _method(target, _FORWARDS), _method(target, _BACKWARDS)
    if inspect.isroutine(target) or isinstance(target, type | partial):
        return _check_function(target, arguments, hint)
    if len(arguments) == 2 and forward is not None and backward is not None and _is_loss(target, forward, backward):
        return _check_loss_object(target, forward, backward, arguments, hint)
    loss = _method(target, _LOSSES)
    if loss is not None and (backward is None or not _is_layer(forward, backward, arguments)):
        arguments = arguments or tuple(_variables(loss, _names_of(loss)))
        return _check_network(target, loss, backward or _method(target, _GRADIENTS), arguments, hint)
    if forward is not None and backward is not None:
        return _check_layer(target, forward, backward, arguments, hint)
    if callable(target):
        return _check_function(target, arguments, hint)
    raise BadInput(
        f"{type(target).__name__} has no forward and backward, and no loss; give a function that returns (loss, "
        "gradients), or a loss and its gradient"
    )


# --- functions -----------------------------------------------------------------------------------------------------


def _check_function(function: Callable[..., Any], arguments: Sequence[Any], hint: str) -> CodeReport:
    """A function with its gradient or backward pass, if that is the first argument, at the other arguments."""
    is_pair = bool(arguments) and callable(arguments[0]) and not hasattr(arguments[0], "__array__")
    partner, given = (arguments[0], arguments[1:]) if is_pair else (None, arguments)
    if _is_torch_function(function):
        return check_vjp(function, None, given[0] if len(given) == 1 else tuple(given), hint=hint)
    names = _names_of(function)
    given = list(given) if given else _variables(function, names)
    names = names[: len(given)]
    if len(names) < len(given):
        names = [f"x[{i}]" for i in range(len(given))]
    what = getattr(function, "__name__", type(function).__name__)
    with random_numbers((function, partner)):
        result = quietly(lambda: call_user_function(function, given, {}, what))
        try:
            _, rest = split_loss(result, what)
            returned = rest[0] if len(rest) == 1 else rest
        except BadInput:
            return replace(_check_as_layer(function, partner, given, hint), what=f"backward pass of {what}")
        of_partner: Callable[..., Any] | None = None
        if partner is not None:
            of_partner = _with_names(partner, names)
            returned = quietly(lambda: call_user_function(of_partner, given, {}, "gradient"))
    moved = _moved(returned, given, names)
    if not moved:
        raise BadInput(
            f"{what} returns no gradient of its arguments; let it return (loss, gradients), or give its gradient"
        )
    params = given[moved[0]] if len(moved) == 1 else tuple(given[i] for i in moved)
    loss = function_of_some(function, given, names, moved)
    gradient = None if of_partner is None else function_of_some(of_partner, given, names, moved)
    return replace(check_gradient(loss, gradient, params, hint=hint), what=f"gradient of {what}")


def _check_as_layer(
    function: Callable[..., Any],
    partner: Callable[..., Any] | None,
    given: Sequence[Any],
    hint: str,
) -> CodeReport:
    x = given[0] if len(given) == 1 else tuple(given)
    if partner is not None and _is_derivative(function, partner):
        derivative = partner
        return check_vjp(function, lambda upstream: upstream * as_numpy(derivative(x)), x, hint=hint)
    return check_vjp(function, partner, x, hint=hint)


def _is_derivative(function: Callable[..., Any], partner: Callable[..., Any]) -> bool:
    """Whether a partner takes the input of an elementwise function, and no upstream gradient."""
    own, names = _names_of(function), [one.name for one in required_parameters(partner)]
    return len(names) == 1 and names == own[:1]


def _names_of(function: Callable[..., Any]) -> list[str]:
    return [one.name for one in positional_parameters(function)]


def _variables(function: Callable[..., Any], names: Sequence[str]) -> list[Any]:
    """The variables of a function's module that have the names of its required parameters."""
    space = getattr(function, "__globals__", {})
    required = [one.name for one in required_parameters(function)]
    missing = [name for name in required if not isinstance(space.get(name), np.ndarray | float | int | dict | list)]
    if missing or not required:
        shown = getattr(function, "__name__", "function")
        raise BadInput(f"{shown} is given nothing to be called with; give it, as check({shown}, {', '.join(names)})")
    return [space[name] for name in required]


def _with_names(partner: Callable[..., Any], names: Sequence[str]) -> Callable[..., Any]:
    """A gradient that is called with all arguments of its loss, of which it may take some."""
    wanted = [one.name for one in required_parameters(partner)]
    if set(wanted) <= set(names):
        return lambda *values: partner(*(values[list(names).index(name)] for name in wanted))
    return lambda *values: partner(*values[: len(wanted)])


def _moved(returned: Any, given: Sequence[Any], names: Sequence[str]) -> list[int]:
    """The indices of the arguments of which there are gradients."""
    if isinstance(returned, Mapping):
        containers = [i for i, one in enumerate(given) if isinstance(one, Mapping) and _are_named(one, returned)]
        return containers or [i for i, name in enumerate(names) if _are_named([name], returned)]
    gradients = list(returned) if isinstance(returned, tuple | list) else [returned]
    for i, one in enumerate(given):
        if isinstance(one, list | tuple) and len(one) == len(gradients) and all(map(_same_size, one, gradients)):
            return [i]
    moved = list[int]()
    for gradient in gradients:
        rest = range(moved[-1] + 1 if moved else 0, len(given))
        moved += [i for i in rest if _is_float(given[i]) and _same_size(given[i], gradient)][:1]
    return moved


def _are_named(names: Any, gradients: Mapping[Any, Any]) -> bool:
    return all(any(one in gradients for one in (name, *gradient_paths(str(name)))) for name in names)


def _same_size(first: Any, second: Any) -> bool:
    return bool(np.size(as_numpy(first)) == np.size(as_numpy(second)))


def _is_float(value: Any) -> bool:
    return isinstance(value, int | float) or dtype_kind(value) == "f"


# --- objects -------------------------------------------------------------------------------------------------------


def _method(target: Any, names: Sequence[str]) -> Callable[..., Any] | None:
    if inspect.isroutine(target) or isinstance(target, type):
        return None
    found = (getattr(target, name, None) for name in names if name != "__call__" or callable(target))
    return next((one for one in found if callable(one)), None)


def _is_layer(forward: Any, backward: Any, arguments: Sequence[Any]) -> bool:
    names = [one.name for one in required_parameters(backward)]
    return forward is not None and len(arguments) < 2 and bool(names) and not {*names} & {*_TARGETS}


def _check_layer(
    target: Any, forward: Callable[..., Any], backward: Callable[..., Any], arguments: Sequence[Any], hint: str
) -> CodeReport:
    x = arguments[0] if len(arguments) == 1 else tuple(arguments)
    report = check_vjp(forward, backward, x if arguments else _make_input(target, forward), hint=hint)
    return replace(report, what=f"backward pass of {type(target).__name__}")


def _is_loss(target: Any, forward: Callable[..., Any], backward: Callable[..., Any]) -> bool:
    names = [one.name for one in required_parameters(forward)]
    is_named = "loss" in type(target).__name__.lower() or not required_parameters(backward)
    return is_named and len(names) == 2 and names[1] in _TARGETS


def _check_loss_object(
    target: Any, forward: Callable[..., Any], backward: Callable[..., Any], arguments: Sequence[Any], hint: str
) -> CodeReport:
    """A loss as an object: forward gives the losses of samples, backward takes predictions and targets."""
    predicted, wanted = arguments

    def gradient(values: Any) -> Any:
        result = backward(*(values, wanted)[: len(required_parameters(backward))])
        return target.dinputs if result is None else result

    def loss(values: Any, reduce: Callable[..., Any]) -> Any:
        return reduce(forward(values, wanted))

    reports = (
        check_gradient(lambda y_pred, reduce=reduce: loss(y_pred, reduce), gradient, predicted, hint=hint)
        for reduce in (np.mean, np.sum)
    )
    first = next(reports)
    report = first if first.ok or np.ndim(forward(predicted, wanted)) == 0 else next(reports)
    return replace(report if report.ok else first, what=f"gradient of {type(target).__name__}")


def _make_input(target: Any, forward: Callable[..., Any]) -> Any:
    """Random numbers of a shape that a layer takes."""
    lengths = [n for _, one in arrays_in(target) for n in np.shape(as_numpy(one))]
    shapes = [*((5, n) for n in dict.fromkeys([*lengths, 3])), *((2, n, 6, 6) for n in (1, 3)), (2, 5, 3)]
    generator = np.random.default_rng(0)
    for shape in shapes:
        x = generator.normal(size=shape)
        try:
            quietly(partial(call_user_function, forward, [x], {}, "forward"))
        except BadInput:
            continue
        return x
    raise BadInput(
        f"{type(target).__name__} takes no array of the shapes {', '.join(map(str, shapes[:4]))} …; give its input"
    )


def _make_instance(kind: type, arguments: Sequence[Any]) -> Any:
    """An object of a class that needs no arguments, or numbers of inputs and units."""
    width = np.shape(as_numpy(arguments[0]))[-1] if arguments and np.ndim(as_numpy(arguments[0])) else 4
    count = len(required_parameters(kind))
    try:
        return quietly(lambda: call_user_function(kind, [int(width), 3, 2][:count], {}, kind.__name__))
    except BadInput as error:
        raise BadInput(f"{error}; give an object of the class, as check({kind.__name__}(…), x)") from error


def _check_network(
    target: Any, loss: Callable[..., Any], backward: Callable[..., Any] | None, arguments: Sequence[Any], hint: str
) -> CodeReport:
    """A network by its loss and the gradients that it returns or holds."""
    forward = _method(target, _FORWARDS)

    def value() -> Any:
        wanted = positional_parameters(loss)
        if forward is not None and len(wanted) < len(arguments):  # it has kept the prediction
            forward(*arguments[: len(required_parameters(forward))])
            return loss(*arguments[len(arguments) - len(wanted) :])
        if forward is not None and wanted and re.search("pred|hat|out|prob", wanted[0].name):
            return loss(forward(arguments[0]), *arguments[1:])
        return loss(*arguments[: len(wanted)])

    def gradient() -> Any:
        count = 0 if backward is None else len(required_parameters(backward))
        return None if backward is None else backward(*arguments[len(arguments) - count if count < 2 else 0 :][:count])

    with random_numbers((target,)):
        before = {path: np.array(as_numpy(one)) for path, one in arrays_in(target)}
        result = quietly(lambda: call_user_function(value, (), {}, "loss"))
        returned = quietly(lambda: call_user_function(gradient, (), {}, "backward"))
    after = dict(arrays_in(target))
    kept = [path for path in before if path in after and np.array_equal(before[path], as_numpy(after[path]))]
    partners = {path: next((one for one in gradient_paths(path) if one in after), None) for path in kept}
    found = {path: one for path, one in partners.items() if one is not None}
    what = f"gradient of {type(target).__name__}"
    if found and (returned is None or not isinstance(returned, Mapping | list | tuple)):
        back = None if backward is None else gradient
        report = check_object(target, params=[*found], grads=[*found.values()], loss=value, backward=back, hint=hint)
        return replace(report, what=what)
    if returned is None and isinstance(result, tuple | list) and len(result) == 2:
        returned = result[1]
    params = dict(_held_by_gradient(returned, {path: after[path] for path in kept}))
    if not params:
        raise BadInput(
            f"{type(target).__name__} holds no gradients beside its parameters, as dW beside W, and returns none"
        )
    report = check_gradient(value, gradient if backward is not None else None, params, hint=hint)
    return replace(report, what=what)


def _held_by_gradient(returned: Any, held: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """The arrays of an object of which gradients were returned, by name or in order."""
    if isinstance(returned, Mapping):
        for path, one in held.items():
            name = re.split(r"[.\[]", path)[-1].strip("]'\"")
            if _are_named([name], returned):
                yield name, one
    elif isinstance(returned, list | tuple):
        arrays = [(path, one) for path, one in held.items() if not isinstance(one, float)]
        if len(arrays) == len(returned) and all(
            _same_size(one, of) for (_, one), of in zip(arrays, returned, strict=True)
        ):
            yield from arrays


# --- PyTorch and modules -------------------------------------------------------------------------------------------


def _is_torch_function(target: Any) -> bool:
    return isinstance(target, type) and any(base.__module__ == "torch.autograd.function" for base in target.__mro__)


def _is_torch_module(target: Any) -> bool:
    return any(
        f"{base.__module__}.{base.__name__}" == "torch.nn.modules.module.Module" for base in type(target).__mro__
    )


def _check_torch_module(module: Any, arguments: Sequence[Any], hint: str) -> CodeReport:
    """The gradients of a module's input and parameters, which its own functions may compute."""
    import torch

    names = [name for name, _ in module.named_parameters()]
    inputs = [torch.as_tensor(one, dtype=torch.float64) for one in arguments]
    if not inputs:
        raise BadInput(f"{type(module).__name__} is given no input; give it, as check(module, x)")
    held = [one.detach().double() for one in module.parameters()]

    def forward(*values: Any) -> Any:
        given = [torch.as_tensor(one).detach().double().requires_grad_() for one in values]
        buffers = {name: one.double() if one.is_floating_point() else one for name, one in module.named_buffers()}
        out = torch.func.functional_call(
            module, dict(zip(names, given[len(inputs) :], strict=True)) | buffers, tuple(given[: len(inputs)])
        )
        return out.detach(), lambda upstream: torch.autograd.grad(out, given, torch.as_tensor(upstream))

    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    labels = [*(f"x{i}" if i else "x" for i in range(len(inputs))), *(name.replace(".", "_") for name in names)]
    forward.__signature__ = inspect.Signature([inspect.Parameter(name, kind) for name in labels])  # type: ignore[attr-defined]
    report = check_vjp(forward, None, (*inputs, *held) if held or len(inputs) > 1 else inputs[0], hint=hint)
    return replace(report, what=f"backward pass of {type(module).__name__}")


def _check_module(module: ModuleType, hint: str) -> CodeReport:
    """All functions and layers of a module for which it has the arguments too."""
    own = {name: one for name, one in vars(module).items() if getattr(one, "__module__", None) == module.__name__}
    functions = {name: one for name, one in own.items() if inspect.isfunction(one)}
    objects = {name: one for name, one in vars(module).items() if type(one).__module__ == module.__name__}
    made = {type(one) for one in objects.values()}
    objects |= {name: one for name, one in own.items() if _is_layer_class(one) and one not in made}
    partners = {name: _partner_of(name, functions) for name in functions}
    reports, left = {}, dict[str, BadInput]()
    for name, one in (functions | objects).items():
        if name in partners.values():
            continue
        partner = partners.get(name)
        try:
            reports[name] = _check_value(one, [functions[partner]] if partner else [], hint)
        except BadInput as error:
            left[name] = error
    if not reports:
        for failure in left.values():
            if _is_of_user(failure):
                raise failure
        raise BadInput(
            f"{module.__name__} has no gradients that can be checked as they are; give a function or an object of it, "
            "and what it is called with"
        )
    return _merged(module.__name__, reports, left)


def _is_of_user(error: BadInput) -> bool:
    """Whether a function failed in its own lines; otherwise we called it wrongly."""
    cause = error.__cause__
    return cause is not None and cause.__traceback__ is not None and cause.__traceback__.tb_next is not None


def _is_layer_class(one: Any) -> bool:
    has_both = all(any(hasattr(one, name) for name in names) for names in (_FORWARDS[:1] + _FORWARDS[2:], _BACKWARDS))
    return isinstance(one, type) and has_both


def _partner_of(name: str, functions: Mapping[str, Any]) -> str | None:
    """The name of the function that is the gradient or the backward pass of another one."""
    if name in _LOSSES:
        return next((one for one in _GRADIENTS if one in functions), None)
    if "forward" in name:
        return next((one for one in (name.replace("forward", "backward"),) if one in functions), None)
    named = {one: _DERIVATIVE.fullmatch(one) for one in functions}
    return next((one for one, found in named.items() if found and name in found.groups()), None)


def _merged(module: str, reports: Mapping[str, CodeReport], left: Mapping[str, BadInput]) -> CodeReport:
    """One report of several functions: it is that of the first wrong one, with the arrays of all."""
    first = next(
        (name for verdict in ("WRONG", "not proved") for name, one in reports.items() if one.verdict == verdict), ""
    )
    arrays = tuple(
        replace(array, name=f"{name}: {array.name}") for name, one in reports.items() for array in one.arrays
    )
    notes = [Note("code", text=f"{name}: {note}") for name, one in reports.items() for note in one.notes]
    notes += [Note("code", text=f"not checked: {failure}") for failure in left.values() if _is_of_user(failure)]
    unknown = [name for name, failure in left.items() if not _is_of_user(failure)]
    if unknown:
        notes.append(Note("code", text=f"not checked, as its arguments are not known: {join_names(unknown)}"))
    report = reports[first] if first else next(iter(reports.values()))
    counts = {
        name: sum(getattr(one, name) for one in reports.values()) for name in ("entries", "compared", "kinks", "faint")
    }
    return replace(
        report,
        what=f"gradients of {module}",
        ok=not first,
        arrays=arrays,
        notes=tuple(notes),
        location=f"{first}: {report.location}" if report.location else "",
        vacuous=Note("code", text=f"{first}: {report.vacuous}") if report.vacuous else None,
        **counts,
    )
