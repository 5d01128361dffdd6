import numpy as np
import pytest

from deltarule.errors import BadInput
from deltarule.playground.custom_formulas import read_formula

Z = np.array([-1.5, 0.25, 2.0])


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


@pytest.mark.parametrize("text", ["-" * 298 + "z", "z" + "^z" * 149], ids=["signs", "powers"])
def test_longest_formulas_have_a_value(text):
    assert read_formula(text, ("z",))(Z).shape == Z.shape


def test_huge_powers_are_infinite():
    assert read_formula("9^9^9^9", ("z",))(Z).tolist() == [np.inf] * 3
