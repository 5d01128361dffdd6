import re
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from refusals import refuses

from deltarule.errors import BadInput
from deltarule.problem.create import create_problem
from deltarule.problem.network import Network
from deltarule.training.train import train

X, Y = np.random.default_rng(0).normal(size=(2, 20, 3))
RUN = train(
    create_problem(Network([3, 3]), X, Y, learning_rate=[0.1, 1e300, 0.2], seeds=range(3)),
    max_steps=20,
    record=["accuracy"],
)
"""Of three members the second diverges."""


@given(st.lists(st.integers(-3, 2), min_size=1, max_size=5))
def test_a_run_of_some_members_tells_of_each_what_the_whole_tells_of_it(members):
    part = RUN.take(members)
    places = [member % 3 for member in members]
    assert [part.reasons, part.steps.tolist()] == [tuple(RUN.reasons[k] for k in places), RUN.steps[places].tolist()]
    assert [one.member for one in part.diverged] == [place for place, k in enumerate(places) if k == 1]
    assert {(one.step, one.layer, one.where) for one in part.diverged} <= {
        (one.step, one.layer, one.where) for one in RUN.diverged
    }
    assert np.array_equal(part.state.theta, RUN.state.theta[places]) and part.problem.members == len(places)
    assert np.array_equal(part.history.objective, RUN.history.objective[:, places], equal_nan=True)


@pytest.mark.parametrize(
    ("members", "places"),
    [(1, [1]), (-1, [2]), (np.int64(0), [0]), (range(2), [0, 1]), ((2, 0), [2, 0]), ([True, False, True], [0, 2])],
    ids=repr,
)
def test_members_are_chosen_by_an_index_by_several_or_by_a_mask(members, places):
    assert RUN.take(members).problem.seeds.tolist() == places
    assert RUN.take(np.array(members)).problem.seeds.tolist() == places
    whole = RUN.history.series("accuracy")
    assert np.array_equal(RUN.history.take(members).series("accuracy"), whole[:, places], equal_nan=True)


@pytest.mark.parametrize("members", [[], None, 1.0, [[0]], np.zeros(3, bool), np.zeros(2, bool)], ids=repr)
def test_members_that_are_no_indices_and_none_at_all_are_refused(members):
    for taken in (RUN.take, RUN.history.take):
        with refuses("members"):
            taken(members)


def test_the_parameters_are_those_of_all_members():
    assert np.array_equal(RUN.parameters["W1"].reshape(3, 9), RUN.state.theta[:, :9])
    assert np.array_equal(RUN.take(2).parameters["W1"], RUN.parameters["W1"][[2]])
    with pytest.raises(ValueError, match="read-only"):
        RUN.parameters["W1"][...] = 7


def test_the_end_is_a_moment_of_all_members():
    run = train(RUN.problem, max_steps=[5, 9, 0])
    assert run.end.members.tolist() == [0, 1, 2]
    assert np.array_equal(run.end.objective, run.objective, equal_nan=True)
    assert np.array_equal(run.end.outputs, run.outputs(X), equal_nan=True)


def test_the_frame_has_a_row_for_each_point_of_each_member():
    problem = create_problem(Network([1, 1]), [[1.0], [2.0]], [0.0, 1.0], learning_rate=[0.1, 0.2], seeds=[7, 7])
    run = train(problem, max_steps=[4, 8], history_every=4, record=["mean_squared_error", "outputs"])
    frame = run.frame()
    assert frame.columns.tolist() == ["step", "member", "seed", "learning_rate", "objective", "mean_squared_error"]
    assert frame[["step", "member"]].values.tolist() == [[0, 0], [0, 1], [4, 0], [4, 1], [8, 1]]
    assert frame.learning_rate.tolist() == [0.1, 0.2, 0.1, 0.2, 0.2] and set(frame.seed) == {7}
    assert frame.objective.iloc[-1] == run.objective[1]


def test_a_run_answers_rows_that_all_members_share_and_rows_of_their_own():
    own = np.random.default_rng(1).normal(size=(3, 5, 3))
    for asked in (RUN.outputs, lambda x: RUN.activations(x)["a1"]):
        assert all(np.array_equal(asked(own)[k], asked(own[k])[k]) for k in (0, 2))


def test_a_run_answers_a_frame_of_several_kinds_of_columns():
    whole = np.hstack([X[:, :2], X[:, 2:] > 0])
    frame = pd.DataFrame({"a": X[:, 0], "b": X[:, 1], "c": X[:, 2] > 0})
    assert frame.to_numpy().dtype == object
    assert np.array_equal(RUN.outputs(frame), RUN.outputs(whole))


@pytest.mark.parametrize(
    ("x", "told"),
    [
        (X[:, :2], "the inputs have the shape (20, 2); give rows of 3 columns, or 3 times such rows"),
        (np.zeros((2, 5, 3)), "the inputs have the shape (2, 5, 3); give rows of 3 columns, or 3 times such rows"),
        ([[1, 2, Decimal(3)]], "the inputs are not a rectangular array of numbers; give one row for each sample"),
        (np.ma.masked_less(X, 0), "the inputs are not a rectangular array of numbers; give one row for each sample"),
    ],
)
def test_inputs_that_do_not_fit_are_refused(x, told):
    for asked in (RUN.outputs, RUN.activations):
        with pytest.raises(BadInput, match=f"^{re.escape(told)}$"):
            asked(x)


def test_a_series_that_there_is_not_is_refused():
    with refuses("f1", "objective", "accuracy"):
        RUN.history.series("f1")
    bare = train(RUN.problem, max_steps=1, history_every=0)
    with refuses("objective", "none"):
        _ = bare.history.objective
