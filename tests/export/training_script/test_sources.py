import ast
import inspect

import numpy as np
import pytest

from deltarule.export.training_script.sources import extract_sources
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
def test_a_function_alone_gives_what_it_gives_here(function):
    sources, needed = extract_sources([function], np.dtype("float64"))
    found = names_of(sources, needed)[function.__name__]
    rng = np.random.default_rng(0)
    parameters = inspect.signature(function).parameters
    if function.__name__ in ("meaningful", "divisor"):
        return
    given = [rng.random((3, 4)) + 0.1 for _ in parameters]
    with np.errstate(all="ignore"):
        ours, theirs = function(*given), found(*given)
    for one, other in zip(*(value if isinstance(value, tuple) else (value,) for value in (ours, theirs)), strict=True):
        assert np.allclose(one, other, rtol=1e-14, equal_nan=True)


def test_annotations_and_examples_are_left_out_and_docstrings_kept():
    sources, _ = extract_sources([layers.batch_norm, random.permutation], np.dtype("float64"))
    for source in sources:
        tree = ast.parse(source)
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef):
                assert ast.get_docstring(node) and ">>>" not in ast.get_docstring(node)
                assert node.returns is None and all(one.annotation is None for one in node.args.args)
    assert "Source: Ioffe & Szegedy 2015" in sources[0]


def test_each_function_stands_once_and_after_what_it_uses():
    sources, _ = extract_sources(
        [activations.silu_derivative, activations.silu, activations.sigmoid], np.dtype("float64")
    )
    assert [source.split("(")[0] for source in sources] == [
        "def select",
        "def sigmoid",
        "def silu_derivative",
        "def silu",
    ]


def test_two_functions_of_one_name_can_be_told_apart():
    functions = [activations.exponential, schedules.exponential]
    sources, needed = extract_sources(functions, np.dtype("float64"), {schedules.exponential: "scheduled_rate"})
    names = names_of(sources, needed)
    assert names["exponential"](0.0) == 1 and names["scheduled_rate"](2.0, 3.0, 0.5) == 0.75


def test_float32_stays_float32():
    sources, needed = extract_sources([activations.relu_derivative], np.dtype("float32"))
    z = np.array([-1.0, 2.0], np.float32)
    found = names_of(sources, needed)
    assert found["relu_derivative"](z, z).dtype == np.float32
    assert np.array_equal(found["select"](z, 1.0, 0.0), select(z, 1.0, 0.0))
