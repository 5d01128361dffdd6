"""A verdict has to foretell: small programs with mistakes that one point, or one turn of the loop, does not show."""

import pytest

from deltarule.checking.scripts.answers import STALE, UPHILL_LATER
from deltarule.checking.scripts.check_script import check_script

START = "import numpy as np\nrng = np.random.default_rng(11)\n"

LOGISTIC = """
X = rng.normal(size=(30, 3))
t = (X @ [1.0, -0.5, 2.0] > 0.2).astype(float)
w, b = np.zeros(3), 0.0
for epoch in range(60):
    p = 1 / (1 + np.exp(-(X @ w + b)))
    loss = -np.mean(t * np.log(p) + (1 - t) * np.log(1 - p))
    e = (p - t) / len(t)
    w -= 0.4 * X.T @ e
    b -= 0.4 * e.sum()
"""
RIDGE = """
X, y = rng.normal(size=(30, 4)), rng.normal(size=30)
w = np.zeros(4)
for epoch in range(60):
    e = X @ w - y
    cost = 0.5 * (e @ e) / 30 + 0.2 * (w @ w)
    w -= 0.1 * (X.T @ e / 30 + 0.4 * w)
"""
MOMENTUM = """
X, y = rng.normal(size=(30, 4)), rng.normal(size=30)
w, v = rng.normal(size=4), np.zeros(4)
for epoch in range(60):
    e = X @ w - y
    loss = (e @ e) / 30
    g = 2 * X.T @ e / 30
    v = 0.7 * v - 0.05 * g
    w = w + v
"""
NETWORK = """
X, Y = rng.normal(size=(20, 3)), rng.random(size=(20, 2))
V, W, b = rng.normal(size=(3, 4)), rng.normal(size=(4, 2)), np.full(4, 0.1)
for epoch in range(50):
    h = np.tanh(X @ V + b)
    o = h @ W
    loss = np.sum((o - Y) ** 2)
    d = 2 * (o - Y)
    dh = d @ W.T * (1 - h ** 2)
    W -= 0.005 * h.T @ d
    V -= 0.005 * X.T @ dh
    b -= 0.005 * dh.sum(axis=0)
"""
RECTIFIED = """
X, Y = rng.normal(size=(20, 3)), rng.normal(size=(20, 2))
V, W = rng.normal(size=(3, 4)), rng.normal(size=(4, 2))
for epoch in range(50):
    h = np.maximum(X @ V, 0)
    z = h @ W
    o = np.maximum(z, 0)
    loss = np.sum((o - Y) ** 2)
    d = 2 * (o - Y)
    d[z < 0] = 0
    dh = d @ W.T
    dh[h <= 0] = 0
    V -= 0.001 * X.T @ dh
    W -= 0.001 * h.T @ d
"""


def check_text(folder, text, seconds=0):
    path = folder / "train.py"
    path.write_text(START + text, encoding="utf-8")
    return check_script(path, seconds_to_correct=seconds)


@pytest.mark.slow
@pytest.mark.parametrize("text", [LOGISTIC, RIDGE, MOMENTUM, NETWORK, RECTIFIED])
def test_right_programs_foretell(tmp_path, text):
    report = check_text(tmp_path, text)
    assert report.verdict == "right" and not report.doubtful, str(report)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("text", "right", "wrong", "arrays"),
    [
        (LOGISTIC, "(p - t) / len(t)", "(p - t) * p / len(t)", {"w", "b"}),  # p = ½ at first: a factor of ½
        (LOGISTIC, "e.sum()", "(e * p).sum()", {"b"}),
        (RIDGE, "0.4 * w", "0.1 * w", {"w"}),  # w = 0 at first: no penalty is seen
        (RECTIFIED, "d[z < 0] = 0", "pass", {"V", "W"}),
        (NETWORK, "(1 - h ** 2)", "(1 - h)", {"V", "b"}),
        (NETWORK, "W -= 0.005 * h.T @ d", "(W + 0)[:] -= 0.005 * h.T @ d", {"W"}),
        (NETWORK, "W -= 0.005 * h.T @ d", "U = W.copy()\n    U -= 0.005 * h.T @ d", {"W"}),
        (NETWORK, "b -= 0.005 * dh.sum(axis=0)", "b = -0.005 * dh.sum(axis=0)", {"b"}),
        (NETWORK, "X.T @ dh\n", "X.T @ dh * 20 / 19\n", {"V"}),
    ],
)
def test_a_mistake_that_one_point_hides(tmp_path, text, right, wrong, arrays):
    assert right in text
    report = check_text(tmp_path, text.replace(right, wrong))
    assert report.verdict == "WRONG" and report.wrong.keys() == arrays, str(report)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("right", "wrong", "remark"),
    [
        ("v = 0.7 * v - 0.05 * g\n    w = w + v", "w = w + v\n    v = 0.7 * v - 0.05 * g", STALE),
        ("v = 0.7 * v -", "v = -0.7 * v -", UPHILL_LATER),
    ],
)
def test_old_gradients_are_used_as_they_should(tmp_path, right, wrong, remark):
    report = check_text(tmp_path, MOMENTUM.replace(right, wrong))
    assert report.verdict == "WRONG" and report.wrong["w"].endswith(remark), str(report)


@pytest.mark.slow
def test_arrays_that_a_loop_rebinds_do_not_move(tmp_path):
    update = "    for a, g in zip((V, W), (X.T @ dh, h.T @ d)):\n        a = a - 0.001 * g\n"
    report = check_text(tmp_path, RECTIFIED.partition("    V -=")[0] + update)
    assert report.wrong == dict.fromkeys("VW", "(line 16) does not move: a is updated in its place"), str(report)


@pytest.mark.slow
def test_data_that_a_network_begins_with_is_no_array_left_alone(tmp_path):
    text = NETWORK.replace("h = np.tanh(X @ V + b)", "h = X\n    h = h + 0.1 * X ** 2\n    h = np.tanh(h @ V + b)")
    text = text.replace("X.T @ dh", "(X + 0.1 * X ** 2).T @ dh")
    report = check_text(tmp_path, text)
    assert report.ok and set(report.right) == {"V", "W", "b"}, str(report)


@pytest.mark.slow
def test_an_old_copy_kept_on_purpose_is_no_mistake(tmp_path):
    text = """
W = 0.1 * rng.normal(size=(4, 2))
target = W.copy()
for t in range(60):
    s, new, a = rng.normal(size=4), rng.normal(size=4), t % 2
    goal = rng.normal() + 0.9 * (new @ target).max()
    q = s @ W[:, a]
    W[:, a] -= 0.1 * (q - goal) * s
    if t % 10 == 9:
        target = W.copy()
"""
    report = check_text(tmp_path, text)
    assert report.ok and list(report.right) == ["W"], str(report)


ADDED_UP = """
X, Y = rng.normal(size=(24, 3)), rng.random(size=(24, 2))
V, W = rng.normal(size=(3, 4)), rng.normal(size=(4, 2))
gV, gW, error = np.zeros_like(V), np.zeros_like(W), 0.0
for n in range(96):
    x, y = X[n % 24], Y[n % 24]
    h = np.tanh(x @ V)
    o = h @ W
    error += np.sum((o - y) ** 2) / 2
    gW += np.outer(h, o - y)
    gV += np.outer(x, W @ (o - y) * (1 - h ** 2))
    if n % 6 == 5:
        V -= 0.05 * gV
        W -= 0.05 * gW
        gV[:], gW[:], error = 0, 0, 0.0
"""


@pytest.mark.slow
def test_gradients_that_are_added_up_over_some_turns(tmp_path):
    report = check_text(tmp_path, ADDED_UP)
    assert report.ok and set(report.right) == {"V", "W"}, str(report)
    report = check_text(tmp_path, ADDED_UP.replace("(1 - h ** 2)", "(1 - h)"))
    assert list(report.wrong) == ["V"] and list(report.right) == ["W"], str(report)


NEW_DICTIONARIES = """
X, Y = rng.normal(size=(20, 3)), rng.random(size=(20, 1))
class Model:
    def __init__(self):
        self.p = {"W1": rng.normal(size=(3, 4)), "b1": np.ones(4), "W2": rng.normal(size=(4, 1))}
    def forward(self):
        values = {"a0": X, "a1": np.tanh(X @ self.p["W1"] + self.p["b1"])}
        values["out"] = values["a1"] @ self.p["W2"]
        return values
    def stepped(self, values):
        d = 2 * (values["out"] - Y) / len(Y)
        dz = d @ self.p["W2"].T * (1 - values["a1"] ** 2)
        slopes = {"W1": X.T @ dz, "b1": dz.sum(axis=0), "W2": values["a1"].T @ d}
        return {name: self.p[name] - 0.05 * slopes[name] for name in slopes}
    def train(self):
        for t in range(30):
            self.values = self.forward()
            cost = np.sum((self.values["out"] - Y) ** 2) / len(Y)
            self.p = self.stepped(self.values)
Model().train()
"""


@pytest.mark.slow
def test_parameters_in_a_new_dictionary_each_turn(tmp_path):
    report = check_text(tmp_path, NEW_DICTIONARIES)
    assert report.ok and set(report.right) == {f"self.p['{name}']" for name in ("W1", "b1", "W2")}, str(report)
    report = check_text(tmp_path, NEW_DICTIONARIES.replace("dz.sum(axis=0)", "dz.sum()"))
    assert list(report.wrong) == ["self.p['b1']"], str(report)


@pytest.mark.slow
@pytest.mark.parametrize("step", ["g / np.linalg.norm(g)", "np.linalg.solve(X.T @ X / 30, g)", "np.sign(g)"])
def test_what_is_made_of_the_right_gradient_is_not_accused(tmp_path, step):
    text = MOMENTUM.replace("v = 0.7 * v - 0.05 * g\n    w = w + v", f"w = w - 0.01 * {step}")
    report = check_text(tmp_path, text)
    assert report.verdict == "not proved" and not report.wrong, str(report)


@pytest.mark.slow
def test_contrastive_divergence_is_not_accused(tmp_path):
    text = """
data, W = (rng.random((12, 5)) < 0.5).astype(float), 0.1 * rng.normal(size=(5, 3))
sigmoid = lambda z: 1 / (1 + np.exp(-z))
for epoch in range(30):
    p = sigmoid(data @ W)
    seen = sigmoid((p > rng.random(p.shape)) @ W.T)
    W += 0.1 * (data.T @ p - seen.T @ sigmoid(seen @ W)) / 12
    error = np.sum((data - seen) ** 2)
"""
    report = check_text(tmp_path, text)
    assert report.verdict == "not proved" and not report.wrong, str(report)


@pytest.mark.slow
def test_the_scripts_own_loss_is_meant(tmp_path):
    text = LOGISTIC.replace("-np.mean(t * np.log(p) + (1 - t) * np.log(1 - p))", "np.mean((p - t) ** 2)")
    report = check_text(tmp_path, text)
    assert report.verdict == "right for another loss" and not report.ok, str(report)
    first = "right for another loss  w and b: right for binary cross-entropy(t, p), but line 9 computes loss"
    assert report.text().splitlines()[0] == first


@pytest.mark.slow
def test_another_loss_has_the_update_for_the_loss_and_the_loss_for_the_update(tmp_path):
    text = """
X = rng.normal(size=(40, 2)); t = (X[:, 1] > 0).astype(float)
w = np.zeros(2)
for epoch in range(50):
    p = 1 / (1 + np.exp(-X @ w))
    J = 0.5 * np.sum((p - t) ** 2)
    print("epoch %d, cost %.3f" % (epoch, J))
    w -= 0.02 * X.T @ (p - t)
"""
    report = check_text(tmp_path, text, seconds=8)
    assert report.verdict == "right for another loss" and 'line 8 computes J ("cost")' in report.text()
    assert report.correction is not None
    [update], [of_loss] = report.correction.changes, report.correction.others
    assert update.line == 10 and all(factor in update.new for factor in ("p - t", "* p", "(1 - p)"))
    assert of_loss.new == "J = -np.sum(t * np.log(p) + (1 - t) * np.log(1 - p))"
    for change in (update, of_loss):
        assert check_text(tmp_path, text.replace(change.old, change.new)).ok


@pytest.mark.slow
@pytest.mark.parametrize(
    "printed",
    [
        'print("Cross-entropy:", np.mean((p - t) ** 2))',
        'print(f"{epoch}: loss = {np.mean((p - t) ** 2):.4f}")',
        'print("epoch {} | cost {:.3f}".format(epoch, np.mean((p - t) ** 2)))',
        'print("Loss " + str(np.mean((p - t) ** 2)))',
    ],
)
def test_what_is_printed_as_loss_is_the_scripts_own(tmp_path, printed):
    text = LOGISTIC.replace("loss = -np.mean(t * np.log(p) + (1 - t) * np.log(1 - p))", printed)
    assert check_text(tmp_path, text).verdict == "right for another loss"
    right = text.replace("np.mean((p - t) ** 2)", "-np.mean(t * np.log(p) + (1 - t) * np.log(1 - p))")
    assert check_text(tmp_path, right).verdict == "right"


@pytest.mark.slow
@pytest.mark.parametrize(
    "loss",
    [
        "accuracy = ((p > 0.5) == t).mean(); mse = ((p - t) ** 2).mean()",
        "error = np.abs(p - t).mean()",
        "val_loss = ((1 / (1 + np.exp(-(X[:9] @ w + b))) - t[:9]) ** 2).mean()",
    ],
)
def test_metrics_beside_the_loss_are_none(tmp_path, loss):
    text = LOGISTIC.replace("loss = -np.mean(t * np.log(p) + (1 - t) * np.log(1 - p))", loss)
    assert check_text(tmp_path, text).ok


@pytest.mark.slow
def test_the_loss_of_all_data_beside_steps_of_mini_batches(tmp_path):
    text = """
X, y, w = rng.normal(size=(40, 3)), rng.normal(size=40), np.zeros(3)
for step in range(60):
    rows = rng.choice(40, 8, replace=False)
    e = X[rows] @ w - y[rows]
    w -= 0.1 * X[rows].T @ e / 8
    loss = np.mean((X @ w - y) ** 2)
"""
    report = check_text(tmp_path, text)
    assert report.ok, str(report)


@pytest.mark.slow
def test_right_up_to_a_factor_is_said_first(tmp_path):
    report = check_text(tmp_path, LOGISTIC.replace("len(t)\n", "len(t) / 3\n"))
    assert report.ok and report.text().startswith("right up to a factor  w and b")


@pytest.mark.slow
def test_a_rate_that_is_missed_by_little_is_wrong(tmp_path):
    report = check_text(tmp_path, LOGISTIC.replace("len(t)\n", "(len(t) - 1)\n"))
    remark = "moves 1.034 times as far as the loss says with the rate 0.4"
    assert report.wrong == {"w": f"(line 11) {remark}", "b": f"(line 12) {remark}"}, str(report)


@pytest.mark.slow
@pytest.mark.parametrize("rate", ["rate", "0.4 * 0.95 ** epoch", "0.4 / (1 + 0.01 * epoch)"])
def test_a_schedule_names_its_rate(tmp_path, rate):
    text = LOGISTIC.replace("0.4 *", f"({rate}) *").replace("    e =", "    rate = 0.4 * 0.97 ** epoch\n    e =")
    report = check_text(tmp_path, text)
    assert report.verdict == "right", str(report)


@pytest.mark.slow
def test_where_nothing_says_what_is_meant_nothing_is_proved(tmp_path):
    text = """
X = rng.normal(size=(40, 3))
y, w = (X[:, 0] > 0).astype(float), np.zeros(3)
for epoch in range(5):
    for row, t in zip(X, y):
        p = 1 / (1 + np.exp(-row @ w))
        w = w - 0.1 * (p - t) * p * row
"""
    report = check_text(tmp_path, text)
    assert report.verdict == "not proved" and "squared errors" in report.notes[0]


@pytest.mark.slow
def test_a_column_minus_a_row_is_named_and_flattened(tmp_path):
    text = """
X = rng.normal(size=(20, 3)); y = X[:, :1] + 1.0
w, b = np.zeros(3), 0.0
for epoch in range(40):
	p = X @ w + b
	loss = 0.5 * np.mean((p - y) ** 2)
	e = p - y
	w = w - 0.1 * np.array([np.mean(g) for g in X.T @ e])
	b = b - 0.1 * np.mean(e)
"""
    correction = check_text(tmp_path, text, seconds=8).correction
    assert correction is not None and "y is a column, and p has one axis" in correction.proof
    assert "e = p - y.ravel()" in [change.new for change in correction.changes]
    for change in correction.changes:
        text = text.replace(change.old, change.new)
    assert check_text(tmp_path, text).verdict == "right"


@pytest.mark.slow
def test_moves_that_go_uphill_are_turned(tmp_path):
    text = """
X = rng.normal(size=(20, 3)); y = X @ [1.0, -1.0, 0.5]
w, b = np.zeros(3), 0.1
for epoch in range(8):
    e = X @ w + b - y
    loss = 0.5 * np.sum(e ** 2)
    w += 0.001 * X.T @ e
    b += 0.001 * e.sum()
"""
    report = check_text(tmp_path, text, seconds=8)
    assert set(report.wrong) == {"w", "b"} and report.correction is not None
    for change in report.correction.changes:
        text = text.replace(change.old, change.new)
    assert check_text(tmp_path, text).verdict == "right", text
