import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from refusals import refuses
from sklearn import metrics as peers

from deltarule.stats.metrics import METRICS, find


def drawn(seed, outputs):
    rng = np.random.default_rng(seed)
    a, w = rng.random((2, 9, outputs)), rng.integers(1, 4, (9, 1)).astype(float)
    labels = rng.integers(0, max(outputs, 2), 9)
    y = labels[:, None].astype(float) if outputs == 1 else np.eye(outputs)[labels]
    return a, y, w, labels


@given(st.integers(0, 1000), st.integers(1, 4))
def test_metrics_agree_with_scikit_learn(seed, outputs):
    a, y, w, labels = drawn(seed, outputs)
    weight = w[:, 0]
    for member in range(2):
        predicted = (a[member, :, 0] > 0.5) * 1 if outputs == 1 else a[member].argmax(-1)
        expected = {
            "accuracy": peers.accuracy_score(labels, predicted, sample_weight=weight),
            "error_rate": 1 - peers.accuracy_score(labels, predicted, sample_weight=weight),
            "thresholded": peers.accuracy_score(y > 0.5, a[member] > 0.5, sample_weight=weight)
            if outputs > 1
            else peers.accuracy_score(labels, predicted, sample_weight=weight),
            "mean_squared_error": peers.mean_squared_error(y, a[member], sample_weight=weight),
            "half_mean_squared_error": peers.mean_squared_error(y, a[member], sample_weight=weight) / 2,
            "mean_absolute_error": peers.mean_absolute_error(y, a[member], sample_weight=weight),
        }
        for name, value in expected.items():
            assert find(name).value(a, y, w)[member] == pytest.approx(value, abs=1e-12), name


@given(st.integers(0, 1000))
def test_r_squared_agrees_with_scikit_learn(seed):
    rng = np.random.default_rng(seed)
    a, y, w = rng.random((1, 9, 3)), rng.random((9, 3)), rng.random((9, 1)) + 0.1
    assert find("r_squared").value(a, y, w)[0] == pytest.approx(
        peers.r2_score(y, a[0], sample_weight=w[:, 0]), abs=1e-9
    )


@given(st.floats(-1e6, 1e6), st.integers(2, 50), st.sampled_from([np.float32, np.float64]))
def test_of_targets_that_never_vary_r_squared_is_1_where_they_are_met_and_else_0(value, rows, dtype):
    """As scikit-learn has it."""
    y = np.full((rows, 1), value, dtype)
    w = np.random.default_rng(rows).random((rows, 1)).astype(dtype) + dtype(0.1)
    a = np.stack([y, y + dtype(1)])
    assert find("r_squared").value(a, y, w).tolist() == [1, 0]
    assert [peers.r2_score(y - y[0], one - y[0]) for one in a] == [1, 0]


@given(st.integers(0, 1000), st.sampled_from([np.float32, np.float64]), st.floats(-0.85, 0.95))
@example(seed=0, dtype=np.float32, size=100 / 128)
@example(seed=0, dtype=np.float64, size=-0.65)
def test_r_squared_has_no_unit(seed, dtype, size):
    """Nor has it with numbers whose squares are 0 or infinite: it is the same in all digits."""
    rng = np.random.default_rng(seed)
    a, y, w = (one.astype(dtype) for one in (rng.random((2, 9, 3)), rng.random((9, 3)), rng.random((9, 1)) + 0.1))
    unit = np.ldexp(dtype(1), int(size * np.finfo(dtype).maxexp))
    value = find("r_squared").value
    assert value(unit * a, unit * y, w).tolist() == value(a, y, w).tolist()


@pytest.mark.filterwarnings("error", "ignore:overflow")
@pytest.mark.parametrize("bad", [1e200, np.inf, np.nan])
@pytest.mark.parametrize("target", [False, True])
@pytest.mark.parametrize("own", [False, True])
@pytest.mark.parametrize("name", METRICS)
def test_a_sample_of_weight_0_is_as_if_it_were_not_there(name, own, target, bad):
    a, y, w = np.array([[[0.5], [2.0], [0.0]]]), np.array([[0.0], [1.0], [0.0]]), np.array([[1.0], [2.0], [0.0]])
    (y if target else a)[..., 2, :] = bad
    w = w[None] if own else w
    value = find(name).value
    assert value(a, y, w).tolist() == value(a[:, :2], y[:2], w[..., :2, :]).tolist()


def test_outputs_that_are_not_numbers_are_never_right():
    a, y, w = np.full((1, 2, 2), np.nan), np.array([[1.0, 0.0], [0.0, 0.0]]), np.ones((2, 1))
    for name in ("accuracy", "thresholded", "correct_output"):
        assert find(name).value(a, y, w)[0] == 0


def test_correct_output_asks_for_the_true_class_alone():
    a = np.array([[[0.9, 0.9], [0.4, 0.1]]])
    assert find("correct_output").value(a, np.eye(2), np.ones((2, 1)))[0] == 0.5
    assert find("thresholded").value(a, np.eye(2), np.ones((2, 1)))[0] == 0


@given(st.integers(0, 1000), st.integers(1, 4))
def test_the_largest_output_is_that_of_the_samples_that_count(seed, outputs):
    rng = np.random.default_rng(seed)
    a, w = rng.normal(size=(2, 9, outputs)), rng.integers(0, 2, (9, 1)).astype(float)
    w[0] = 1
    for member in range(2):
        expected = max(abs(number) for row in a[member][w[:, 0] > 0].tolist() for number in row)
        assert find("largest_output").value(a, np.zeros((9, outputs)), w)[member] == expected


def test_an_unknown_metric_gets_a_sentence():
    with refuses("acc", "accuracy"):
        find("acc")
    assert all(name == metric.name for name, metric in METRICS.items())


@given(
    rows=st.sampled_from([2, 60, 100, 500, 1000]),
    constant=st.floats(-1e4, 1e4),  # of which float32 tells the answers beside it
    spread=st.sampled_from([1.0, 1e-3, 1e-6]),
    places=st.permutations([0, 1, 2]),
    own=st.booleans(),
    weighted=st.booleans(),
    dtype=st.sampled_from([np.float32, np.float64]),
)
@example(rows=100, constant=20.0, spread=1.0, places=[0, 1, 2], own=False, weighted=False, dtype=np.float64)
@example(rows=60, constant=1.0, spread=1.0, places=[0, 1, 2], own=True, weighted=False, dtype=np.float64)
def test_r_squared_of_targets_of_which_one_never_varies(rows, constant, spread, places, own, weighted, dtype):
    """Its column counts as 0, the others as scikit-learn has them; one may vary little about a large number."""
    rng = np.random.default_rng(rows)
    y, w = rng.normal(size=(3, rows, 3)).astype(dtype), np.ones((3, rows, 1), dtype)
    w += dtype(weighted) * rng.random(w.shape).astype(dtype)
    near = dtype(spread if dtype is np.float64 else 1)
    y[..., 0], y[..., 1] = constant, 1 + near * y[..., 1]
    a = y + near * rng.normal(size=y.shape).astype(dtype)
    a, y = (np.ascontiguousarray(each[..., places]) for each in (a, y))  # NumPy sums these row by row
    y, w = (y, w) if own else (y[0], w[0])
    for member, found in enumerate(find("r_squared").value(a, y, w)):
        target, weight = (y[member], w[member]) if own else (y, w)
        each = peers.r2_score(
            target.astype(float) - target[0].astype(float),
            a[member].astype(float) - target[0].astype(float),
            sample_weight=weight[:, 0],
            multioutput="raw_values",
        )
        assert found == pytest.approx(each[[places.index(1), places.index(2)]].sum() / 3, rel=1e-3, abs=1e-3)


def test_more_of_a_metric_is_better_just_where_right_answers_have_more_of_it():
    """What stops and what is restored hangs on it; the answers −0.5 and 1.5 are right for some and wrong for others."""
    y, w = np.eye(2)[[0, 1, 0, 1]] * 2 - 0.5, np.ones((4, 1))
    for name, metric in METRICS.items():
        right, wrong = metric.value(y[None], y, w), metric.value(3 * (1 - y[None]), y, w)
        assert right != wrong, name
        assert (right > wrong) == metric.more_is_better, name
