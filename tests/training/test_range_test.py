import numpy as np
import pytest

from deltarule.data.load import load
from deltarule.errors import BadInput
from deltarule.problem.create import create_problem
from deltarule.problem.network import Network
from deltarule.training.range_test import range_test, suggestion
from deltarule.training.train import train


def digits(**given):
    data = load("digits")
    x, y = data.train.x[:600] / 16, data.encode(data.train, 10)[:600]
    return create_problem(Network([64, 16, 10], "relu", "softmax"), x, y, loss="cross_entropy", batch_size=100, **given)


@pytest.mark.parametrize("kind", ["linear", "exponential"])
def test_rates_rise_from_end_to_end(kind):
    tested = range_test(digits(), lowest=0.001, highest=10.0, steps=50, kind=kind)
    assert tested.rates[0] == pytest.approx(0.001) and tested.rates[-1] == pytest.approx(10.0)
    steps = np.diff(tested.rates) if kind == "linear" else np.diff(np.log(tested.rates))
    assert np.allclose(steps, steps[0]) and steps[0] > 0


@pytest.mark.slow
def test_the_suggested_rate_trains_well():
    problem = digits(seeds=range(5))
    tested = range_test(problem, lowest=1e-5, highest=50.0, steps=150)
    suggested = float(np.median(tested.suggested))
    final = {
        rate: np.median(train(digits(seeds=range(5), learning_rate=rate), max_steps=100).objective)
        for rate in (suggested, suggested / 100, suggested * 100)
    }
    assert final[suggested] == min(final.values())


def test_accuracy_on_request():
    tested = range_test(digits(), steps=20, accuracy=True)
    plain = range_test(digits(), steps=20)
    assert tested.accuracy.shape == (20, 1) and plain.accuracy is None
    assert np.array_equal(tested.objective, plain.objective)


def test_accuracy_of_many_rows_uses_a_sample():
    data = load("digits")
    x, y = data.train.x / 16, data.encode(data.train, 10)
    rows = [np.arange(len(x)), np.arange(0, len(x), 2)]
    network = Network([64, 10], output="softmax")
    problem = create_problem(network, x, y, loss="cross_entropy", rows=rows, seeds=[0, 1], learning_rate=1e-9)
    tested = range_test(problem, lowest=1e-9, highest=1e-8, steps=10, accuracy=True)
    run = train(problem, max_steps=1)
    right = run.outputs(x).argmax(-1) == y.argmax(-1)
    many = rows[0][np.linspace(0, len(x) - 1, 1000).astype(int)]
    assert tested.accuracy[0].tolist() == [right[0][many].mean(), right[1][rows[1]].mean()]


def test_no_suggestion_without_a_fall():
    rates = np.logspace(-3, 0, 50)
    assert np.isnan(suggestion(rates, np.ones(50)))
    assert np.isnan(suggestion(rates, np.linspace(1, 50, 50)))
    assert np.isnan(suggestion(rates, np.full(50, np.nan)))


@pytest.mark.parametrize("lower", [0.5, 0.7, 7.0])
def test_suggestion_is_independent_of_an_offset(lower):
    """A constant changes no gradient. Beyond a rate of 2 this one rises; there is no other fall."""
    rates = np.logspace(-4, 1, 101)
    objective = 1 / (1 + (rates / 0.1) ** 2) + (rates > 2) * rates
    assert suggestion(rates, objective - lower) == suggestion(rates, objective)


@pytest.mark.parametrize("fall", [100, 300])
def test_fall_after_divergence_does_not_count(fall):
    """At a rate of 10, the last, the objective is at -1, or at -2001: lower than ever before."""
    rates = np.logspace(-4, 1, 101)
    broken = -1 / (1 + (rates / 0.1) ** -2) + np.where(rates > 2, 1e3 - fall * rates, 0)
    assert 0.05 < suggestion(rates, broken) < 0.2


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"lowest": 0.0}, "two rates above 0"),
        ({"lowest": 1.0, "highest": 0.1}, "the lower one first"),
        ({"kind": "square"}, "square"),
        ({"steps": 2}, "steps is 2"),
        ({"lowest": "a"}, "^lowest is 'a'; give a finite number"),
    ],
)
def test_bad_range_gets_a_sentence(given, sentence):
    with pytest.raises(BadInput, match=sentence):
        range_test(digits(), **given)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("kind", [np.float16, np.float32, np.int64, np.array])
def test_range_of_numpy_numbers(kind):
    ours = [range_test(digits(), lowest=lowest, highest=2.0, steps=10).rates for lowest in (kind(1), 1.0)]
    assert ours[0].tolist() == ours[1].tolist()
