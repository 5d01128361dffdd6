"""The first of the user's values that differs, whichever way round the user has things."""

import re
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from refusals import refuses

from deltarule import BadInput, Network, compare

N, D, H, C = 6, 4, 5, 3
NETWORK = Network([D, H, C], activation="tanh", output="softmax")
ORDER = ("z1", "a1", "z2", "a2", "loss", "dz2", "dW2", "db2", "da1", "dz1", "dW1", "db1", "W1", "b1", "W2", "b2")
LAMBDA, RATE = 0.02, 0.3


def by_hand(columns: bool, turned: bool) -> tuple[dict[str, Any], dict[str, Any], Any, Any]:
    """The user's values, parameters and data, samples as columns and weights outputs × inputs where asked."""
    generator = np.random.default_rng(1)
    x, y = generator.normal(size=(N, D)), np.eye(C)[generator.integers(C, size=N)]
    W1, b1 = generator.normal(size=(D, H)), generator.normal(size=H)
    W2, b2 = generator.normal(size=(H, C)), generator.normal(size=C)
    z1 = x @ W1 + b1
    a1 = np.tanh(z1)
    z2 = a1 @ W2 + b2
    p = np.exp(z2) / np.exp(z2).sum(axis=1, keepdims=True)
    dz2 = (p - y) / N
    da1 = dz2 @ W2.T
    dz1 = da1 * (1 - a1**2)
    found: dict[str, Any] = {"z1": z1, "a1": a1, "z2": z2, "a2": p, "dz2": dz2, "da1": da1, "dz1": dz1}
    found = {name: value.T if columns else value for name, value in found.items()}
    found["loss"] = -(y * np.log(p)).sum() / N + LAMBDA * ((W1**2).sum() + (W2**2).sum())
    gradients = {
        "W1": x.T @ dz1 + 2 * LAMBDA * W1,
        "b1": dz1.sum(0),
        "W2": a1.T @ dz2 + 2 * LAMBDA * W2,
        "b2": dz2.sum(0),
    }
    params = {"W1": W1, "b1": b1, "W2": W2, "b2": b2}
    for name, gradient in gradients.items():
        own = [one.T if turned and name[0] == "W" else one for one in (params[name], gradient)]
        own = [one.reshape(-1, 1) if columns and name[0] == "b" else one for one in own]
        params[name], found[f"d{name}"] = own
        found[name] = own[0] - RATE * own[1]
    return found, params, x.T if columns else x, y.T if columns else y


def compared(mine: dict[str, Any], columns: bool = False, turned: bool = False, **more: Any) -> Any:
    _, params, x, y = by_hand(columns, turned)
    options = {"penalty": "l2", "strength": LAMBDA, "learning_rate": RATE} | more
    return compare(mine, NETWORK, params, x, y, "cross_entropy", **options)


@pytest.mark.parametrize("columns", [False, True])
@pytest.mark.parametrize("turned", [False, True])
def test_right_values_in_every_layout(columns: bool, turned: bool) -> None:
    found, *_ = by_hand(columns, turned)
    report = compared(found, columns, turned)
    assert report.ok and report.compared == report.entries == sum(np.size(value) for value in found.values())


@pytest.mark.parametrize("turned", [False, True])
def test_square_matrix_in_both_layouts(turned: bool) -> None:
    x, W1, b1 = np.array([[1.0, 2.0], [0.5, 1.0]]), np.array([[1.0, 3.0], [2.0, -1.0]]), np.array([0.5, -0.5])
    z1 = x @ (W1.T if turned else W1) + b1
    assert compare({"z1": z1}, Network([2, 2]), {"W1": W1, "b1": b1}, x, x).ok


@pytest.mark.parametrize(
    ("reduction", "share", "words"),
    [("sum", 1, "1"), ("mean_samples", N, "1 / N"), ("mean_elements", N * C, f"1 / (N · {C})")],
)
def test_mean_in_output_gradient(reduction: str, share: int, words: str) -> None:
    generator = np.random.default_rng(2)
    x, W1, b1 = (generator.normal(size=size) for size in ((N, D), (D, C), C))
    y = generator.integers(2, size=(N, C)).astype(float)
    p = 1 / (1 + np.exp(-(x @ W1 + b1)))
    given = (Network([D, C], output="sigmoid"), {"W1": W1, "b1": b1}, x, y, "binary_cross_entropy")
    dz1 = (p - y) / share
    for name, right in (("da1", dz1 / (p * (1 - p))), ("dz1", dz1)):
        assert compare({name: right}, *given, reduction=reduction).ok
        assert compare({name: 3 * right}, *given, reduction=reduction).formula.endswith(f", with share = {words}")


@given(st.sets(st.sampled_from(ORDER), min_size=1), st.booleans(), st.booleans(), st.integers(0, 3))
def test_first_difference_is_shown(wrong: set[str], columns: bool, turned: bool, entry: int) -> None:
    found, *_ = by_hand(columns, turned)
    for name in wrong:
        found[name] = np.array(found[name], float)
        place = entry % found[name].size
        found[name].flat[place] += 1.0
    report = compared(found, columns, turned)
    first = next(name for name in ORDER if name in wrong)
    assert not report.ok and report.worst is not None and report.worst.name == first
    assert report.worst.found - report.worst.expected == pytest.approx(1)
    assert np.ravel_multi_index(report.worst.index or (0,), found[first].shape or (1,)) == entry % found[first].size


@pytest.mark.parametrize("columns", [False, True])
@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("name", ["z2", "da1", "dW2"])
def test_formulas_follow_layout(columns: bool, turned: bool, name: str) -> None:
    """Each sum of products is also computed as it stands, with the user's own arrays."""
    found, params, _, _ = by_hand(columns, turned)
    formula = compared({**found, name: 2 * found[name]}, columns, turned).formula
    entry, over, first, second, end = re.fullmatch(
        r"(\S+?, \w\]) = Σ_(\w) (.*?\]) · (.*?\])(| \+ .*)", formula
    ).groups()
    values = {**found, **params}
    indices = ["".join(re.findall(r"\b[a-z]\b", part.partition("[")[2])) for part in (first, second, entry)]
    assert over in indices[0] and over in indices[1] and over not in indices[2]
    arrays = [values[part.partition("[")[0]] for part in (first, second)]
    made = np.einsum(f"{indices[0]},{indices[1]}->{indices[2]}", *arrays)
    rest = {
        "z2": (r" \+ b2\[j\]", params["b2"]),
        "da1": ("", 0),
        "dW2": (r" \+ λ · 2 · W2\[\w, \w\]", 2 * LAMBDA * params["W2"]),
    }
    assert re.fullmatch(rest[name][0], end) and np.allclose(made + rest[name][1], found[name])


def test_mistakes_are_named() -> None:
    found, *_ = by_hand(False, False)
    for name, value, code in (
        ("dz2", found["dz2"] * N, "mean_missing"),
        ("dz1", found["da1"], "derivative_missing"),
        ("z1", found["a1"], "exchanged"),
        ("z1", -found["z1"], "sign"),
        ("dW1", found["dW1"] - 2 * LAMBDA * by_hand(False, False)[1]["W1"], "penalty_missing"),
    ):
        report = compared({**found, name: value})
        assert not report.ok and code in [mistake.code for mistake in report.diagnosis], name
    assert [mistake.code for mistake in compared({"dW2": found["dW2"] / 2}).diagnosis] == ["factor_two"]


def test_other_shape_is_noted() -> None:
    found, *_ = by_hand(False, False)
    report = compared({"z1": found["z1"], "dW1": found["dW1"][:2]})
    assert not report.ok and report.worst is not None and report.worst.name == "dW1"
    assert "dW1 has the shape (2, 5), and should have (4, 5)" in report.notes
    assert report.compared == found["z1"].size and not report.diagnosis


@pytest.mark.parametrize(
    ("name", "wrong", "code"),
    [
        ("dW1", lambda found: found["dW1"].T, "transposed"),
        ("z1", lambda found: found["z1"].T, "transposed"),
        ("db2", lambda found: found["dz2"], "not_summed"),
        ("dW1", lambda found: found["da1"], "exchanged"),
    ],
)
def test_shape_mistakes_are_named(name: str, wrong: Any, code: str) -> None:
    found, *_ = by_hand(False, False)
    report = compared({name: wrong(found)})
    assert report.diagnosis[0].code == code  # that db2 is dz2 is true, too
    assert report.compared == 0 and "compared    nothing" in str(report)


@pytest.mark.parametrize(
    ("names", "ours"),
    [("delta2 δ2 d2 dZ2", "dz2"), ("A1 h1 a_1", "a1"), ("grad_W1 dw1 dW_1", "dW1"), ("J cost loss", "loss")],
)
def test_names_of_values(names: str, ours: str) -> None:
    found, *_ = by_hand(False, False)
    for name in names.split():
        assert compared({name: found[ours]}).ok
        assert compared({name: found[ours] + 1}).worst.name == ours


@pytest.mark.parametrize(
    ("mine", "words"),
    [
        ({"q1": np.ones(3)}, "unknown value 'q1'"),
        ({"n1": np.ones(3)}, "mine has n1, which this network does not have"),
        ({"z1": np.ones(3), "Z1": np.ones(3)}, "mine has z1 twice, the second time as Z1; give one of them"),
        ({}, "mine holds no values"),
        ({"z1": "text"}, "z1 holds <U4"),
        ({"z1": np.array([np.nan])}, r"z1\[0\] is nan; give finite numbers"),
        ({"dW1": [[1], [1, 2]]}, "dW1 is a list whose items have different shapes; give an array"),
    ],
)
def test_bad_input_gets_one_sentence(mine: dict[str, Any], words: str) -> None:
    with pytest.raises(BadInput, match=words):
        compared(mine)


BACK = ("dz2", "da1", "dz1")


def of_single_samples(columns: bool = False) -> dict[str, Any]:
    """Values of a textbook's code: the mean is taken in dW and db, and not in what goes back."""
    found, *_ = by_hand(columns, False)
    return {**found, **{name: N * found[name] for name in BACK}}


@pytest.mark.parametrize("columns", [False, True])
def test_mean_in_parameter_gradients(columns: bool) -> None:
    report = compared(of_single_samples(columns), columns)
    assert report.ok and any("the mean is taken in dW and db" in note for note in report.notes)
    assert not compared(by_hand(columns, False)[0], columns).notes


@pytest.mark.parametrize(
    ("loss", "reduction", "share", "kept"),
    [("binary_cross_entropy", "mean_samples", 1, "N"), ("squared_error", "mean_elements", C, f"(N · {C})")],
)
def test_formulas_with_mean(loss: str, reduction: str, share: int, kept: str) -> None:
    generator = np.random.default_rng(2)
    x, W1, b1 = (generator.normal(size=size) for size in ((N, D), (D, C), C))
    y = generator.integers(2, size=(N, C)).astype(float)
    z = x @ W1 + b1
    a = 1 / (1 + np.exp(-z)) if loss == "binary_cross_entropy" else z
    dz1 = (a - y if loss == "binary_cross_entropy" else 2 * (a - y)) / share
    network = Network([D, C], output="sigmoid" if loss == "binary_cross_entropy" else "identity")
    data = (network, {"W1": W1, "b1": b1}, x, y, loss)
    mine = {"dz1": dz1, "dW1": x.T @ dz1 / N, "db1": dz1.sum(0) / N}
    for noted, of_single in ((mine, True), ({"dz1": dz1 / N, "dW1": mine["dW1"]}, False)):
        report = compare(noted, *data, reduction=reduction)
        assert report.ok and bool(report.notes) == of_single
    sums = {"dW1": "dW1[d, j] = (1 / N) · Σ_i x[i, d] · dz1[i, j]", "db1": "db1[j] = (1 / N) · Σ_i dz1[i, j]"}
    for name, words in sums.items():
        report = compare({**mine, name: mine[name] * N}, *data, reduction=reduction)
        assert report.formula == words and [mistake.code for mistake in report.diagnosis] == ["mean_missing"]
    report = compare({**mine, "da1": -dz1}, *data, reduction=reduction)
    assert report.worst.name == "da1" and report.formula.endswith(f", with share = 1 / {kept}")


def test_per_sample_deltas_alone_prove_nothing() -> None:
    mine = of_single_samples()
    report = compared({name: mine[name] for name in ("z1", *BACK)}, hint=0)
    assert report.verdict == "not proved" and "right if dW and db take the mean; give one of them" in report.vacuous
    for name in ("dW1", "db2", "W1", "b2"):
        assert compared({name: mine[name] for name in (*BACK, name)}).ok
    report = compared({**{name: mine[name] for name in BACK}, "dz1": 2 * mine["dz1"]})
    assert report.verdict == "WRONG" and report.worst.name == "dz1" and report.diagnosis[0].code == "factor_two"


def test_data_must_fit_network() -> None:
    found, params, x, y = by_hand(False, False)
    tensors = (torch.tensor(one, requires_grad=True) for one in (x, y))
    assert compare(
        found, NETWORK, params, *tensors, "cross_entropy", penalty="l2", strength=LAMBDA, learning_rate=RATE
    ).ok
    with refuses("(6, 2)", "(6, 3)", 4, 3):
        compare(found, NETWORK, params, x[:, :2], y, "cross_entropy")
    with refuses("W1 (4, 5)", "W1 (4, 7)"):
        compare(found, Network([D, 7, C]), params, x, y)
