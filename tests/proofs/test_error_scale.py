import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from deltarule.engines.reference import objective_and_gradient
from deltarule.maths.activations import ACTIVATIONS, Activation
from deltarule.maths.losses import LOSSES, Loss, meaningful
from deltarule.problem.batches import batch
from deltarule.problem.create import create_problem
from deltarule.problem.network import Network
from deltarule.problem.problem import Problem
from deltarule.problem.state import initial_state
from deltarule.proofs.error_scale import absolute_terms, rounding_of_result


def gradient_and_scale(problem: Problem) -> tuple[np.ndarray, np.ndarray]:
    state = initial_state(problem)
    rows = batch(problem, state.members, 0)
    with np.errstate(all="ignore"):
        done = objective_and_gradient(problem, state, rows)
        return done.gradient, absolute_terms(problem, state, rows, done.tape)


@given(
    hidden=st.sampled_from(list(ACTIVATIONS)),
    pair=st.sampled_from(
        [(a, b) for a in ACTIVATIONS.values() for b in LOSSES.values() if meaningful(b, a) and b.exact]
    ),
    batch_norm=st.booleans(),
    penalty=st.sampled_from(["l1", "l2_per_sample"]),
    seed=st.integers(0, 1000),
)
def test_the_scale_is_nowhere_less_than_the_gradient(
    hidden: str, pair: tuple[Activation, Loss], batch_norm: bool, penalty: str, seed: int
) -> None:
    random = np.random.default_rng(seed)
    output, loss = pair
    problem = create_problem(
        Network([3, 4, 2], hidden, output, batch_norm=batch_norm),
        random.normal(size=(5, 3)),
        random.uniform(size=(5, 2)),
        loss=loss,
        penalty=penalty,
        strength=0.1,
        penalize_biases=True,
        dropout=0.2,
        weights=random.uniform(0.1, 1, 5),
    )
    gradient, scale = gradient_and_scale(problem)
    assert (np.abs(gradient) <= scale * (1 + 1e-12)).all()


def test_samples_that_cancel_keep_their_scale() -> None:
    # p = 0, so that ∂ℓ/∂p is −y: 3, −3 and 2, −2 for the weight, and 10 is the sum of the absolute terms.
    network = Network([1, 1], bias=False, initializer="zeros")
    problem = create_problem(network, [[1], [1], [2], [2]], [3, -3, 1, -1], loss="half_squared_error", reduction="sum")
    gradient, scale = gradient_and_scale(problem)
    assert gradient == 0
    assert 10 <= scale <= 10 * (1 + 2 / 64)


def test_the_penalty_counts_by_itself() -> None:
    # W = 2: the data pull with 2 (2 − 7) = −10, the penalty with 2 · 2.5 · 2 = 10.
    network = Network([1, 1], bias=False, initializer={"name": "constant", "value": 2.0})
    problem = create_problem(network, [[1]], [7], penalty="l2", strength=2.5)
    gradient, scale = gradient_and_scale(problem)
    assert gradient == 0
    assert 20 <= scale <= 20 * (1 + 2 / 64)


def test_a_saturated_unit_has_the_scale_of_the_1_in_its_derivative() -> None:
    # 1 − a² is rounded to units of 1, however small it is: 1e-16 of its scale must be more than that rounding.
    z = np.array([12.0])
    found = rounding_of_result(lambda z, a: 1 - a * a, [z, np.tanh(z)], [z, np.tanh(z)])
    assert 1 < found < 3


def test_a_jump_adds_no_rounding_of_the_inputs() -> None:
    z = np.array([-1e-17, 0.0, 1e-17])  # rounded to 1e-16, as sums of numbers of 1 are
    found = rounding_of_result(lambda z: np.where(z > 0, 1.0, 0.0), [z], [np.ones(3)], np.array([True] * 3))
    np.testing.assert_array_equal(found, [0, 0, 1])


def test_members_have_scales_of_their_own() -> None:
    problem = create_problem(Network([2, 3, 1]), [[1.0, 2.0]], [1.0], seeds=[1, 2], penalty="l2", strength=[0.0, 5.0])
    _, scale = gradient_and_scale(problem)
    for member in range(2):
        alone = problem.take(np.array([member]))
        np.testing.assert_array_equal(gradient_and_scale(alone)[1], scale[[member]])
