"""`deltarule check --function` of code of one's own."""

import json
import sys

import pytest

CODE = """
import sys

import numpy as np

print("importing")
x, y = np.arange(6.0).reshape(3, 2), np.array([1.0, 2.0, 4.0])


def loss(w):
    print("computing")
    return ((x @ w - y) ** 2).sum()


def right():
    return loss, lambda w: 2 * x.T @ (x @ w - y), np.array([0.5, -1.0])


def half():
    return loss, lambda w: x.T @ (x @ w - y), np.array([0.5, -1.0])


def together():
    return lambda w: (loss(w), 2 * x.T @ (x @ w - y)), None, np.array([0.5, -1.0])


def nothing():
    pass


def fails():
    raise OSError("no such\\nthing")


def exits_later():
    return lambda w: sys.exit(3), lambda w: w, np.array([0.5, -1.0])


def whole():
    return loss, lambda w: w, np.array([True, False])


def linear_network():
    params = {"W1": np.array([[0.5], [-1.0]]), "b1": np.zeros(1)}

    def error(p):
        return x @ p["W1"] + p["b1"] - y[:, None]

    return (
        lambda p: (error(p) ** 2).sum(),
        lambda p: {"W1": 2 * x.T @ error(p), "b1": 2 * error(p).sum(0)},
        params,
    )


def network():
    from deltarule import Network

    return Network([2, 1], output="identity"), x, y
"""


@pytest.fixture
def check_own(deltarule, tmp_path, monkeypatch):
    (tmp_path / "own_gradients.py").write_text(CODE, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    yield lambda name, *words: deltarule("check", "--function", f"own_gradients:{name}", *words)
    sys.modules.pop("own_gradients", None)


@pytest.mark.slow
def test_own_code(check_own):
    status, out, err = check_own("right")
    assert status == 0 and out.startswith("gradient: right")
    assert "Running the code in own_gradients" in err and "importing" in err and "importing" not in out
    assert check_own("together")[0] == 0
    status, out, _ = check_own("half")
    assert status == 1 and "factor_two" in out and "likely fix" in out


@pytest.mark.slow
def test_json(check_own):
    status, out, _ = check_own("half", "--json")
    record = json.loads(out)
    assert status == 1 and record["ok"] is False
    assert record["diagnosis"][0]["code"] == "factor_two" and record["worst"]["error"] == 0.5


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    ("words", "named"),
    [
        (("--function", "own_gradients:nothing"), "nothing() has to return three things"),
        (("--function", "own_gradients:fails"), "fails raised OSError: no such thing (own_gradients.py"),
        (("--function", "own_gradients:exits_later", "--json"), "loss raised SystemExit: 3 (own_gradients.py"),
        (("--function", "own_gradients:absent"), "has no function 'absent'"),
        (("--function", "own_gradients:whole"), "give arrays of floating-point numbers"),
        (("--function", "no_such_module:f"), "importing no_such_module raised ModuleNotFoundError: No module named"),
        (
            ("--function", "./own_gradients:right"),
            "names a file; give a module, as own_gradients:right, where the file",
        ),
        (("--function", "own_gradients"), "give the module and the function's name"),
        (("--function", "own_gradients:half", "--hint", "5"), "--hint"),
        (("--function", "own_gradients:half", "--seed", "3"), "--seed is for studies"),
        (("encoder", "--function", "own_gradients:half"), "both are given"),
        (("encoder", "--hint", "3"), "give --function too"),
        ((), "neither is given"),
    ],
)
def test_bad_use(check_own, deltarule, words, named):
    status, out, err = deltarule("check", *words)
    assert (status, out) == (2, "") and named in err and "Traceback" not in err


def test_like(check_own):
    status, out, _ = check_own("linear_network", "--like", "own_gradients:network")
    assert status == 0 and "the loss was recognized" in " ".join(out.split())
    assert "the loss was recognized" not in " ".join(check_own("linear_network")[1].split())
    status, _, err = check_own("linear_network", "--like", "own_gradients:nothing")
    assert status == 2 and "nothing() has to return three things: network, x and y" in err
    status, _, err = check_own("linear_network", "--like", "network")
    assert status == 2 and "--like is 'network'; give the module and the function's name" in err
