import numpy as np
import pytest
from refusals import refuses

from deltarule.errors import BadInput
from deltarule.maths.activations import ACTIVATIONS
from deltarule.maths.losses import LOSSES
from deltarule.playground.custom_formulas import PRESETS, check_pair, judge_pair, read_formula, read_pair
from deltarule.program.formula import trace


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
    assert trace(function, ["z"], dtype).arguments[0].name == "z"
    assert function(z).dtype == dtype and function(z).shape == z.shape
    assert (function(z) is not z) and (text != "1" or function(z).tolist() == [1, 1, 1, 1])


@pytest.mark.slow
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
        ("", "it ends too early"),
        ("(1", '")" is missing'),
        ("1 2", '"2" cannot stand there'),
        ("1_000", '"_000" cannot stand there'),
        ("z # 1", '"#" cannot stand there'),
        ("q", '"q" cannot stand in a formula'),
        ("tanh", '"(" is missing'),
        ("max(1)", '")" stands where "," should'),
        ("z.real", '"." cannot stand there'),
        ("__import__('os')", '"__import__" cannot stand in a formula'),
        ("[z for z in z]", '"[" cannot stand in a formula'),
        ("1 < z < 2", '"<" cannot stand there'),
        ("(" * 299, "it is nested too deep"),
        ("-" * 299 + "z", "it is nested too deep"),
    ],
)
def test_bad_formula(text, what):
    with pytest.raises(BadInput) as refused:
        read_formula(text, ("z",))
    assert what in str(refused.value) and "exp, log" in str(refused.value)


@pytest.mark.parametrize(
    ("kind", "function", "derivative", "verdict"),
    [
        (
            "activation",
            "sqrt(z)",
            "0.5 / sqrt(z)",
            "Right at 13 of 25 points; at the others the function is not finite",
        ),
        ("activation", "z > 0", "0", "Right, but the function is constant around each of 25 points"),
        (
            "activation",
            "1e-9 * z",
            "0",
            "Wrong at 25 of 25 points: at z = -2.91 the derivative is 0 and should be 1e-09",
        ),
        ("activation", "sin(z)", "1.001 * cos(z)", "Wrong at 25 of 25 points: at z = -2.91"),
        ("loss", "abs(p - y)", "sign(p - y)", "Right: the derivative agrees with differences at 25 points"),
        ("loss", "log(p - 0.5)", "2 / (p - 0.5)", "Wrong at 12 of 12 points"),
    ],
)
def test_verdict_of_a_derivative(kind, function, derivative, verdict):
    is_right, sentence = judge_pair(read_pair(kind, function, derivative))
    assert sentence.startswith(verdict) and is_right == verdict.startswith("Right")


def test_function_that_is_finite_nowhere_is_refused():
    with refuses(25, -2.91, 2.94):
        judge_pair(read_pair("activation", "log(z - 5)", "1 / (z - 5)"))


def test_huge_powers_are_infinite():
    assert read_formula("9^9^9^9", ("z",))(np.ones(3)).tolist() == [np.inf] * 3
