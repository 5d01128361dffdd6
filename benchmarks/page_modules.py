"""Print what the page takes from Python: the formulas of `maths`, with products, and small pictures of data sets.

`python benchmarks/page_modules.py` writes the modules; a test compares them with what is printed.
"""

import base64
import hashlib
import json
import zlib
from inspect import signature
from pathlib import Path
from typing import Any

import numpy as np
from page_kernels import print_kernels
from wasm_module import assemble

from deltarule.data.load import load
from deltarule.maths.activations import ACTIVATIONS
from deltarule.maths.losses import LOSSES
from deltarule.maths.optimizers import OPTIMIZERS
from deltarule.maths.penalties import PENALTIES
from deltarule.maths.schedules import SCHEDULES

PAGE = Path(__file__).parents[1] / "src" / "deltarule" / "playground" / "page"
THUMBNAILS = ("spirals", "circles", "clusters", "checkerboard", "xor", "hills", "iris", "wine")
THUMBNAIL_POINTS = 90
HEAD = """// @ts-nocheck
// Written by `python benchmarks/page_modules.py` from deltarule's formulas and data."""


def print_tables() -> str:
    """The module's text: what belongs to each formula by name, beside the function that computes it."""
    tables: dict[str, dict[str, Any]] = {
        "ACTIVATIONS": {
            one.name: {"parameters": dict(one.parameters), "range": one.range}
            for one in ACTIVATIONS.values()
            if not one.rowwise
        },
        "LOSSES": {
            one.name: {
                "parameters": dict(one.parameters),
                "domain": one.domain,
                "fused": [output for output in one.fused if output != "softmax"],
            }
            for one in LOSSES.values()
        },
        "PENALTIES": {one.name: {"per_sample": one.per_sample} for one in PENALTIES.values()},
        "OPTIMIZERS": {
            one.name: {
                "slots": one.slots,
                "parameters": dict(one.parameters),
                "once": len(signature(one.update).parameters) - 2 - len(one.slots) if one.once_a_step else 0,
                "norms": one.norms,
                "decay": one.decay,
            }
            for one in OPTIMIZERS.values()
        },
        "SCHEDULES": {one.name: {"parameters": dict(one.parameters)} for one in SCHEDULES.values() if not one.adaptive},
    }
    lines = (
        f"/** @type {{Record<string, any>}} */\nexport const {name} = {json.dumps(table)};"
        for name, table in tables.items()
    )
    return "\n".join([HEAD, "", *lines, ""])


def print_module_head() -> str:
    """The beginning of the module of `page_kernels.py`, with a digest: other versions of LLVM assemble other bytes."""
    return f"{HEAD}\n// SHA-256 of the functions' text: {hashlib.sha256(print_kernels().encode()).hexdigest()}\n"


def print_module() -> str:
    """The module's text: the functions, assembled and compressed."""
    content = base64.b64encode(zlib.compress(assemble(print_kernels()), 9)).decode()
    return f'{print_module_head()}export const KERNELS = "{content}";\n'


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
    return "\n".join(["// @ts-check", HEAD.splitlines()[1], "", declaration, *lines, "];", ""])


KERNELS = PAGE / "kernels_module.js"
MODULES = {PAGE / "engine" / "tables.js": print_tables, PAGE / "thumbnails.js": print_thumbnails}

if __name__ == "__main__":
    for file, printed in {**MODULES, KERNELS: print_module}.items():
        file.write_text(printed(), encoding="utf-8")
