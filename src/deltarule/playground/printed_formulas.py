"""Print the formulas of `maths` as the JavaScript module of the page's engine.

`python -m deltarule.playground.printed_formulas` writes it; a test compares it with what is printed.
"""

import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from deltarule.formulas.javascript import HELPERS, javascript
from deltarule.formulas.tracer import trace
from deltarule.maths.activations import ACTIVATIONS
from deltarule.maths.losses import LOSSES
from deltarule.maths.optimizers import OPTIMIZERS, Optimizer
from deltarule.maths.penalties import PENALTIES
from deltarule.maths.schedules import SCHEDULES

FILE = Path(__file__).parent / "page" / "engine" / "formulas.js"
HEAD = """// @ts-nocheck
/* eslint-disable no-unused-vars */
// Written by `python -m deltarule.playground.printed_formulas` from the formulas of deltarule/maths.

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


if __name__ == "__main__":
    FILE.write_text(print_formulas(), encoding="utf-8")
