"""Every number of a trace, computed once more from its formula in 40 digits."""

import mpmath
import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from lanes import examples
from random_problems import EVERY_FORMULA, problems

from deltarule.problem.state import State, initial_state
from deltarule.tracing import expressions as trees
from deltarule.tracing.explain import explain_update

ALLOWED = 64
"""Units in the last place of what is added up."""


def exact(tree):
    """A tree's value in 40 digits, and the size of what it is added up from: rounding is in proportion to that."""
    match tree:
        case trees.Number(value) | trees.Ref(_, _, value):
            return mpmath.mpf(float(value)), abs(mpmath.mpf(float(value)))
        case trees.Operation("+", terms):
            return added(map(exact, terms))
        case trees.Operation("-", (left, right)):
            value, size = exact(right)
            return added([exact(left), (-value, size)])
        case trees.Series():
            return added(exact(tree.term(*place)) for place in np.ndindex(*tree.lengths))
        case trees.Operation("·", factors):
            values, sizes = zip(*map(exact, factors), strict=True)
            return mpmath.fprod(values), mpmath.fprod(sizes)
        case trees.Operation("/", (above, below)):
            (value, size), (divisor, other) = exact(above), exact(below)
            return value / divisor, size / abs(divisor) * (other / abs(divisor))
        case trees.Operation("^", (base, exponent)):
            return raised(*exact(base), *exact(exponent))
        case trees.Negative(of):
            value, size = exact(of)
            return -value, size
        case trees.Cases():
            return exact(tree.selection[1])
        case trees.Function(name, arguments, call):
            values, sizes = zip(*map(exact, arguments), strict=True)
            return called(name, call, values, sizes)


def added(terms):
    values, sizes = zip(*terms, strict=True)
    return mpmath.fsum(values), mpmath.fsum(sizes)


def raised(base, size, exponent, other):
    result = base**exponent
    relative = (abs(exponent) * size / abs(base) + other * abs(mpmath.log(abs(base)))) if base else 0
    return result, abs(result) * (1 + relative)


def called(name, call, values, sizes):
    x, size = values[0], sizes[0]
    match name:
        case "exp":
            return mpmath.exp(x), mpmath.exp(x) * (1 + size)
        case "log":
            return mpmath.log(x), abs(mpmath.log(x)) + size / abs(x)
        case "sqrt":
            return mpmath.sqrt(x), mpmath.sqrt(x) * (1 + (size / x if x else 0))
        case "tanh":
            return mpmath.tanh(x), abs(mpmath.tanh(x)) + size * mpmath.sech(x) ** 2
        case "erf":
            return mpmath.erf(x), abs(mpmath.erf(x)) + size * mpmath.exp(-x * x)
        case "cos":
            return mpmath.cos(x), 1 + size
        case "floor":
            return mpmath.floor(x), abs(x)
        case "min" | "max":
            return {"min": min, "max": max}[name](values), max(sizes)
    result = mpmath.mpf(float(call(*map(float, values))))
    return result, abs(result) + sum(sizes)


def disagreements(explanation):
    """The entries whose formulas come to another number than the engine did."""
    found = []
    unit, least = (float(getattr(np.finfo(explanation.problem.dtype), name)) for name in ("eps", "tiny"))
    with mpmath.workdps(40):
        for one in explanation.quantities.values():
            for index in one.indices() if one.rule else ():
                value, size = exact(one.rule(*index))
                if not abs(value - mpmath.mpf(float(one.value[index]))) <= ALLOWED * (unit * size + least):
                    found.append((one.name, index, float(value), float(one.value[index]), float(size)))
    return found


@st.composite
def explained(draw, **chosen):
    """A network, an objective and an optimizer, all drawn, some updates after their start."""
    problem = draw(problems(max_units=3, max_rows=4, strength=0.3, learning_rate=0.1, is_finite=True, **chosen))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    start = initial_state(problem)
    slots = {name: abs(rng.normal(size=slot.shape)).astype(problem.dtype) for name, slot in start.slots.items()}
    if "previous" in slots:
        slots["previous"] = rng.normal(size=slots["previous"].shape).astype(problem.dtype)
    theta = rng.normal(size=start.theta.shape).astype(problem.dtype)
    factor, step = np.array([draw(st.sampled_from([1.0, 0.2]))]), draw(st.integers(0, 3000))
    explanation = explain_update(problem, State(theta, slots, start.buffers, factor, start.members, step))
    assume(all(np.isfinite(one.value).all() for one in explanation.quantities.values()))  # log 0 has no digits
    return explanation


@pytest.mark.slow
@settings(max_examples=examples(150), suppress_health_check=[HealthCheck.too_slow])
@given(explained())
def test_every_formula_gives_the_engines_number(explanation):
    assert disagreements(explanation) == []


@pytest.mark.sampled(4)
@pytest.mark.parametrize(("kind", "name"), EVERY_FORMULA, ids=str)
@settings(max_examples=examples(8), suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
@given(data=st.data())
def test_each_formula_there_is_gives_the_engines_number(kind, name, data):
    explanation = data.draw(explained(**{kind: name}))
    assert all(one.rule for one in explanation.quantities.values() if one.section in ("loss", "backward"))
    assert disagreements(explanation) == []
