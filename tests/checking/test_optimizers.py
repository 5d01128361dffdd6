"""Other updates than gradient descent: Adam, AdamW, RMSprop, AdaGrad, Nesterov's momentum, and unknown ones."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from deltarule import check_update

RATE, BETA = 0.01, 0.9
generator = np.random.default_rng(3)
X, Y = generator.normal(size=(9, 3)), generator.normal(size=(9, 2))
START = {"W": generator.normal(size=(3, 2)), "b": generator.normal(size=2)}
Params = dict[str, Any]


def loss(params: Params) -> Any:
    return ((X @ params["W"] + params["b"] - Y) ** 2).sum() / (2 * len(X))


def gradient(params: Params) -> Params:
    error = (X @ params["W"] + params["b"] - Y) / len(X)
    return {"W": X.T @ error, "b": error.sum(0)}


class Adam:
    """Adam, with AdamW's decay: its state lives in an object."""

    def __init__(self, decay: float = 0.0) -> None:
        self.t, self.decay = 0, decay
        self.m, self.v = ({name: np.zeros_like(value) for name, value in START.items()} for _ in "mv")

    def update(self, params: Params, grads: Params) -> None:
        self.t += 1
        for name, g in grads.items():
            self.m[name] = 0.9 * self.m[name] + 0.1 * g
            self.v[name] = 0.999 * self.v[name] + 0.001 * g**2
            m_hat, v_hat = self.m[name] / (1 - 0.9**self.t), self.v[name] / (1 - 0.999**self.t)
            params[name] -= RATE * (m_hat / (np.sqrt(v_hat) + 1e-8) + self.decay * params[name])


def rmsprop(rho: float = 0.9) -> Callable[[Params, Params], None]:
    """RMSprop (AdaGrad for rho = 1): its state lives in a closure."""
    squares: dict[str, Any] = dict.fromkeys(START, 0.0)

    def update(params: Params, grads: Params) -> None:
        for name, g in grads.items():
            squares[name] = rho * squares[name] + ((1 - rho) or 1.0) * g**2
            params[name] -= RATE * g / (np.sqrt(squares[name]) + 1e-8)

    return update


def momentum(form: str = "", sign: float = 1.0) -> Callable[[Params, Params], None]:
    velocity: dict[str, Any] = dict.fromkeys(START, 0.0)

    def update(params: Params, grads: Params) -> None:
        grads = {name: sign * g for name, g in grads.items()}
        if form == "ahead":
            grads = gradient({name: value + BETA * velocity[name] for name, value in params.items()})
        for name, g in grads.items():
            velocity[name] = BETA * velocity[name] - RATE * g
            params[name] += BETA * velocity[name] - RATE * g if form == "nesterov" else velocity[name]

    return update


OPTIMIZERS: dict[str, Callable[[], Callable[[Params, Params], None]]] = {
    "Adam": lambda: Adam().update,
    "AdamW": lambda: Adam(0.1).update,
    "RMSprop": rmsprop,
    "AdaGrad": lambda: rmsprop(1.0),
}


def check(update: Callable[[Params, Params], None], way: str, beta: float) -> Any:
    params = {name: value.copy() for name, value in START.items()}

    def step_in_place() -> None:
        update(params, gradient(params))

    def step_returned(params: Params) -> Params:
        params = {name: value.copy() for name, value in params.items()}
        update(params, gradient(params))
        return params

    if way == "in place":
        report = check_update(step_in_place, lambda: loss(params), params, RATE, momentum=beta)
        np.testing.assert_equal(params, START)  # they are put back
        return report
    return check_update(step_returned, loss, params, RATE, momentum=beta)


@pytest.mark.slow
@pytest.mark.parametrize("beta", [0.0, BETA])
@pytest.mark.parametrize("way", ["in place", "returned"])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_adaptive_optimizers_are_recognized(name: str, way: str, beta: float) -> None:
    report = check(OPTIMIZERS[name](), way, beta)
    assert (report.verdict, report.what) == ("right", f"update of {name}")


def adaptive(name: str, place: str, epsilon: float) -> Callable[[Params, Params], None]:
    """AdaGrad, RMSprop or Adam with its ε under the root, or as TensorFlow's Adam has it."""
    keep, gain = (1.0, 1.0) if name == "AdaGrad" else (0.9, 0.1)
    m, v = (dict.fromkeys(START, 0.0) for _ in "mv")
    steps = [0]

    def update(params: Params, grads: Params) -> None:
        steps[0] += 1
        t = steps[0]
        for name_of, g in grads.items():
            v[name_of] = keep * v[name_of] + gain * g**2
            m[name_of] = 0.9 * m[name_of] + 0.1 * g
            if place == "before":
                rate = RATE * np.sqrt(1 - keep**t) / (1 - 0.9**t)
                params[name_of] -= rate * m[name_of] / (np.sqrt(v[name_of]) + epsilon)
            elif name == "Adam":
                params[name_of] -= RATE * m[name_of] / (1 - 0.9**t) / np.sqrt(v[name_of] / (1 - keep**t) + epsilon)
            else:
                params[name_of] -= RATE * g / np.sqrt(v[name_of] + epsilon)

    return update


@pytest.mark.parametrize("epsilon", [1e-8, 1e-7, 1e-5])
@pytest.mark.parametrize(
    ("name", "place"), [("AdaGrad", "under"), ("RMSprop", "under"), ("Adam", "under"), ("Adam", "before")]
)
def test_epsilon_has_several_right_places(name: str, place: str, epsilon: float) -> None:
    report = check(adaptive(name, place, epsilon), "returned", 0.0)
    assert (report.verdict, report.what) == ("right", f"update of {name}")
    if epsilon > 1e-7:  # smaller ones change less than is measured
        assert any("ε is" in note and place in note for note in report.notes)


def clip_by_norm(grads: Params, limit: float) -> Params:
    norm = np.sqrt(sum((g**2).sum() for g in grads.values()))
    return {name: g * min(1.0, limit / norm) for name, g in grads.items()}


@pytest.mark.parametrize("rule", ["norm", "value", "decay", "running mean"])
def test_other_length_of_steps_is_no_wrong_gradient(rule: str) -> None:
    steps, mean = [0], dict.fromkeys(START, 0.0)
    size = np.concatenate([g.ravel() for g in gradient(START).values()])

    def update(params: Params, grads: Params) -> None:
        steps[0] += 1
        if rule == "norm":
            grads = clip_by_norm(grads, 0.3 * float(np.linalg.norm(size)))
        elif rule == "value":
            grads = {name: np.clip(g, -np.median(abs(size)), np.median(abs(size))) for name, g in grads.items()}
        elif rule == "decay":
            grads = {name: g / (1 + 0.1 * steps[0]) for name, g in grads.items()}
        for name, g in grads.items():
            mean[name] = BETA * mean[name] + (1 - BETA) * g if rule == "running mean" else g
            params[name] -= RATE * mean[name]

    report = check(update, "returned", 0.0)
    assert report.verdict == "not proved" and not report.diagnosis
    question = {"norm": "clipped?", "value": "clipped to", "decay": "rate in use", "running mean": "momentum=0.9"}
    assert report.vacuous is not None and question[rule] in report.vacuous


@pytest.mark.parametrize(("form", "beta"), [("nesterov", BETA), ("ahead", BETA), ("nesterov", 0.0)])
@pytest.mark.parametrize("way", ["in place", "returned"])
def test_nesterov_is_recognized(form: str, beta: float, way: str) -> None:
    report = check(momentum(form), way, beta)
    assert (report.verdict, report.what) == ("right", "update of Nesterov's momentum")


TORCH: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "Adam": torch.optim.Adam,
    "AdamW": torch.optim.AdamW,
    "RMSprop": lambda values, lr: torch.optim.RMSprop(values, lr, alpha=0.9),
    "AdaGrad": torch.optim.Adagrad,
    "Nesterov's momentum": lambda values, lr: torch.optim.SGD(values, lr, momentum=0.8, nesterov=True),
    "unusual Adam": lambda values, lr: torch.optim.Adam(values, lr, betas=(0.77, 0.9123)),
    "Adamax": torch.optim.Adamax,
    "NAdam": torch.optim.NAdam,
    "RMSprop with momentum": lambda values, lr: torch.optim.RMSprop(values, lr, momentum=0.5, centered=True),
}


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("name", TORCH)
def test_optimizers_of_torch_are_never_wrong(name: str, dtype: torch.dtype) -> None:
    x, y = torch.tensor(X, dtype=dtype), torch.tensor(Y, dtype=dtype)
    net = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Tanh(), torch.nn.Linear(4, 2)).to(dtype)
    with torch.random.fork_rng():
        torch.manual_seed(2)
        for parameter in net.parameters():
            torch.nn.init.normal_(parameter)
    optimizer = TORCH[name](net.parameters(), lr=RATE)

    def value() -> Any:
        return ((net(x) - y) ** 2).mean()

    def step() -> None:
        optimizer.zero_grad()
        value().backward()
        optimizer.step()

    report = check_update(step, lambda: value().item(), list(net.parameters()), RATE)
    assert report.verdict in ("right", "not proved")
    if " " not in name.replace("Nesterov's ", "") and not name.startswith(("Adamax", "NAdam")):
        assert (report.verdict, report.what) == ("right", f"update of {name}")


def descend(factors: Params, beta: float, decay: float = 0.0) -> Callable[[Params, Params], None]:
    velocity: dict[str, Any] = dict.fromkeys(START, 0.0)

    def update(params: Params, grads: Params) -> None:
        for name, g in grads.items():
            velocity[name] = beta * velocity[name] - RATE * factors[name] * g
            params[name] += velocity[name] - RATE * decay * params[name]

    return update


@pytest.mark.slow
@pytest.mark.parametrize("beta", [0.0, BETA])
@pytest.mark.parametrize("way", ["in place", "returned"])
def test_wrong_descent_remains_wrong(way: str, beta: float) -> None:
    assert check(descend({"W": 1.0, "b": 1.0}, beta), way, beta).ok
    wrong = [
        {"W": -1.0, "b": -1.0},
        {"W": 9.0, "b": 9.0},
        {"W": np.array([[1.0, 0.5], [2.0, 1.0], [1.0, 0.0]]), "b": 1.0},
        {"W": -1.0, "b": 7.0},
    ]
    for factors in wrong:
        assert check(descend(factors, beta), way, beta).verdict == "WRONG"


@pytest.mark.parametrize("beta", [0.0, BETA])
def test_other_rate_may_be_meant(beta: float) -> None:
    report = check(descend({"W": 1 / 9, "b": 1 / 9}, beta), "returned", beta)
    assert report.verdict == "not proved" and "0.00111:" in str(report.vacuous)
    assert report.diagnosis  # if they are not meant


def test_decay_outside_of_the_loss_may_be_meant() -> None:
    report = check(descend({"W": 1.0, "b": 1.0}, 0.0, decay=0.3), "returned", 0.0)
    assert report.verdict == "not proved" and "0.3 W and 0.3 b" in str(report.vacuous)
    assert [mistake.code for mistake in report.diagnosis] == ["penalty_not_in_loss"]


@pytest.mark.parametrize("names", ["W", "W b"])
@pytest.mark.parametrize("seed", range(5))
def test_decay_of_weights_alone_may_be_meant(names: str, seed: int) -> None:
    """Whether the fitted decay of biases, which have none, is 1e-17 or -1e-17 depends on the numbers."""
    random = np.random.default_rng(seed)
    start = {name: random.normal(size=START[name].shape) for name in names.split()}

    def step(p: Params) -> Params:
        gradients = gradient({**START, **p})
        return {name: value - RATE * (gradients[name] + 0.3 * (name == "W") * value) for name, value in p.items()}

    report = check_update(step, lambda p: loss({**START, **p}), start, RATE)
    assert report.verdict == "not proved" and "α times 0.3 W:" in str(report.vacuous)


def decayed(
    update: Callable[[Params, Params], None], decay: float, is_within: bool
) -> Callable[[Params, Params], None]:
    """The update with a decay of W beside its velocity or within it."""

    def update_and_decay(params: Params, grads: Params) -> None:
        pull = decay * params["W"]
        update(params, grads | {"W": grads["W"] + is_within * pull})
        params["W"] -= (not is_within) * RATE * pull

    return update_and_decay


@pytest.mark.slow
@pytest.mark.parametrize("form", ["", "nesterov"])
@pytest.mark.parametrize("is_within", [False, True])
@pytest.mark.parametrize("decay", [0.3, -0.3])
def test_decay_beside_the_velocity_or_within_it_may_be_meant(form: str, is_within: bool, decay: float) -> None:
    """PyTorch's SGD adds the decay to the gradient, so that the velocity accumulates it. Growth is never meant."""
    report = check(decayed(momentum(form), decay, is_within), "in place", BETA)
    assert report.verdict == ("not proved" if decay > 0 else "WRONG")
    assert ("α times 0.3 W:" in str(report.vacuous)) == (decay > 0)


@pytest.mark.slow
@pytest.mark.parametrize(("in_loss", "in_step"), [(0.2, 0.0), (0.2, 0.1), (0.2, 0.2)])
def test_nesterovs_momentum_is_right_with_the_penalty_of_the_loss_alone(in_loss: float, in_step: float) -> None:
    params = {name: value.copy() for name, value in START.items()}
    update = decayed(momentum("nesterov"), 2 * in_step, is_within=True)

    def penalized_loss() -> Any:
        return loss(params) + in_loss * (params["W"] ** 2).sum()

    report = check_update(lambda: update(params, gradient(params)), penalized_loss, params, RATE, momentum=BETA)
    assert report.ok == (in_loss == in_step)


@pytest.mark.slow
@pytest.mark.parametrize("rule", ["descent", "Adam", "AdaGrad", "Nesterov's momentum"])
@pytest.mark.parametrize("size", [3, 10])
def test_optimizers_are_judged_but_for_the_epsilon_of_the_loss(rule: str, size: int) -> None:
    """As in courses: the loss is −log(p + ε), the gradient p − y. Where p is small that is another one."""
    targets, start = np.eye(2)[generator.integers(0, 2, 9)], size * generator.normal(size=(3, 2))
    m, v, steps = np.zeros_like(start), np.zeros_like(start), [0]

    def probabilities(W: Any) -> Any:
        e = np.exp(X @ W - (X @ W).max(1, keepdims=True))
        return e / e.sum(1, keepdims=True)

    def step(W: Any) -> Any:
        steps[0] += 1
        g, t = X.T @ (probabilities(W) - targets) / 9, steps[0]
        if rule == "descent":
            return W - RATE * g
        m[...] = 0.9 * m + (0.1 if rule == "Adam" else 1) * g
        v[...] = (0.999 * v + 0.001 * g**2) if rule == "Adam" else v + g**2
        if rule == "AdaGrad":
            return W - RATE * g / (np.sqrt(v) + 1e-7)
        if rule == "Adam":
            return W - RATE * m / (1 - 0.9**t) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)
        return W - RATE * (0.9 * m + g)

    report = check_update(step, lambda W: -(targets * np.log(probabilities(W) + 1e-7)).sum() / 9, start, RATE)
    assert report.ok, str(report)
    assert size < 10 or any("right but for ε" in note for note in report.notes)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("slip", "text"),
    [
        ("from 0", "it divides by 0, as Adam does by 1 − βᵗ with t = 0"),
        ("from 2", "the first one has t = 1"),
        ("no power", "the same bias correction in all steps"),
        ("begins with g", "m begins with the gradient"),
        ("begin with g", "m and v begin with gradients"),
    ],
)
def test_slips_in_the_bias_correction_are_named(slip: str, text: str) -> None:
    m, v = (dict.fromkeys(START, 0.0) for _ in "mv")
    calls = [0]

    def update(params: Params, grads: Params) -> None:
        calls[0] += 1
        t = {"from 0": calls[0] - 1, "from 2": calls[0] + 1, "no power": 1}.get(slip, calls[0])
        for name, g in grads.items():
            m[name] = g if calls[0] == 1 and slip.endswith("with g") else 0.9 * m[name] + 0.1 * g
            v[name] = g**2 if calls[0] == 1 and slip == "begin with g" else 0.999 * v[name] + 0.001 * g**2
            with np.errstate(all="ignore"):
                params[name] -= RATE * (m[name] / (1 - 0.9**t)) / (np.sqrt(v[name] / (1 - 0.999**t)) + 1e-8)

    report = check(update, "returned", 0.0)
    [mistake] = report.diagnosis
    assert (report.verdict, mistake.code) == ("WRONG", "bias_correction") and text in mistake.sentence


@pytest.mark.slow
@pytest.mark.parametrize(
    ("how", "code"), [("AdaGrad", ""), ("AdaGrad", "wrong_velocity"), ("momentum", "wrong_velocity")]
)
def test_arrays_that_share_one_state_are_found(how: str, code: str) -> None:
    generator = np.random.default_rng(0)
    x, y = generator.normal(size=(8, 3)), generator.normal(size=(8, 3))
    weights = [generator.normal(size=(3, 3)), generator.normal(size=(3, 3))]
    kept = [np.zeros((3, 3)), np.zeros((3, 3))]

    def step() -> None:
        error = 2 * (x @ weights[0] @ weights[1] - y) / y.size
        gradients = [x.T @ error @ weights[1].T, (x @ weights[0]).T @ error]
        for i, (p, g) in enumerate(zip(weights, gradients, strict=True)):
            state = kept[0 if code else i]
            if how == "AdaGrad":
                state += g**2
                p -= 0.05 * g / (np.sqrt(state) + 1e-8)
            else:
                state *= 0.9
                state -= 0.05 * g
                p += state

    momentum = 0.9 if how == "momentum" else 0.0
    report = check_update(
        step, lambda: ((x @ weights[0] @ weights[1] - y) ** 2).mean(), weights, 0.05, momentum=momentum
    )
    assert report.ok == (not code) and [one.code for one in report.diagnosis] == [code] * bool(code)
    assert [array.name for array in report.arrays] == ["weights[0]", "weights[1]"]
