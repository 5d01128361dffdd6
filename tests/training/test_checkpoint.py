from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from refusals import refuses

from deltarule import Network, create_problem, train
from deltarule.errors import BadInput
from deltarule.maths.activations import SIGMOID, TANH
from deltarule.problem import registry


@pytest.fixture
def mine() -> Iterator[str]:
    yield "mine"
    if "mine" in registry.names("activation"):
        registry.remove("activation", "mine")


def test_a_checkpoint_of_another_formula_by_the_same_name_is_refused(tmp_path, mine):
    x = np.random.default_rng(0).normal(size=(20, 2))
    problems = []
    for formula in (TANH, SIGMOID):
        registry.add("activation", replace(formula, name=mine))
        problems.append(create_problem(Network([2, 3, 1], mine), x, x[:, :1]))
        registry.remove("activation", mine)
    first, second = problems
    run = train(first, max_steps=20, checkpoint=tmp_path / "file")
    with refuses(tmp_path / "file", "resume"):
        train(second, max_steps=20, checkpoint=tmp_path / "file", resume=True)
    again = train(first, max_steps=20, checkpoint=tmp_path / "file", resume=True)
    assert np.array_equal(again.state.theta, run.state.theta)


X = np.random.default_rng(0).normal(size=(20, 2))
ASIDE = (X[:5], X[:5, :1])


@pytest.mark.parametrize(
    ("before", "after"),
    [(ASIDE, (ASIDE[0], ASIDE[1] + 1)), (ASIDE, (X[:4], X[:4, :1])), (None, ASIDE), (ASIDE, None)],
    ids=["other targets", "fewer", "added", "left out"],
)
def test_a_checkpoint_of_other_validation_rows_is_refused(tmp_path, before, after):
    """They decide when patience ends, and which weights come back."""
    problem, file = create_problem(Network([2, 3, 1]), X, X[:, :1]), tmp_path / "file"
    run = train(problem, max_steps=20, history_every=5, validation=before, checkpoint=file)
    told = "a checkpoint of another training: its validation rows differ; start without resume"
    with pytest.raises(BadInput, match=told):
        train(problem, max_steps=20, history_every=5, validation=after, checkpoint=file, resume=True)
    again = train(problem, max_steps=20, history_every=5, validation=before, checkpoint=file, resume=True)
    assert np.array_equal(again.state.theta, run.state.theta)
