"""Right code at a kink is proved a small step away from it."""

from typing import Any

import numpy as np
import pytest

from deltarule import check_gradient

SIZES, SAMPLES = (4, 5, 5, 5, 1), 7


def _relu_network(seed: int, wrong_layer: int = 0) -> tuple[Any, dict[str, Any]]:
    generator = np.random.default_rng(seed)
    x, y = generator.normal(size=(SAMPLES, SIZES[0])), generator.normal(size=(SAMPLES, 1))
    last = len(SIZES) - 1
    params: dict[str, Any] = {}
    for n in range(1, last + 1):
        params |= {f"W{n}": generator.normal(size=SIZES[n - 1 : n + 1]), f"b{n}": np.zeros(SIZES[n])}

    def both(p: dict[str, Any]) -> Any:
        a, z = [x], []
        for n in range(1, last + 1):
            z.append(a[-1] @ p[f"W{n}"] + p[f"b{n}"])
            a.append(np.maximum(z[-1], 0) if n < last else z[-1])
        delta, gradients = 2 * (a[-1] - y) / SAMPLES, {}
        for n in range(last, 0, -1):
            gradients |= {f"W{n}": a[n - 1].T @ delta, f"b{n}": delta.sum(0)}
            delta = delta @ p[f"W{n}"].T * (1 if n == 1 or n == wrong_layer else z[n - 2] > 0)
        return ((a[-1] - y) ** 2).mean(), gradients

    return both, params


@pytest.mark.parametrize("seed", range(12))
def test_relu_network_with_zero_biases_is_proved(seed: int) -> None:
    both, params = _relu_network(seed)
    report = check_gradient(both, None, params)
    assert report.ok, str(report)
    assert all(not params[f"b{n}"].any() for n in range(1, len(SIZES)))


@pytest.mark.slow
def test_step_off_a_kink_is_noted_and_a_mistake_is_found_there() -> None:
    reports = [check_gradient(*_with_none(_relu_network(seed, wrong_layer=3))) for seed in range(12)]
    assert all(report.verdict == "WRONG" for report in reports)
    noted = [report for report in reports if any("moved by up to 0.02" in note for note in report.notes)]
    assert noted
    verdicts = {array.name: array.verdict for array in noted[0].arrays}
    assert verdicts["W4"] == verdicts["W3"] == "right" and verdicts["W2"] == "wrong"


def _with_none(network: tuple[Any, dict[str, Any]]) -> tuple[Any, None, dict[str, Any]]:
    return network[0], None, network[1]


def test_gradient_computed_once_is_not_judged_elsewhere() -> None:
    both, params = _relu_network(1)
    _, gradients = both(params)
    assert check_gradient(lambda p: both(p)[0], lambda p: gradients, params).verdict != "WRONG"
