import ast
import inspect

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from traceable_formulas import results_of

from deltarule.export.script_parts import (
    MAX_LITERAL_NUMBERS,
    MAX_STATEMENT_LENGTH,
    ScriptArrays,
    extract_sources,
    script_templates,
    wrap_statement,
)
from deltarule.maths import activations, layers, losses, optimizers, penalties, random, schedules
from deltarule.maths.elementary import select

MODULES = (activations, losses, optimizers, penalties, schedules)
FUNCTIONS = [
    function
    for module in MODULES
    for function in vars(module).values()
    if inspect.isfunction(function) and function.__module__ == module.__name__ and not function.__name__[0] == "_"
]


def names_of(sources, needed):
    names = {"np": np, "math": __import__("math"), **{name: getattr(np, name) for name in needed}}
    exec("\n".join(sources), names)
    return names


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda function: f"{function.__module__}.{function.__name__}")
def test_an_extracted_function_computes_the_same(function):
    sources, needed = extract_sources({function.__name__: function})
    found = names_of(sources, needed)[function.__name__]
    rng = np.random.default_rng(0)
    parameters = inspect.signature(function).parameters
    if function.__name__ in ("meaningful", "divisor", "is_smoothable", "smooth_labels"):
        return
    given = [rng.random((3, 4)) + 0.1 for _ in parameters]
    with np.errstate(all="ignore"):
        ours, theirs = function(*given), found(*given)
    for one, other in zip(results_of(ours), results_of(theirs), strict=True):
        assert np.allclose(one, other, rtol=1e-14, equal_nan=True)


def test_annotations_and_examples_are_left_out_and_docstrings_kept():
    sources, _ = extract_sources({"batch_norm": layers.batch_norm, "permutation": random.permutation})
    for source in sources:
        tree = ast.parse(source)
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef):
                assert ast.get_docstring(node) and ">>>" not in ast.get_docstring(node)
                assert node.returns is None and all(one.annotation is None for one in node.args.args)
    assert "Source: Ioffe & Szegedy 2015" in sources[0]


def test_long_statement_is_broken_at_blanks():
    statement = "m = f(" + ", ".join(["something"] * 12) + ")"
    lines = wrap_statement(statement).splitlines()
    assert len(lines) == 2 and max(map(len, lines)) <= MAX_STATEMENT_LENGTH and lines[1].startswith("    something")
    assert " ".join(map(str.strip, lines)) == statement


def test_two_functions_of_one_name_can_be_distinguished():
    functions = {"exponential": activations.exponential, "scheduled_rate": schedules.exponential}
    sources, needed = extract_sources(functions)
    names = names_of(sources, needed)
    assert names["exponential"](0.0) == 1 and names["scheduled_rate"](2.0, 3.0, 0.5) == 0.75


def test_float32_stays_float32():
    sources, needed = extract_sources({"relu_derivative": activations.relu_derivative})
    z = np.array([-1.0, 2.0], np.float32)
    found = names_of(sources, needed)
    assert found["relu_derivative"](z, z).dtype == np.float32
    assert np.array_equal(found["select"](z, 1.0, 0.0), select(z, 1.0, 0.0))


def read_back(text, ending, tmp_path_factory):
    """Run a script and return its array."""
    path = tmp_path_factory.mktemp("script") / "script.py"
    imports = "import base64, zlib\nfrom pathlib import Path\nimport numpy as np\n"
    unpack_function = script_templates().get_template("unpack.py.jinja").render()
    path.write_text(f"{imports}{unpack_function}\n{text}\n{ending}", encoding="utf-8")
    names = {"__file__": str(path)}
    exec(compile(path.read_text(encoding="utf-8"), path, "exec"), names)
    return names["x"]


@given(dtype=st.sampled_from(["float64", "float32"]), data=st.data())
def test_arrays_are_restored_bit_for_bit(tmp_path_factory, dtype, data):
    width = {"float64": 64, "float32": 32}[dtype]
    numbers = st.floats(width=width, allow_nan=False, allow_infinity=False)
    array = data.draw(arrays.arrays(dtype, st.tuples(st.integers(1, 30), st.integers(1, 60)), elements=numbers))
    kept = ScriptArrays(np.dtype(dtype))
    text = kept.assignment("x", array)
    found = read_back(text, kept.packed_lines(), tmp_path_factory)
    assert found.dtype == dtype and np.array_equal(found, array)
    assert bool(kept.packed) == text.endswith('packed("x")')
    assert bool(kept.packed) <= (array.size > MAX_LITERAL_NUMBERS)
    assert max(map(len, (text + kept.packed_lines()).splitlines())) <= 120
