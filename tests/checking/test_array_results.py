"""The verdict for each array, and the sentence about the place of the mistake."""

import json
from typing import Any

import numpy as np
import pytest
from linear_code import two_layer_network

from deltarule import check_gradient
from deltarule.checking.array_results import ArrayResult, describe_location
from deltarule.json_files import to_jsonable


def _two_layers(**shares: float) -> Any:
    params, both = two_layer_network(0, dtype=np.float64)

    def wrong(p: dict[str, Any]) -> Any:
        value, found = both(p)
        return value, {name: shares.get(name, 1.0) * array for name, array in found.items()}

    return check_gradient(wrong, None, params)


def test_every_array_has_a_verdict() -> None:
    report = _two_layers(W1=3.0, b1=3.0)
    assert [(array.name, array.verdict) for array in report.arrays] == [
        ("W1", "wrong"),
        ("b1", "wrong"),
        ("W2", "right"),
        ("b2", "right"),
    ]
    assert report.arrays[0].error == pytest.approx(2 / 3) and (report.arrays[2].error or 0) < 1e-9
    first, second = str(report).splitlines()[:2]
    assert first == "gradient: WRONG" and second.strip().startswith("where ")
    assert "between layer 2 and layer 1" in report._repr_html_()
    assert json.loads(json.dumps(to_jsonable(report)))["arrays"][2]["verdict"] == "right"


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ("W1 b1 W2 b2", "the whole gradient is wrong, and W2 and b2 come first on the backward pass"),
        ("W1 b1", "the gradient of W2 and b2 is right, that of W1 and b1 is wrong: the mistake is between layer 2 and"),
        ("W2", "only the gradient of W2 is wrong: the mistake is in the line that computes it"),
        ("W2 W1", "the first wrong one on the backward pass is that of W2"),
        ("", ""),
    ],
)
def test_location_follows_the_backward_pass(wrong: str, words: str) -> None:
    names = ("W1", "b1", "W2", "b2")
    arrays = [ArrayResult(name, "wrong" if name in wrong.split() else "right") for name in names]
    assert words in describe_location(arrays) and bool(words) == bool(describe_location(arrays))


@pytest.mark.parametrize(
    ("shapes", "words"),
    [
        (((4, 5), (5,), (5, 3), (3,)), "the mistake is between layer 2 and layer 1"),
        (((5, 4), (5, 1), (1, 5), (1, 1)), "the mistake is between layer 2 and layer 1"),
        (((4, 5), (5, 5), (5,), (3,)), "is wrong"),
        (((4, 5), (5,), (4, 3), (3,)), "is wrong"),
    ],
)
def test_list_order_gives_layers(shapes: Any, words: str) -> None:
    params = [np.full(shape, 0.1) for shape in shapes]

    def value(arrays: Any) -> Any:
        return sum((array**2).sum() for array in arrays)

    report = check_gradient(value, lambda p: [3 * p[0], 3 * p[1], 2 * p[2], 2 * p[3]], params)
    assert report.location.endswith(words)


def test_kink_differs_from_not_measured() -> None:
    report = check_gradient(lambda w: np.maximum(w, 0).sum(), lambda w: np.zeros((2, 3)), np.zeros((2, 3)))
    assert [array.verdict for array in report.arrays] == ["at a kink"]
    impure = check_gradient(lambda w: w.sum() + np.random.default_rng().normal(), lambda w: 1 + 0 * w, np.ones(2))
    assert [array.verdict for array in impure.arrays] == ["not measured"]
