import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lanes import examples
from scipy.optimize import LbfgsInvHessProduct

from deltarule.engines.reference import ReferenceEngine
from deltarule.errors import BadInput
from deltarule.maths.network import views
from deltarule.problem.create import create_problem
from deltarule.problem.network import Network
from deltarule.problem.state import initial_state
from deltarule.tracing.explain import explain, explain_update
from deltarule.tracing.expressions import evaluate
from deltarule.tracing.lbfgs import BEGINS, CONVERGED, two_loops
from deltarule.training.train import train

RANDOM = np.random.default_rng(0)
X, Y = RANDOM.normal(size=(12, 2)), RANDOM.normal(size=(12, 1))


def problem_of(seed=0, **given):
    return create_problem(Network([2, 3, 1], "tanh"), X, Y, optimizer={"name": "lbfgs", **given}, seeds=seed)


def explained(problem, step):
    start = initial_state(problem)
    state = train(problem, engine=ReferenceEngine(), max_steps=step).state
    return explain_update(problem, state, lbfgs_start=start)


@settings(max_examples=examples(30))
@given(st.integers(0, 2**32), st.integers(1, 5), st.integers(1, 6))
def test_the_two_loops_are_the_product_with_the_matrix(seed, size, pairs):
    """SciPy multiplies by the same matrix, with 1 for the scale that it begins with."""
    random = np.random.default_rng(seed)
    moved, g = random.normal(size=(pairs, size)), random.normal(size=size)
    square = random.normal(size=(size, size))
    changed = moved @ (square @ square.T + np.eye(size))
    found = two_loops(moved, changed, g)
    scale = moved[-1] @ changed[-1] / (changed[-1] @ changed[-1])
    assert found.gamma == pytest.approx(scale)
    other = LbfgsInvHessProduct(moved * found.gamma**-0.5, changed * found.gamma**0.5)(g) * found.gamma
    np.testing.assert_allclose(found.r[-1], other, rtol=1e-6, atol=1e-9 * np.abs(other).max())


@pytest.mark.parametrize("step", [0, 1, 4, 13])
@pytest.mark.parametrize("memory", [3, 10])
def test_every_formula_gives_its_number_and_the_parameters_are_scipys(step, memory):
    problem = problem_of(memory=memory)
    found = explained(problem, step)
    assert ("Δθ" in found.quantities) == (step > 0)
    assert step == 0 or len(found["Δθ"]) == min(step, memory)
    after = train(problem, engine=ReferenceEngine(), max_steps=step + 1)
    for name, array in views(after.state.theta[0], problem.network.entries).items():
        np.testing.assert_array_equal(found[f"{name}_new"].ravel(), array.ravel())
    assert found["J_new"] == after.objective[0] < found["J"]
    for one in found.quantities.values():
        if one.section == "update" and one.rule:
            values = [evaluate(one.rule(*index)) for index in one.indices()]
            # SciPy's direction differs from ours by rounding; all others are computed from the very numbers.
            unit = 1e-6 if one.name.endswith("_new") else 1e-12
            assert np.abs(values - one.value.ravel()).max() <= unit * max(1e-3, np.abs(one.value).max()), one.name


def test_the_formulas_are_those_of_the_textbook():
    text = explained(problem_of(), 2).text()
    for formula in (
        "ρ[k] = 1 / (Σ_p Δθ[k, p] · Δg[k, p])",
        "α[k] = ρ[k] · (Σ_p Δθ[k, p] · q[k + 1, p])",
        "q[k, p] = q[k + 1, p] - α[k] · Δg[k, p]",
        "r[k, p] = r[k - 1, p] + Δθ[k, p] · (α[k] - β[k])",
        "W1_new[d, j] = W1[d, j] + t · direction[W1[d, j]]",
    ):
        assert formula in text


def test_it_says_where_it_begins_and_where_it_has_converged():
    assert explained(problem_of(), 0).notes == (BEGINS,)
    line = create_problem(Network([1, 1]), [[0.0], [1.0]], [1.0, 3.0], optimizer="lbfgs")
    steps = int(train(line, max_steps=100).steps[0])
    found = explained(line, steps)
    assert found.notes == (CONVERGED,) and "W1_new" not in found.quantities


def test_what_training_refuses_is_refused():
    with pytest.raises(BadInput, match="leave batch_size out"):
        explain(Network([1, 1]), [1.0, 0.0], [[1.0], [2.0]], [0.0, 1.0], "squared_error", "lbfgs", batch_size=1)
