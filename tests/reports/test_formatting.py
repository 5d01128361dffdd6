import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from deltarule.problem.create import create_problem
from deltarule.problem.network import Network
from deltarule.reports.formatting import (
    member_names,
    percent,
    row_names,
)

numbers = st.lists(st.sampled_from([1e-5, 0.1, 3.0]), min_size=4, max_size=4)


def problem(**given):
    return create_problem(Network([2, 3, 1]), np.eye(2), np.ones(2), **given)


@given(rates=numbers, strengths=numbers, scales=numbers, seeds=st.lists(st.integers(0, 2**63), min_size=4, max_size=4))
def test_no_two_members_have_the_same_name_and_the_name_reports_the_numbers(rates, strengths, scales, seeds):
    made = problem(learning_rate=rates, strength=strengths, penalty="l2", initial_scale=scales, seeds=seeds)
    names = member_names(made)
    assert len(set(names)) == 4
    for name, rate, seed in zip(names, rates, seeds, strict=True):
        assert (f"learning rate {rate:g}" in name) == (len(set(rates)) > 1)
        assert (f"seed {seed}" in name) == (len(set(seeds)) > 1)


def test_what_goes_with_something_else_is_not_reported_twice():
    assert member_names(problem(seeds=[3, 4], data_seeds=[3, 4])) == ["seed 3", "seed 4"]
    assert member_names(problem(seeds=[3, 4], data_seeds=[5, 4])) == ["seed 3, data seed 5", "seed 4, data seed 4"]


def test_rates_of_dropout_are_reported_by_layer():
    network = Network([2, 3, 3, 1])
    made = create_problem(network, np.eye(2), np.ones(2), dropout=[[0.1, 0.5], [0.0, 0.0]], seeds=[7, 7])
    assert member_names(made) == ["dropout 0.1/0.5", "dropout 0/0"]


@pytest.mark.parametrize(
    ("differing", "name"),
    [
        ({"dropout_seeds": [1, 2], "dropout": 0.5}, "dropout seed 1"),
        ({"strength": [0.1, 0.2], "penalty": "l2"}, "strength 0.1"),
        ({"initial_scale": [1.0, 2.0]}, "initial scale 1"),
        ({"schedule": {"name": "step", "every": [5, 7], "factor": 0.5}}, "every 5"),
    ],
)
def test_whatever_members_differ_in_names_them(differing, name):
    assert member_names(problem(seeds=[0, 0], **differing))[0] == name


def test_members_that_are_alike_are_distinguished_by_their_place():
    assert member_names(problem()) == ["member 0"]
    assert member_names(problem(seeds=[1, 1, 2])) == ["member 0, seed 1", "member 1, seed 1", "member 2, seed 2"]


@given(st.integers(1, 10**6), st.integers(0, 3))
@example(10**6, 1)
def test_with_so_many_digits_behind_the_point_0_and_100_percent_are_none_and_all(of, digits):
    for share in (count / of for count in (0, 1, of // 2, of - 1, of)):
        told, unit = percent(share, digits, "f").split(" ")
        assert unit == "%" and (float(told) == 100) == (share == 1) and (float(told) == 0) == (share == 0)
        assert told == f"{100 * share:.{digits}f}" or float(f"{100 * share:.{digits}f}") in (0, 100)


def test_rows_are_named_by_their_classes_unless_these_repeat():
    assert row_names(["cat", "dog"]) == ["cat", "dog"]
    assert row_names(["0", "1", "0"]) == ["row 0 (class 0)", "row 1 (class 1)", "row 2 (class 0)"]
