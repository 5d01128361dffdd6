from typing import Any

import pytest

from deltarule.data.synthetic import xor
from deltarule.problem.configuration import parse, with_changes
from deltarule.training.populations import configuration_key, problem_of_seeds

TABLE: dict[str, Any] = {
    "data": {"name": "xor"},
    "network": {"layers": [2, 3, 1], "output": "sigmoid"},
    "loss": {"penalty": "l2", "penalize_biases": True, "strength": 0.1},
    "optimizer": {"name": "momentum", "momentum": 0.3, "schedule": {"name": "cosine", "steps": 7, "per": "epoch"}},
    "stopping": {"max_steps": 1},
    "run": {"seeds": 2, "dropout_seed": 9},
}


def test_members_have_what_their_configurations_say() -> None:
    first = parse(TABLE)
    second = with_changes(first, {"run.seeds": [5, 6, 7], "run.data_seed": 3, "optimizer.momentum": 0.4})
    problem = problem_of_seeds([first, second], xor())
    assert problem.seeds.tolist() == [0, 1, 5, 6, 7]
    assert problem.data_seeds.tolist() == [0] * 2 + [3] * 3
    assert problem.dropout_seeds.tolist() == [9] * 5
    assert problem.numbers["momentum"].tolist() == [0.3] * 2 + [0.4] * 3
    assert problem.schedule.per == "epoch" and problem.penalized.all()


def test_dropout_is_drawn_by_the_seeds_where_it_has_none_of_its_own() -> None:
    problem = problem_of_seeds([parse(TABLE | {"run": {"seeds": [4, 2]}})], xor())
    assert problem.dropout_seeds.tolist() == [4, 2]


def test_a_network_without_biases_has_none() -> None:
    given = parse(TABLE | {"network": TABLE["network"] | {"bias": False}, "loss": {}})
    assert problem_of_seeds([given], xor()).network.parameters == 2 * 3 + 3 * 1


@pytest.mark.parametrize(
    "change", [{"name": "step", "every": 7, "factor": 0.5, "per": "epoch"}, {"per": "step"}], ids=str
)
def test_another_schedule_is_another_population(change: dict[str, Any]) -> None:
    first = parse(TABLE)
    schedule = {"name": "cosine", "steps": 7, "per": "epoch"}
    assert configuration_key(first) == configuration_key(
        with_changes(first, {"optimizer.schedule": schedule | {"steps": 8}})
    )
    other = change if "name" in change else schedule | change
    assert configuration_key(first) != configuration_key(with_changes(first, {"optimizer.schedule": other}))
