from collections.abc import Mapping
from dataclasses import fields, replace
from itertools import chain

import numpy as np
import pytest
from refusals import refuses

from deltarule.engines.reference import ReferenceEngine, whole_objective
from deltarule.problem.create import create_problem
from deltarule.problem.network import Network
from deltarule.problem.problem import Problem
from deltarule.problem.state import State, initial_state
from deltarule.training import moment as moment_module
from deltarule.training.moment import Moment
from deltarule.training.train import train

EYE = np.eye(8)


def encoder(**given):
    settings = {"loss": "binary_cross_entropy", "learning_rate": 8.0, **given}
    return create_problem(Network([8, 3, 8], "sigmoid", "sigmoid"), EYE, EYE, **settings)


def arrays_in(value):
    if isinstance(value, np.ndarray):
        return [value]
    if isinstance(value, Problem | State):
        value = [getattr(value, field.name) for field in fields(value)]
    parts = value.values() if isinstance(value, Mapping) else value if isinstance(value, tuple | list) else []
    return [*chain.from_iterable(map(arrays_in, parts))]


def test_a_moment_computes_what_is_asked_for():
    problem = encoder(seeds=range(3), penalty="l2", strength=0.01, rows=[range(8), range(8), [0, 1, 2, 3] * 2])
    moments = []
    run = train(
        problem,
        max_steps=20,
        every=[20],
        record={"look": moments.append, "outputs": "outputs", "gradients": "gradients"},
    )
    (moment,) = moments
    assert np.array_equal(moment.outputs, run.history.series("outputs")[-1])
    assert np.array_equal(moment.outputs[2], run.outputs(EYE[[0, 1, 2, 3] * 2])[2])
    assert np.allclose(moment.activations["a1"][:2], run.activations(EYE)["a1"][:2], rtol=1e-14)
    numeric = np.zeros_like(run.state.theta)
    for index in range(numeric.shape[1]):
        change = np.zeros_like(run.state.theta)
        change[:, index] = 1e-5
        ends = [whole_objective(problem, replace(run.state, theta=run.state.theta + sign * change)) for sign in (1, -1)]
        numeric[:, index] = (ends[0] - ends[1]) / 2e-5
    for entry in problem.network.entries:
        expected = numeric[:, entry.start : entry.stop].reshape(3, *entry.shape)
        assert np.allclose(moment.gradients[entry.name], expected, atol=1e-8)
        assert np.array_equal(moment.gradient_norms[entry.name], run.history.series(f"gradient {entry.name}")[-1])
    with pytest.raises(ValueError, match="read-only"):
        moment.parameters["W1"][...] = 0


@pytest.mark.parametrize("engine", ["reference", "compiled"])
def test_no_array_of_a_moment_can_change_the_training(engine):
    rows = [range(8), range(0, 8, 2)]
    problem = encoder(seeds=range(2), rows=rows, weights=np.arange(1.0, 9.0), optimizer="adam", dropout=0.1)

    def write(moment):
        arrays = [*arrays_in(moment.problem), *arrays_in(moment.state), *arrays_in(moment.parameters)]
        assert len(arrays) > 20 and not any(array.flags.writeable for array in arrays)
        for mapping in (moment.problem.numbers, moment.state.slots):
            with pytest.raises(TypeError):
                mapping["learning_rate"] = 0

    run = train(problem, max_steps=20, engine=engine, every=[0, 10], record={"look": write})
    unobserved = train(problem, max_steps=20, engine=engine)
    assert all(map(np.array_equal, arrays_in(run.state), arrays_in(unobserved.state)))


def test_moment_in_parts_is_the_same(monkeypatch):
    problem = encoder(seeds=range(5), rows=[range(8), range(8), [0, 1] * 4, range(8), range(1, 8)])
    moments = [Moment(problem, ReferenceEngine(), initial_state(problem)) for _ in range(2)]
    whole = moments[0].gradients
    monkeypatch.setattr(moment_module, "MAX_NUMBERS_AT_ONCE", 1)
    assert all(np.array_equal(moments[1].gradients[name], array) for name, array in whole.items())


def test_a_moment_of_members_with_unequal_rows():
    moments = []
    problem = encoder(seeds=range(2), rows=[range(8), range(3)])
    train(problem, max_steps=1, every=[1], record={"look": moments.append})
    assert moments[0].gradients["W1"].shape == (2, 8, 3)
    with refuses("outputs", "activations"):
        _ = moments[0].activations
