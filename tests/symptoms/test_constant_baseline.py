import numpy as np
import pytest

from deltarule.maths.losses import LOSSES, Loss
from deltarule.symptoms.constant_baseline import constant_loss, least_loss

RANDOM = np.random.default_rng(0)
Y = RANDOM.exponential(size=(80, 2))
W = RANDOM.uniform(0, 2, (80, 1))
MEAN = (W * Y).sum(0) / W.sum()


def of(loss, **parameters):
    return Loss(loss.name, loss.value, loss.derivative, loss.domain, loss.targets, parameters=parameters)


def pinball(p, y, tau):
    return np.where(p > y, (1 - tau) * (p - y), tau * (y - p))


def pinball_slope(p, y, tau):
    return np.where(p > y, 1 - tau, np.where(y > p, -tau, 0.0))


@pytest.mark.parametrize(
    "loss",
    [
        LOSSES["squared_error"],
        LOSSES["absolute_error"],
        of(LOSSES["quantile"], quantile=0.3),
        of(LOSSES["huber"], delta=0.5),
        Loss("pinball", pinball, pinball_slope, parameters={"tau": 0.95}),
        Loss("log_cosh", lambda p, y: np.log(np.cosh(p - y)), lambda p, y: np.tanh(p - y)),
        Loss("power_4", lambda p, y: (p - y) ** 4, lambda p, y: 4 * (p - y) ** 3),
        LOSSES["poisson"],
    ],
    ids=lambda loss: loss.name,
)
def test_best_constant_of_many(loss):
    lattice = np.linspace(0.01, 5, 5000)[:, None]
    tried = [(W * loss.value(np.broadcast_to(p, Y.shape), Y, **loss.parameters)).sum(0) for p in [*lattice, *Y]]
    with np.errstate(over="ignore", invalid="ignore"):  # far out, as in observe_members
        found, least = constant_loss(loss, Y, W), np.min(tried, axis=0).sum()
    assert found <= least * (1 + 1e-12) and found == pytest.approx(least, rel=1e-5)


@pytest.mark.parametrize("scale", [1e-6, 1, 1e6])
def test_best_constant_with_bounds(scale):
    """exp(p) − y p is least at log y, log p + y / p at y; over rows, at that of the mean."""
    y, mean = scale * Y, scale * MEAN
    with np.errstate(all="ignore"):
        rates = Loss("rates", lambda p, y: np.exp(p) - y * p, lambda p, y: np.exp(p) - y)
        assert constant_loss(rates, y, W) == pytest.approx((W.sum() * (mean - mean * np.log(mean))).sum())
        assert least_loss(rates, y, W) == pytest.approx((W * (y - y * np.log(y))).sum())
        gamma = Loss("gamma", lambda p, y: np.log(p) + y / p, lambda p, y: (1 - y / p) / p, domain="positive")
        assert constant_loss(gamma, y, W) == pytest.approx((W.sum() * (1 + np.log(mean))).sum())
        assert least_loss(gamma, y, W) == pytest.approx((W * (1 + np.log(y))).sum())


def test_best_constant_of_unit_predictions():
    ours = LOSSES["binary_cross_entropy"]
    own = Loss("own", lambda p, y: ours.value(p, y) - 3, ours.derivative, domain="unit", targets="unit")
    y = (Y > 1) * 1.0
    share = (W * y).sum(0) / W.sum()
    entropy = -(W.sum() * (share * np.log(share) + (1 - share) * np.log(1 - share))).sum()
    assert constant_loss(ours, y, W) == pytest.approx(entropy)
    assert constant_loss(own, y, W) == pytest.approx(entropy - 3 * 2 * W.sum())
    assert least_loss(own, y, W) == pytest.approx(-3 * 2 * W.sum(), rel=1e-12)
    assert constant_loss(own, 0 * y, W) == pytest.approx(-3 * 2 * W.sum(), rel=1e-12)


def test_best_constant_of_simplex_predictions():
    ours = LOSSES["cross_entropy"]
    y = np.eye(3)[np.arange(80) % 7 // 3]
    share = (W * y).sum(0) / W.sum()
    assert constant_loss(ours, y, W) == pytest.approx(-(W.sum() * share * np.log(share)).sum())
    assert constant_loss(ours, 2 * y, W) == pytest.approx(-2 * (W.sum() * share * np.log(share)).sum())
    own = Loss("own", lambda p, y: (p - y) ** 2 - 1, lambda p, y: 2 * (p - y), domain="simplex", targets="unit")
    assert least_loss(own, y, W) == pytest.approx(-3 * W.sum())


@pytest.mark.parametrize("value", [lambda p, y: -y * np.log(p), lambda p, y: -y * np.log(p) - (1 - y) * np.log(1 - p)])
def test_least_simplex_loss(value):
    """Also where the formula as it stands says 0 log 0, and where a class has no row."""
    own = Loss("own", lambda p, y: value(p, y) - 3, lambda p, y: p * np.nan, domain="simplex", targets="unit")
    two, parts = np.eye(3)[[0, 1, 0, 1]], 2 if value(0.5, 0.0) else 1
    assert least_loss(own, np.eye(3), np.ones((3, 1))) == pytest.approx(-27, rel=1e-12)
    assert constant_loss(own, two, np.ones((4, 1))) == pytest.approx(4 * parts * np.log(2) - 36, rel=1e-12)


def gamma(times=1.0):
    """log p + t y / p, least at t y: 1 + log t y; for y = 0 it falls without end."""
    return Loss("gamma", lambda p, y: np.log(p) + times * y / p, lambda p, y: (1 - times * y / p) / p, "positive")


def test_zero_weight_rows_are_ignored():
    y, w = np.array([[0.0], [1.0]]), np.array([[0.0], [2.0]])
    reciprocal = Loss("reciprocal", lambda p, y: p / y + y / p, lambda p, y: 1 / y - y / p**2, domain="positive")
    with np.errstate(all="ignore"):
        assert least_loss(gamma(), y, w) == constant_loss(gamma(), y, w) == pytest.approx(2)
        assert least_loss(reciprocal, y, w) == constant_loss(reciprocal, y, w) == pytest.approx(4)
        assert np.isnan([least_loss(gamma(), y, 0 * w), constant_loss(gamma(), y, 0 * w)]).all()


@pytest.mark.parametrize("loss", LOSSES.values(), ids=lambda loss: loss.name)
def test_best_constants_are_not_negative(loss):
    with np.errstate(all="ignore"):
        for y in RANDOM.uniform(size=20):
            assert constant_loss(loss, np.full((1, 1), y), np.ones((1, 1))) >= 0
