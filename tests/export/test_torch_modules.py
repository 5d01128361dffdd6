"""A network as PyTorch's modules computes what the run computes, and trains as PyTorch trains."""

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from layer_chains import CHAINS, problem_with_layers
from layers_of_any_form import LAYERS
from refusals import refuses
from sklearn.neural_network import MLPRegressor

import deltarule
from deltarule.engines.reference import ReferenceEngine
from deltarule.export.torch_modules import to_torch
from deltarule.maths.activations import ACTIVATIONS
from deltarule.problem.state import initial_state

HAS_MODULE = [name for name in ACTIVATIONS if name != "exponential"]


def trained(hidden="tanh", steps=7, **given):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(20, 4)), np.eye(3)[rng.integers(0, 3, 20)]
    layers = {name: given.pop(name) for name in ("bias", "batch_norm", "scaling_layer") if name in given}
    network = deltarule.Network([4, 5, 6, 3], hidden, "softmax", **layers)
    problem = deltarule.create_problem(
        network, x, y, loss="cross_entropy", learning_rate=0.05, seeds=range(3), batch_size=10, **given
    )
    return deltarule.train(problem, max_steps=steps, engine="reference"), x


@pytest.mark.parametrize("hidden", HAS_MODULE)
def test_outputs_are_those_of_the_run(hidden):
    run, x = trained(hidden)
    for member in range(3):
        with torch.no_grad():
            theirs = to_torch(run, member)(torch.tensor(x)).numpy()
        assert np.abs(theirs - run.outputs(x)[member]).max() < 1e-12


def test_scaling_of_units_is_a_module_of_its_own():
    run = deltarule.train(problem_with_layers([4, 4, "scaling", "tanh", "scaling", "layer_norm", 3]), max_steps=9)
    x = torch.tensor(run.problem.x)
    np.testing.assert_allclose(to_torch(run)(x).detach(), run.outputs(run.problem.x)[0], rtol=1e-12, atol=1e-12)


def test_a_residual_makes_a_graph_that_torch_differentiates_and_copies():
    module = to_torch(deltarule.train(problem_with_layers(CHAINS["residual"]), max_steps=1))
    assert [name for name, _ in module.named_children()] == ["z1", "a1", "z2", "a3", "z4"]
    module(torch.ones(2, 4, dtype=torch.float64)).sum().backward()
    assert module.z1.weight.grad.any()
    assert copy.deepcopy(module).code == module.code


@pytest.mark.sampled(4)
@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_of_ones_own_becomes_operations_of_pytorch(name):
    function, options, place = LAYERS[name]
    deltarule.register_layer("of_any_form", function, **options)
    try:
        x = np.random.default_rng(0).normal(size=(9, 8))
        network = deltarule.Network([8, "tanh", {"name": "of_any_form", **place}, 3])
        run = deltarule.train(deltarule.create_problem(network, x, x[:, :3]), max_steps=1, engine="reference")
        module = to_torch(run)
        np.testing.assert_allclose(module(torch.tensor(x)).detach().numpy(), run.outputs(x)[0], rtol=0, atol=1e-14)
        module(torch.tensor(x[:2])).sum().backward()
        assert all(each.grad.any() for each in module.parameters())
        assert copy.deepcopy(module)(torch.tensor(x)).shape == (9, 3)
    finally:
        deltarule.unregister("layer", "of_any_form")


def test_a_layer_of_ones_own_that_takes_an_earlier_value_becomes_a_module():
    deltarule.register_layer(
        "own_mix", lambda x, b, other: x * b + np.tanh(other), arrays={"b": "1 D"}, earlier=["other"]
    )
    try:
        chain = [4, 6, "tanh", {"name": "own_mix", "other": "a1"}, 3]
        run = deltarule.train(problem_with_layers(chain), max_steps=2, engine="reference")
        x = run.problem.x
        np.testing.assert_allclose(
            to_torch(run)(torch.tensor(x)).detach().numpy(), run.outputs(x)[0], rtol=0, atol=1e-14
        )
    finally:
        deltarule.unregister("layer", "own_mix")


def test_a_layer_of_ones_own_that_cannot_be_recorded_is_refused():
    deltarule.register_layer("own_sorted", lambda x: (np.sort(x, axis=-1), lambda dz: (dz,)), derivative=False)
    try:
        with refuses("own_sorted", "PyTorch", "np.sort"):
            to_torch(deltarule.train(problem_with_layers([4, "own_sorted", 3]), max_steps=1, engine="reference"))
    finally:
        deltarule.unregister("layer", "own_sorted")


@pytest.mark.parametrize(("dtype", "rounding"), [(np.float64, 1e-15), (np.float32, 1e-6)])
@pytest.mark.parametrize("hidden", HAS_MODULE)
def test_activations_and_their_slopes_are_the_same_in_pytorch(hidden, dtype, rounding):
    """Also where PyTorch's softplus is z itself, and where e^z has no float32.

    PyTorch's Mish takes 1 − tanh² as a difference, and loses some digits of the slope where z is large.
    """
    rounding *= 10 if hidden == "mish" else 1
    run, _ = trained(hidden, steps=1)
    z = np.linspace(-120, 120, 6000, dtype=dtype)[:, None]  # without 0, where some have a kink
    given = torch.tensor(z, requires_grad=True)
    theirs = getattr(to_torch(run), "a1", torch.nn.Identity())(given)
    theirs.sum().backward()
    ours, backward = run.problem.network.activations[1].forward(z)
    np.testing.assert_allclose(theirs.detach().numpy(), ours, rtol=rounding, atol=rounding)
    np.testing.assert_allclose(given.grad.numpy(), backward(np.ones_like(z)), rtol=rounding, atol=rounding)


OPTIONS = [{"batch_norm": True}, {"bias": False}, {"scaling_layer": True}, {"dropout": 0.4}, {"dtype": "float32"}]


@pytest.mark.parametrize("given", OPTIONS)
def test_every_kind_of_layer_is_exported(given):
    run, x = trained("relu", **given)
    module = to_torch(run, 1)
    assert next(module.parameters()).dtype == getattr(torch, run.problem.dtype.name)
    with torch.no_grad():
        theirs = module(torch.tensor(x.astype(run.problem.dtype))).numpy()
    assert np.abs(theirs - run.outputs(x)[1]).max() < (1e-6 if "dtype" in given else 1e-12)
    names = [type(one).__name__ for one in module]
    assert names.count("BatchNorm1d") == sum(layer.symbol == "n" for layer in run.problem.network.layers)
    assert names.count("Dropout") == (2 if "dropout" in given else 0)


def test_each_of_several_targets_comes_in_its_own_unit():
    x = np.random.default_rng(0).normal(size=(40, 4))
    y = x[:, :3] * [1, 100, 0.01] + [0, 1000, 5]
    model = deltarule.MLPRegressor(hidden_layer_sizes=(3,), scale_target=True, solver="lbfgs", max_iter=5000).fit(x, y)
    with torch.no_grad():
        theirs = to_torch(model)(torch.tensor(x)).numpy()
    np.testing.assert_allclose(theirs, model.predict(x), rtol=1e-10)


@pytest.mark.slow
def test_training_continues_in_pytorch_as_in_deltarule():
    run, x = trained("tanh", steps=1)
    problem = run.problem
    module = to_torch(run, 0).train()
    optimizer = torch.optim.SGD(module.parameters(), lr=0.05)
    whole = deltarule.create_problem(problem.network, x, problem.y, loss="cross_entropy", learning_rate=0.05)
    state = replace(initial_state(whole), theta=run.state.theta[:1])
    ours, _ = ReferenceEngine().advance(whole, state, 5)
    for _ in range(5):
        optimizer.zero_grad()
        loss = -(torch.tensor(problem.y) * torch.log(module(torch.tensor(x)))).sum(1).mean()
        loss.backward()
        optimizer.step()
    flat = np.concatenate(
        [
            array
            for layer in module
            if isinstance(layer, torch.nn.Linear)
            for array in (layer.weight.detach().numpy().T.ravel(), layer.bias.detach().numpy())
        ]
    )
    assert np.abs(flat - ours.theta[0]).max() < 1e-12


def test_the_module_is_a_copy():
    run, _ = trained()
    before = run.state.theta.copy()
    with torch.no_grad():
        for one in to_torch(run).parameters():
            one.zero_()
    assert np.array_equal(run.state.theta, before)


def test_bad_input_is_reported():
    run, _ = trained()
    fitted = deltarule.MLPRegressor(hidden_layer_sizes=(2,), solver="lbfgs").fit([[0.0], [1.0]], [0.0, 1.0])
    for model, last in ((run, 2), (fitted, 0)):
        with refuses("member", 3, 0, last):
            to_torch(model, 3)
    for model in (MLPRegressor(), 3):
        with refuses(model):
            to_torch(model)
    with refuses("exponential"):
        to_torch(trained("exponential", steps=1)[0])
