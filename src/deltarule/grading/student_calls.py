"""Functions and methods of a student, called in the student's process by the solution that runs in ours.

A method gets an object of the student's that the setup of a check makes, with the values that the solution's own object
has at that moment in attributes of the same names; what it changes in them is taken back.
"""

import ast
import re
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from deltarule.grading.checks import SolvedCheck
from deltarule.grading.process import Failed, Worker

MAX_CALLS = 2000
"""Calls of a student's function while the solution runs with it."""
PLAIN = (np.ndarray, np.generic, int, float, complex, str, type(None))


class Method(NamedTuple):
    """What a check calls of the object that its setup makes: `net.fit(x)` after `net = Network(W)`."""

    class_name: str
    name: str
    variable: str


def method_of(check: SolvedCheck, names: Mapping[str, Any]) -> Method | None:
    """The method that a check calls; None if it calls a function."""
    call = ast.parse(check.call, mode="eval").body
    function = call.func if isinstance(call, ast.Call) else None
    if not isinstance(function, ast.Attribute) or not isinstance(function.value, ast.Name):
        return None
    variable = function.value.id
    made = re.search(rf"\b{variable}\s*=\s*(\w+)\(", check.setup)
    return Method(made[1], function.attr, variable) if made and isinstance(names.get(made[1]), type) else None


def student_code(
    check: SolvedCheck, others: Sequence[SolvedCheck], names: Mapping[str, Any], running: Worker
) -> tuple[dict[str, Any], list[str]]:
    """The student's code that other checks call, as the solution can call it, by name; and what it is called."""
    proxies: dict[str, Any] = {}
    classes: dict[str, dict[str, Callable[..., Any]]] = {}
    own = method_of(check, names)
    for other in others:
        method = method_of(other, names)
        if method is None:
            functions = {*other.functions} & names.keys() - {*check.functions}
            proxies |= {name: call_function(name, running) for name in functions}
        elif own is None or method[:2] != own[:2]:
            classes.setdefault(method.class_name, {})[method.name] = call_method(method, other, running)
    called = [*proxies, *(f"{name}.{method}" for name, methods in classes.items() for method in methods)]
    proxies |= {name: type(name, (names[name],), methods) for name, methods in classes.items()}
    return proxies, sorted(called)


def call_function(name: str, running: Worker) -> Callable[..., Any]:
    """A student's function, called in its own process."""
    ask = _limited(name, running)

    def call(*arguments: Any, **named: Any) -> Any:
        labels, words, values = _words(arguments, named)
        request = {"setup": "", "call": f"{name}({words})", "returns": labels, "values": values}
        result = ask(request, arguments)
        if not isinstance(result, dict) or result.keys() != set(labels):
            return result
        _take_back(labels, arguments, result)  # it changed its arguments in place
        return None

    return call


def call_method(method: Method, check: SolvedCheck, running: Worker) -> Callable[..., Any]:
    """A student's method, called in the student's process on the values of the solution's object."""
    ask = _limited(method.name, running)

    def call(self: Any, *arguments: Any, **named: Any) -> Any:
        state = {name: value for name, value in vars(self).items() if _is_plain(value)}
        labels, words, values = _words(arguments, named)
        attributes = f"vars({method.variable})"
        setup = f"{check.setup}\n{attributes}.update((n, v) for n, v in __state.items() if n in {attributes})"
        table = {f"its {name}": f"{attributes}.get({name!r})" for name in state}
        request = {
            "setup": setup,
            "call": f"{method.variable}.{method.name}({words})",
            "returns": {"result": "result"} | {label: label for label in labels} | table,
            "values": check.values | values | {"__state": state},
        }
        result = ask(request, [*arguments, *_arrays_in(state)])
        for name, value in state.items():
            setattr(self, name, _updated(value, result[f"its {name}"]))
        _take_back(labels, arguments, result)
        return result["result"]

    return call


def _limited(name: str, running: Worker) -> Callable[[dict[str, Any], Sequence[Any]], Any]:
    """What sends requests, so many and for so long as the assignment lets a call run."""
    end = time.monotonic() + running.assignment.time_limit_seconds
    calls = iter(range(MAX_CALLS))

    def ask(request: dict[str, Any], sent: Sequence[Any]) -> Any:
        if next(calls, None) is None or time.monotonic() > end:
            raise Failed(f"{name} is called too often")
        size = 100 * sum(np.asarray(value).nbytes for value in sent if isinstance(value, np.ndarray)) + 10_000
        return running.call(request | {"max_bytes": size})

    return ask


def _words(arguments: Sequence[Any], named: Mapping[str, Any]) -> tuple[list[str], str, dict[str, Any]]:
    """The labels of the arguments, the text between the brackets of a call, and the values by label."""
    labels = [f"__{i}" for i in range(len(arguments))]
    return labels, ", ".join([*labels, "**__named"]), dict(zip(labels, arguments, strict=True)) | {"__named": named}


def _take_back(labels: Sequence[str], arguments: Sequence[Any], result: Mapping[str, Any]) -> None:
    for label, argument in zip(labels, arguments, strict=True):
        if isinstance(argument, np.ndarray):
            argument[...] = result[label]


def _is_plain(value: Any) -> bool:
    """Whether a value can be sent: numbers, texts and arrays, in dictionaries, lists and tuples."""
    if isinstance(value, dict):
        return all(isinstance(key, str) and _is_plain(item) for key, item in value.items())
    return all(map(_is_plain, value)) if isinstance(value, list | tuple) else isinstance(value, PLAIN)


def _arrays_in(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return _arrays_in([*value.values()])
    return [array for item in value for array in _arrays_in(item)] if isinstance(value, list | tuple) else [value]


def _updated(value: Any, returned: Any) -> Any:
    """A value with what came back, in place where it can be: the solution may hold it in an unfinished statement.

    Where the student's object has nothing of that name, the value is as it was.
    """
    if returned is None or isinstance(value, str):
        return value
    if isinstance(value, np.ndarray) and value.shape == np.shape(returned):
        value[...] = returned
        return value
    if isinstance(value, dict):
        value.update((key, _updated(item, returned[key])) for key, item in value.items())
        return value
    if isinstance(value, list | tuple):
        parts = [_updated(item, part) for item, part in zip(value, returned, strict=True)]
        if isinstance(value, tuple):
            return tuple(parts)
        value[:] = parts
        return value
    return np.asarray(returned) if isinstance(value, np.ndarray) else type(value)(np.asarray(returned).item())
