"""Print what the page takes from Python as JavaScript: the formulas of `maths`, and small pictures of data sets.

`python benchmarks/page_modules.py` writes both modules; a test compares them with what is printed.
"""

import inspect
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from deltarule.data.load import load
from deltarule.maths.activations import ACTIVATIONS
from deltarule.maths.losses import LOSSES
from deltarule.maths.optimizers import OPTIMIZERS, Optimizer
from deltarule.maths.penalties import PENALTIES
from deltarule.maths.schedules import SCHEDULES
from deltarule.program.formula import trace
from deltarule.program.javascript import HELPERS, javascript

PAGE = Path(__file__).parents[1] / "src" / "deltarule" / "playground" / "page"
THUMBNAILS = ("spirals", "circles", "clusters", "checkerboard", "xor", "hills", "iris", "wine")
THUMBNAIL_POINTS = 90
HEAD = """// @ts-nocheck
/* eslint-disable no-unused-vars */
// Written by `python benchmarks/page_modules.py` from deltarule's formulas and data.

import { tanh } from "./elementary.js";
"""


def print_formulas() -> str:
    """The module's text: a function for each formula, a table for each kind."""
    functions: dict[str, str] = {}

    def printed(function: Callable[..., Any]) -> str:
        name = f"{function.__module__.rpartition('.')[2]}_{function.__name__}"
        arguments = list(inspect.signature(function).parameters)
        functions.setdefault(name, javascript(name, trace(function, arguments, "float64")))
        return name

    def update(optimizer: Optimizer) -> str:
        name, numbers = printed(optimizer.update), list(inspect.signature(optimizer.update).parameters)
        numbers = numbers[2 + len(optimizer.slots) :]
        functions[f"{name}_all"] = _update_all(name, optimizer.slots, numbers)
        return f"{name}_all"

    def formulas(record: Any) -> dict[str, str]:
        return {kind: printed(getattr(record, kind)) for kind in ("value", "derivative")}

    tables: dict[str, dict[str, Any]] = {
        "ACTIVATIONS": {
            one.name: {
                "value": printed(one.function),
                "derivative": printed(one.derivative),
                "parameters": _numbers(one.parameters),
                "range": f'"{one.range}"',
            }
            for one in ACTIVATIONS.values()
            if not one.rowwise
        },
        "LOSSES": {
            one.name: {
                **formulas(one),
                "parameters": _numbers(one.parameters),
                "domain": f'"{one.domain}"',
                "fused": {name: formulas(terms) for name, terms in one.fused.items() if name != "softmax"},
            }
            for one in LOSSES.values()
        },
        "PENALTIES": {
            one.name: {**formulas(one), "per_sample": str(one.per_sample).lower()} for one in PENALTIES.values()
        },
        "OPTIMIZERS": {
            one.name: {
                "update": update(one),
                "slots": str(list(one.slots)).replace("'", '"'),
                "parameters": _numbers(one.parameters),
                "once_a_step": printed(one.once_a_step) if one.once_a_step else "null",
                "norms": str(one.norms).lower(),
                "decay": str(one.decay).lower(),
            }
            for one in OPTIMIZERS.values()
        },
        "SCHEDULES": {
            one.name: {"rate": printed(one.rate), "parameters": _numbers(one.parameters)}
            for one in SCHEDULES.values()
            if not one.adaptive
        },
    }
    texts = [
        f"/** @type {{Record<string, any>}} */\nexport const {name} = {_table(table)};"
        for name, table in tables.items()
    ]
    body = "\n".join([*functions.values(), "", *texts]).replace("Math.tanh(", "tanh(")
    return f"{HEAD}\nexport {HELPERS}\n{body}\n"


def _update_all(name: str, slots: tuple[str, ...], numbers: list[str]) -> str:
    """The update of a range of θ, in place."""
    arrays = ["theta", "g", *slots]
    call = f"{name}({', '.join([*(f'{one}[i]' for one in arrays), *numbers])})"
    if slots:
        stores = [f"{one}[i] = after[{index}];" for index, one in enumerate(("theta", *slots))]
        call = f"const after = {call}; {' '.join(stores)}"
    else:
        call = f"theta[i] = {call};"
    return "\n".join(
        [
            f"function {name}_all([{', '.join(arrays)}], [{', '.join(numbers)}], start, stop) {{",
            f"  for (let i = start; i < stop; i++) {{ {call} }}",
            "}",
        ]
    )


def _numbers(parameters: Mapping[str, float]) -> dict[str, str]:
    return {name: repr(float(value)) for name, value in parameters.items()}


def _table(table: Mapping[str, Any]) -> str:
    """A JavaScript object; texts stand for expressions."""
    parts = (f"{key}: {_table(value) if isinstance(value, Mapping) else value}" for key, value in table.items())
    return f"{{ {', '.join(parts)} }}"


def print_thumbnails() -> str:
    """The module's text: points of data sets in the unit square, each with its class or the sign of its target."""
    lines = []
    for name in THUMBNAILS:
        train = load(name).train
        x = np.asarray(train.x[:, -2:], np.float64)
        x = (x - x.min(0)) / np.ptp(x, axis=0)
        answers = train.answers if train.answers.ndim == 1 else train.answers[:, 0] > 0
        rows = np.unique(np.linspace(0, len(x) - 1, THUMBNAIL_POINTS).astype(int))
        points = [[*x[row].round(2).tolist(), int(answers[row])] for row in rows]
        lines.append(f'  ["{name}", {json.dumps(points, separators=(",", ":"))}],')
    declaration = "/** @type {[string, [number, number, number][]][]} */\nexport const THUMBNAILS = ["
    return "\n".join(["// @ts-check", HEAD.splitlines()[2], "", declaration, *lines, "];", ""])


MODULES = {PAGE / "engine" / "formulas.js": print_formulas, PAGE / "thumbnails.js": print_thumbnails}

if __name__ == "__main__":
    for file, printed in MODULES.items():
        file.write_text(printed(), encoding="utf-8")
