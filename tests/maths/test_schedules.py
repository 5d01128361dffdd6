import math
from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from deltarule.maths.schedules import SCHEDULES, Schedule

BY_NAME = pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=lambda schedule: schedule.name)


def rates(name: str, learning_rate: float, count: int, /, **parameters: float) -> list[float]:
    rate = SCHEDULES[name].rate
    given = {**SCHEDULES[name].parameters, **parameters}
    return [float(rate(np.array([float(t)]), np.array([learning_rate]), **given)[0]) for t in range(count)]


@pytest.mark.parametrize(
    ("name", "parameters", "learning_rate", "expected"),
    [
        ("constant", {}, 0.3, [0.3, 0.3, 0.3]),
        ("adaptive", {}, 0.3, [0.3, 0.3, 0.3]),
        ("step", {"every": 2, "factor": 0.1}, 1.0, [1, 1, 0.1, 0.1, 0.01]),
        ("exponential", {"factor": 0.5}, 8.0, [8, 4, 2, 1]),
        ("inverse_scaling", {"power": 0.5}, 6.0, [6, 6 / 2**0.5, 6 / 3**0.5, 3]),
        ("inverse_scaling", {"power": 1}, 6.0, [6, 3, 2]),
        ("cosine", {"steps": 4}, 2.0, [2, 1 + 0.5**0.5, 1, 1 - 0.5**0.5, 0, 0, 0]),
        ("cosine", {"steps": 2, "lowest": 0.5}, 4.0, [4, 3, 2, 2]),
        ("cosine", {"steps": 6, "warm_up": 3}, 4.0, [1, 2, 3, 4, 3, 1, 0, 0]),
        # 1 + 15 t / 15 is 1, 2, 3, 4 …: its logarithm is 0 at t = 0, and whole at 1, 3, 7 and 15
        ("coslog4", {"steps": 15}, 2.0, [0, 0, 2 * math.sin(math.pi * math.log2(3)) ** 2, 0]),
        ("coslog4", {"steps": 30}, 2.0, [0, 2 * math.sin(math.pi * math.log2(1.5)) ** 2, 0]),
        ("flat_cosine", {"steps": 8}, 2.0, [2, 2, 2, 2, 2, 1 + 0.5**0.5, 1, 1 - 0.5**0.5, 0, 0]),
        ("flat_cosine", {"steps": 4, "flat": 0.0}, 2.0, [2, 1 + 0.5**0.5, 1, 1 - 0.5**0.5, 0]),
        ("flat_cosine", {"steps": 5, "flat": 0.6}, 2.0, [2, 2, 2, 2, 1, 0]),
        ("warm_up", {"steps": 3}, 4.0, [1, 2, 3, 4, 4]),
        ("warm_up", {"steps": 0}, 4.0, [4, 4]),
        ("linear_ramp", {"steps": 4, "highest": 7.0}, 1.0, [1, 3, 5, 7, 7, 7]),
        ("linear_ramp", {"steps": 3, "highest": 0.0}, 2.0, [2, 1, 0, 0, 0]),
        ("exponential_ramp", {"steps": 4, "highest": 8.0}, 1.0, [1, 2, 4, 8, 8, 8]),
        ("exponential_ramp", {"steps": 4, "highest": 1.0}, 8.0, [8, 4, 2, 1, 1, 1]),
        # highest / α, and (highest − α) t, are beyond what a number holds
        ("exponential_ramp", {"steps": 3, "highest": 2.0**600}, 2.0**-700, [2.0**-700, 2.0**-50, 2.0**600]),
        ("exponential_ramp", {"steps": 3, "highest": 2.0**-700}, 2.0**600, [2.0**600, 2.0**-50, 2.0**-700]),
        ("linear_ramp", {"steps": 5, "highest": 2.0**1023}, 0.0, [0, 2.0**1021, 2.0**1022, 1.5 * 2.0**1022, 2.0**1023]),
    ],
)
def test_by_hand(name: str, parameters: dict[str, float], learning_rate: float, expected: list[float]) -> None:
    assert rates(name, learning_rate, len(expected), **parameters) == pytest.approx(expected, rel=1e-14, abs=1e-15)


def test_the_boundary_report_squares_at_the_start_or_only_later() -> None:
    """0.8 becomes 0.64 at epoch 0 in its listing; in its text, only at epoch 500."""
    listing = rates("squaring", 0.8, 1501, every=500, at_start=1)
    text = rates("squaring", 0.8, 1501, every=500, at_start=0)
    assert [listing[t] for t in (0, 499, 500, 999, 1000)] == pytest.approx([0.8**2, 0.8**2, 0.8**4, 0.8**4, 0.8**8])
    assert [text[t] for t in (0, 499, 500, 999, 1000)] == pytest.approx([0.8, 0.8, 0.8**2, 0.8**2, 0.8**4])


def by_torch(make: Callable[[torch.optim.Optimizer], torch.optim.lr_scheduler.LRScheduler], n: int) -> list[float]:
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.7)
    scheduler, seen = make(optimizer), []
    for _ in range(n):
        seen.append(float(optimizer.param_groups[0]["lr"]))
        optimizer.step()
        scheduler.step()
    return seen


of = torch.optim.lr_scheduler


@pytest.mark.parametrize(
    ("name", "parameters", "make"),
    [
        ("step", {"every": 5, "factor": 0.3}, lambda o: of.StepLR(o, 5, 0.3)),
        ("exponential", {"factor": 0.93}, lambda o: of.ExponentialLR(o, 0.93)),
        ("cosine", {"steps": 20}, lambda o: of.CosineAnnealingLR(o, 20)),
        ("cosine", {"steps": 20, "lowest": 0.1}, lambda o: of.CosineAnnealingLR(o, 20, eta_min=0.07)),
        ("warm_up", {"steps": 9}, lambda o: of.LinearLR(o, 1 / 10, 1.0, total_iters=9)),
        ("inverse_scaling", {"power": 0.7}, lambda o: of.LambdaLR(o, lambda t: (t + 1) ** -0.7)),
    ],
)
def test_pytorch_schedules_the_same(name: str, parameters: dict[str, float], make: object) -> None:
    assert rates(name, 0.7, 21, **parameters) == pytest.approx(by_torch(make, 21), rel=1e-12, abs=1e-15)  # type: ignore[arg-type]


@pytest.mark.sampled(4)
@BY_NAME
@given(st.integers(0, 5000), st.data())
def test_each_member_has_its_own_numbers(schedule: Schedule, t: int, data: st.DataObject) -> None:
    members = 3
    numbers = {
        name: np.array(data.draw(st.lists(st.floats(0.5, 1), min_size=members, max_size=members)))
        * (default if 0 < default < 1 else max(default, 1))
        for name, default in schedule.parameters.items()
    }
    learning_rate = np.array(data.draw(st.lists(st.floats(0.01, 2), min_size=members, max_size=members)))
    counted = np.full(members, float(t))
    with np.errstate(over="ignore"):  # squaring a rate above 1 has no bound
        together = schedule.rate(counted, learning_rate, **numbers)
        assert together.shape == (members,) and together.dtype == np.float64
        for k in range(members):
            alone = schedule.rate(
                counted[k : k + 1], learning_rate[k : k + 1], **{name: value[[k]] for name, value in numbers.items()}
            )
            assert np.array_equal(together[k : k + 1], alone, equal_nan=True)


@BY_NAME
@given(st.integers(0, 99))
def test_rates_are_proportional_to_the_one_given_and_start_near_it(schedule: Schedule, t: int) -> None:
    first, doubled = (rates(schedule.name, learning_rate, t + 1) for learning_rate in (0.25, 0.5))
    assert all(rate >= 0 for rate in first)
    if schedule.name not in ("squaring", "linear_ramp", "exponential_ramp"):
        assert doubled == pytest.approx([2 * rate for rate in first])
    begins = {"warm_up": pytest.approx(0.25 / 101), "coslog4": 0}
    assert first[0] == begins.get(schedule.name, 0.25)


@given(st.floats(0, 2))
def test_coslog4_is_four_waves_up_to_the_end(share: float) -> None:
    """At (2ᵏ − 1) / 15 the rate is 0, and at the middle of each wave, (√2 · 2ᵏ − 1) / 15, it is the one given."""
    rate = partial(SCHEDULES["coslog4"].rate, learning_rate=0.5, steps=1.0)
    assert [float(rate((2.0**k - 1) / 15)) for k in range(5)] == pytest.approx([0] * 5, abs=1e-14)
    assert [float(rate((2 ** (k + 0.5) - 1) / 15)) for k in range(4)] == pytest.approx([0.5] * 4)
    assert rate(share) == pytest.approx(0.5 * (1 - math.cos(2 * math.pi * math.log2(1 + 15 * min(share, 1)))) / 2)
