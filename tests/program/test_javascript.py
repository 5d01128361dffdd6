"""Printed JavaScript computes what the formulas compute, to the rounding of its elementary functions."""

import json
import subprocess

import numpy as np
import pytest
import scipy.special
from node_process import needs_node
from traceable_formulas import BUILT_INS, results_of

from deltarule.program.formula import trace
from deltarule.program.javascript import HELPERS, javascript
from deltarule.program.program import NotTraceable

pytestmark = needs_node

MAIN = """
const number = text => ({NaN: NaN, Infinity: Infinity, "-Infinity": -Infinity})[text] ?? text;
const shown = value => Number.isFinite(value) ? Object.is(value, -0) ? "-0" : value : String(value);
const cases = JSON.parse(require("fs").readFileSync(0));
const results = cases.map(([name, rows]) => rows.map(row => [functions[name](...row.map(number))].flat().map(shown)));
console.log(JSON.stringify(results));
"""


def run(functions: dict[str, str], cases: list[tuple[str, np.ndarray]]) -> list[np.ndarray]:
    """Run JavaScript functions by name on rows of arguments, and return the rows of their results."""
    table = f"const functions = {{{', '.join(functions)}}};"
    texts = [[name, [[shown(number) for number in row] for row in rows.tolist()]] for name, rows in cases]
    text = "\n".join([HELPERS, *functions.values(), table, MAIN])
    ran = subprocess.run(["node", "-e", text], input=json.dumps(texts), capture_output=True, text=True, check=True)
    return [np.array(rows, float) for rows in json.loads(ran.stdout)]


def shown(number: float) -> float | str:
    return number if np.isfinite(number) else {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}[str(number)]


def test_printed_formulas_give_the_numbers_of_numpy_to_rounding() -> None:
    random, functions, cases, expected = np.random.default_rng(0), {}, [], []
    for name, (_, function, arguments) in BUILT_INS.items():
        numbers = [random.normal(0, 3, 200) if one in "zgw" else random.uniform(0.01, 0.99, 200) for one in arguments]
        functions[name] = javascript(name, trace(function, arguments, "float64"))
        cases.append((name, np.stack(numbers, 1)))
        expected.append(np.stack(np.broadcast_arrays(*results_of(function(*numbers))), 1))
    for (name, _), ours, theirs in zip(cases, run(functions, cases), expected, strict=True):
        assert np.allclose(ours, theirs, rtol=1e-12, atol=1e-14), name


def test_choices_and_truths_are_numpys() -> None:
    written = {
        "joined": lambda z: ((z > -1) & (z < 1)) * z + ((z >= 1) | (z <= -1)) * z**3,
        "added": lambda z: ((z > -1) + (z > 0)) * 1.0 + ~(z > 1) * 2,
        "chosen": lambda z: np.where(z > 0, z, -np.inf) * np.where(z, -0.5, 2),
        "clipped": lambda z: np.clip(z, -1, 0.5) + np.sign(z) + abs(z) + np.floor(z) - z**-2,
    }
    z = np.array([-2.5, -1.0, -0.0, 0.4, 1.0, 3.2, np.nan, np.inf])
    functions = {name: javascript(name, trace(function, ["z"], "float64")) for name, function in written.items()}
    found = run(functions, [(name, z[:, None]) for name in written])
    with np.errstate(all="ignore"):
        for ours, function in zip(found, written.values(), strict=True):
            assert np.allclose(ours[:, 0], function(z), rtol=1e-15, equal_nan=True)


def test_the_error_function_is_within_rounding_everywhere() -> None:
    x = np.concatenate([np.linspace(-7, 7, 4001), [0.0, 1e-300, -1e-9, np.inf, -np.inf, np.nan]])
    [found] = run({"erf": ""}, [("erf", x[:, None])])
    assert np.allclose(found[:, 0], scipy.special.erf(x), rtol=1.5e-15, atol=0, equal_nan=True)


def test_what_javascript_lacks_is_refused() -> None:
    with pytest.raises(NotTraceable, match="it uses logaddexp, which JavaScript lacks"):
        javascript("f", trace(lambda z: np.logaddexp(z, 0.0), ["z"], "float64"))
