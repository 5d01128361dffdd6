import numpy as np
import pytest

from deltarule.engines.compiled.formula_printer import Formulas
from deltarule.errors import BadInput
from deltarule.maths.activations import ACTIVATIONS
from deltarule.maths.losses import LOSSES
from deltarule.playground.custom_formulas import PRESETS, check_pair, read_formula, read_pair


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind in PRESETS for name in PRESETS[kind]])
def test_preset_formulas(kind, name):
    pair = read_pair(kind, *PRESETS[kind][name])
    assert check_pair(pair).verdict == "right"
    p, y = np.linspace(0.05, 0.95, 7), np.array([0.0, 1, 0, 1, 1, 0, 1])
    if kind == "activation":
        np.testing.assert_allclose(pair.function(p - 0.5), ACTIVATIONS[name].function(p - 0.5), rtol=1e-12)
    else:
        np.testing.assert_allclose(pair.value(p, y), LOSSES[name].value(p, y), rtol=1e-9)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("text", ["max(z, 0)", "z > 0", "1", "sign(z) * abs(z) ^ 0.5 * pi", "min(z, 1 - z) / e"])
def test_what_is_typed_can_be_traced_for_the_compiled_engine(text, dtype):
    function, z = read_formula(text, ["z"]), np.array([-1.5, 0.0, 0.7, np.nan], dtype)
    assert "own" in Formulas(dtype).call(function, "own")
    assert function(z).dtype == dtype and function(z).shape == z.shape
    assert (function(z) is not z) and (text != "1" or function(z).tolist() == [1, 1, 1, 1])


@pytest.mark.parametrize(
    ("kind", "function", "derivative", "code"),
    [
        ("activation", "tanh(z)", "a^2 - 1", "sign"),
        ("activation", "tanh(z)", "1 - z^2", "derivative_of_z"),
        ("activation", "1 / (1 + exp(-z))", "a", "derivative_missing"),
        ("loss", "(p - y)^2", "p - y", "factor_two"),
        ("loss", "-y * log(p)", "y / p", "sign"),
    ],
)
def test_wrong_derivative_is_named(kind, function, derivative, code):
    report = check_pair(read_pair(kind, function, derivative))
    assert report.verdict == "WRONG" and code in [one.code for one in report.diagnosis]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2 + 3 * 4", 14),
        ("2 - 3 - 4", -5),
        ("12 / 3 / 2", 2),
        ("2 ^ 3 ^ 2", 512),
        ("2 ** 3", 8),
        ("-2 ^ 2", -4),
        ("2 * -3", -6),
        ("(1 + 2) * 3", 9),
        ("1 - 2 < 0", 1),
        ("max(1, min(5, 3))", 3),
        ("1e-3 * .5e3", 0.5),
        ("log(e)", 1),
    ],
)
def test_precedence(text, expected):
    assert read_formula(text, ("z",))(np.array([0.0]))[0] == pytest.approx(expected)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "invalid syntax"),
        ("(1", "never closed"),
        ("1 2", "invalid syntax"),
        ("q", "'q' cannot stand in a formula"),
        ("tanh", "'tanh' cannot stand in a formula"),
        ("max(1)", "'max' takes 2 arguments"),
        ("z.real", "'z.real' cannot stand in a formula"),
        ("__import__('os')", "cannot stand in a formula"),
        ("[z for z in z]", "cannot stand in a formula"),
        ("1 < z < 2", "cannot stand in a formula"),
        ("(" * 299, "the formula"),
    ],
)
def test_bad_formula(text, what):
    with pytest.raises(BadInput) as refused:
        read_formula(text, ("z",))
    assert what in str(refused.value) and "exp, log" in str(refused.value)


def test_huge_powers_are_infinite():
    assert read_formula("9^9^9^9", ("z",))(np.ones(3)).tolist() == [np.inf] * 3
