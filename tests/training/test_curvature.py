"""Second derivatives and slopes of a moment, against differences, PyTorch and whole matrices."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st
from refusals import refuses

from deltarule.engines.autograd import AutogradEngine
from deltarule.engines.reference import ReferenceEngine
from deltarule.maths.activations import ACTIVATIONS
from deltarule.maths.losses import LOSSES
from deltarule.maths.network import views
from deltarule.problem.batches import all_rows
from deltarule.problem.create import create_problem
from deltarule.problem.network import Network
from deltarule.problem.state import initial_state
from deltarule.training import moment as moment_module
from deltarule.training.lanczos import largest_eigenvalues
from deltarule.training.moment import Moment

OUTPUTS = {"positive": "softplus", "unit": "sigmoid", "simplex": "softmax"}


def moment_of(activation="tanh", loss="squared_error", network=None, **options):
    generator = np.random.default_rng(0)
    output = OUTPUTS.get(LOSSES[loss].domain, "identity")
    x, y = generator.normal(size=(7, 3)), generator.uniform(0.1, 0.9, size=(7, 2))
    y /= y.sum(1, keepdims=True)
    network = Network([3, 4, 2], activation, output, **network or {})
    problem = create_problem(network, x, y, loss=loss, **{"seeds": [1, 2, 3], **options})
    state = initial_state(problem)
    return Moment(problem, ReferenceEngine(), replace(state, theta=state.theta + 0.01))


def matrices(moment):
    """The whole Hessian of each member, a column at a time."""
    columns = [
        moment._hessian_product(np.tile(unit, (len(moment.members), 1))) for unit in np.eye(moment.state.theta.shape[1])
    ]
    return np.stack(columns, -1)


def by_torch(moment):
    problem, state, engine = moment.problem, moment.state, AutogradEngine()
    rows = engine._rows(problem, state, all_rows(problem, state.members))

    def total(theta):
        logits, _ = engine._forward(problem, engine._views(theta, problem.network.entries), rows, None)
        return engine._objective(problem, state.members, theta, logits, rows, True).sum()

    whole = torch.autograd.functional.hessian(total, torch.tensor(np.array(state.theta))).numpy()
    return np.stack([whole[member, :, member] for member in range(len(state.members))])


CASES = [
    *({"activation": name} for name in ACTIVATIONS),
    *({"loss": name} for name in LOSSES if LOSSES[name].exact),
    {"penalty": "l2", "strength": [0.1, 0.2, 0.3], "penalize_biases": True},
    {"network": {"batch_norm": True}, "weights": np.arange(1.0, 8.0)},
    {"dropout": 0.3, "rows": [range(5), range(5), range(2, 7)]},
]


@pytest.mark.parametrize("options", CASES, ids=str)
def test_products_with_the_hessian(options):
    moment = moment_of(**options)
    found, expected = matrices(moment), by_torch(moment)
    assert np.allclose(found, expected, rtol=1e-9, atol=1e-9 * np.abs(expected).max())
    vector = np.random.default_rng(1).normal(size=moment.state.theta.shape)
    ends = [
        Moment(moment.problem, moment.engine, replace(moment.state, theta=moment.state.theta + step * vector))
        for step in (1e-5, -1e-5)
    ]
    products = moment.hvp(views(vector, moment.problem.network.entries))
    for name, product in products.items():
        difference = (ends[0].gradients[name] - ends[1].gradients[name]) / 2e-5
        assert np.allclose(product, difference, rtol=1e-6, atol=1e-6 * np.abs(expected).max())


@pytest.mark.slow
@given(st.integers(1, 4), st.booleans())
def test_the_largest_eigenvalues(k, is_in_parts):
    moment = moment_of(seeds=range(5))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(moment_module, "MAX_NUMBERS_AT_ONCE", 1 if is_in_parts else 2**22)
        found = moment.sharpness(k)
    expected = np.linalg.eigvalsh(matrices(moment))[:, : -k - 1 : -1]
    assert np.allclose(found, expected[:, 0] if k == 1 else expected, rtol=1e-6)


@given(st.lists(st.floats(-5, 5, width=16), min_size=1, max_size=40), st.integers(1, 3))
@example([0.0, 0.0, 0.0, 4.0, 5.0, 5.0, 1.0, 2.0, 3.0, 1.5], 2)
def test_eigenvalues_of_any_matrices(spectrum, k):
    """Also equal, negative and no other than zero ones."""
    size, k = len(spectrum), min(k, len(spectrum))
    rotation = np.linalg.qr(np.random.default_rng(size).normal(size=(size, size)))[0]
    stack = np.stack([(rotation * spectrum) @ rotation.T, np.diag(spectrum), np.zeros((size, size))])
    found = largest_eigenvalues(lambda v: np.einsum("apq,aq->ap", stack, v), 3, size, k)
    expected = np.sort(spectrum)[::-1][:k]
    for values, exact in zip(found, (expected, expected, 0 * expected), strict=True):
        assert np.allclose(values, exact, atol=1e-6 * max(1e-300, *np.abs(spectrum)))


def test_a_member_without_finite_slopes_has_no_eigenvalues():
    moment = moment_of()
    theta = moment.state.theta.copy()
    theta[1, 0] = np.inf
    found = Moment(moment.problem, moment.engine, replace(moment.state, theta=theta)).sharpness()
    assert np.isnan(found).tolist() == [False, True, False]
    assert np.allclose(found[[0, 2]], moment.sharpness()[[0, 2]], rtol=1e-6)


def test_deltas_are_slopes_in_each_value():
    moment = moment_of("sigmoid", "cross_entropy", weights=np.arange(1.0, 8.0))
    deltas, gradients = moment.deltas, moment.gradients
    assert [*deltas] == ["z2", "a1", "z1"] and deltas["z1"].shape == (3, 7, 4)
    for name, before in (("1", moment.problem.x), ("2", moment.activations["a1"])):
        assert np.allclose(np.swapaxes(before, -1, -2) @ deltas[f"z{name}"], gradients[f"W{name}"])
        assert np.allclose(deltas[f"z{name}"].sum(-2, keepdims=True), gradients[f"b{name}"])


def test_the_same_members_on_other_rows():
    moment = moment_of(rows=[range(3), range(7), range(4)])
    x, y = np.random.default_rng(2).normal(size=(5, 3)), np.zeros((5, 2))
    other = moment.on(x, y)
    assert np.array_equal(other.outputs, moment.engine.outputs(moment.problem, moment.state, x)[1])
    assert np.allclose(other.objective, (other.outputs**2).sum(-1).mean(-1))
    assert other.on(moment.problem.x, moment.problem.y).sharpness().shape == (3,)
    with refuses(5, 4):
        moment.on(x, y[:4])


def test_unknown_arrays_and_too_many_eigenvalues_get_a_sentence():
    with refuses("hvp", "W3", "W1", "b1", "W2", "b2"):
        moment_of().hvp({"W3": 0})
    with refuses("k", 27, 26):
        moment_of().sharpness(27)
