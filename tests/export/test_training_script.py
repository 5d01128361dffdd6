import ast
import contextlib
import io
import re
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lanes import examples
from layer_chains import CHAINS, problem_with_layers
from random_problems import EVERY_FORMULA, problems
from refusals import refuses
from unproved import unproved

from deltarule.errors import BadInput
from deltarule.export.training_script import training_script
from deltarule.maths.activations import Activation
from deltarule.maths.losses import REDUCTIONS, Loss
from deltarule.maths.penalties import Penalty
from deltarule.problem.create import create_problem
from deltarule.problem.network import Network
from deltarule.training.train import train

TOLD = re.compile(r"update +(\d+)   J = (\S+) +recorded (\S+) +(.*)")


def ran(script):
    """What a script prints, in this process."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out), np.errstate(all="ignore"):
        exec(compile(script, "script.py", "exec"), {"__name__": "__main__", "__file__": ""})
    return [found.groups() for found in map(TOLD.fullmatch, out.getvalue().splitlines())]


def trained_and_written(problem, steps, member=0):
    run = train(problem, max_steps=steps, history_every=max(1, steps // 3))
    taken = run.history.objective[:, member]
    losses = {step: float(J) for step, J in zip(run.history.steps, taken, strict=True) if np.isfinite(J)}
    return training_script(problem, member=member, steps=int(run.steps[member]), losses=losses), losses


def disagreements(problem, steps, member=0):
    """The losses of the script that are not, to the last digit, those of the reference engine."""
    script, losses = trained_and_written(problem, steps, member)
    told = ran(script)
    assert [int(step) for step, *_ in told] == list(losses)
    return [one for one in told if float(one[1]) != losses[int(one[0])] or one[3] != "the same"]


# SciPy's error function and that of Python's own library differ in their last digits now and then.
EXACT = [(kind, name) for kind, name in EVERY_FORMULA if name != ["gelu"]]


@pytest.mark.parametrize(("kind", "name"), EXACT, ids=str)
@settings(max_examples=examples(5), suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_the_losses_are_the_engines_to_the_last_digit(kind, name, data):
    problem = data.draw(problems(**{kind: name}))
    if "gelu" not in [activation.name for activation in problem.network.activations.values()]:
        assert disagreements(problem, 12) == []


def example(**given):
    x = np.linspace(-1, 1, 12).reshape(6, 2)
    network = given.pop("network", Network([2, 3, 1], "tanh", "sigmoid"))
    return create_problem(network, x, (x[:, :1] > 0) * 1.0, **{"loss": "binary_cross_entropy", **given})


def test_gelu_is_the_same_but_for_the_last_digits():
    problem = example(network=Network([2, 3, 1], "gelu", "sigmoid"), learning_rate=0.5)
    script, losses = trained_and_written(problem, 30)
    assert "differ" in script and "math.erf" in script
    for step, found, *_ in ran(script):
        assert float(found) == pytest.approx(losses[int(step)], rel=1e-13)


def test_a_member_of_a_population_is_written_as_it_trains_among_the_others():
    problem = example(learning_rate=[0.1, 1.0, 3.0], dropout=[[0.0], [0.5], [0.2]], seeds=[4, 5, 6], batch_size=4)
    for member in range(3):
        assert disagreements(problem, 20, member) == []


def run_alone(path):
    """What a script prints in a process of its own, in an empty environment."""
    done = subprocess.run([sys.executable, "-I", str(path)], capture_output=True, check=True, encoding="utf-8")
    assert done.stderr == ""
    return [found.groups() for found in map(TOLD.fullmatch, done.stdout.splitlines())]


@pytest.mark.parametrize("columns", [3, 600])
def test_a_script_runs_without_deltarule(tmp_path, columns):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(20, columns)), np.eye(4)[rng.integers(0, 4, 20)]
    problem = create_problem(
        Network([columns, 5, 4], "elu", "softmax", batch_norm=True),
        x,
        y,
        loss="cross_entropy",
        optimizer="adamw",
        batch_size=8,
        dropout=0.1,
        schedule="cosine",
    )
    script, losses = trained_and_written(problem, 15)
    assert all(len(line) <= 120 for line in script.splitlines())
    assert ("# packed x: " in script) == (columns == 600)
    (tmp_path / "script.py").write_text(script, encoding="utf-8")
    assert [told for *_, told in run_alone(tmp_path / "script.py")] == ["the same"] * len(losses)
    imported = [node for node in ast.walk(ast.parse(script)) if isinstance(node, ast.Import | ast.ImportFrom)]
    names = {one.module if isinstance(one, ast.ImportFrom) else one.names[0].name for one in imported}
    assert "numpy" in names and names <= {"base64", "math", "numpy", "os", "pathlib", "zlib"}


def test_the_statements_of_a_script_are_as_expected():
    script = training_script(example(penalty="l2", strength=0.1, optimizer="momentum"), steps=3, losses={})
    for line in (
        "z1 = x @ W1 + b1",
        "a1 = hyperbolic_tangent(z1)",
        "dz2 = share * binary_cross_entropy_from_logits_derivative(z2, y)",
        "dW2 = a1.T @ dz2 + 0.1 * l2_derivative(W2)",
        "db2 = dz2.sum(0, keepdims=True)",
        "da1 = dz2 @ W2.T",
        "W1, v_W1 = momentum(W1, dW1, v_W1, learning_rate=rate, momentum=0.9)",
    ):
        assert f"    {line}\n" in script


def test_the_passes_of_every_layer_are_written_out_as_by_hand():
    for name, lines in {
        "batch_norm": [
            "centered1 = z1 - mean1",
            "n1 = gamma1 * normalized1 + beta1",
            "dbeta1 = dn1.sum(0, keepdims=True)",
        ],
        "layer_norm": ["n1 = gamma1 * normalized1 + beta1", "dgamma1 = (dn1 * normalized1).sum(0, keepdims=True)"],
        "glu": ["u1 = xb @ W1 + b1", "z1 = u1 * gate1", "dz1 = du2 @ W2.T + dv2 @ V2.T"],
        "tied": ["z2 = a1 @ W1.T + b2", "da1 = dz2 @ W1"],
        "residual": ["r2 = z2 + a1", "da1 = dr3 @ W2.T + (dr3 + dr3)"],
    }.items():
        script = training_script(problem_with_layers(CHAINS[name]), steps=3, losses={})
        for line in lines:
            assert f"    {line}\n" in script, line


def test_the_title_cannot_become_code():
    evil = 'a"""\nimport os\n"""\\'
    script = training_script(example(), steps=1, losses={}, title=evil)
    assert [type(node) for node in ast.parse(script).body[:1]] == [ast.Expr]
    assert "\nimport os\n" in script and script.count("import os") == 2  # ours, and the one in the docstring


def flat(z, a):
    return 0 * z


OWN = unproved(Activation("relu", flat, flat))  # of a name that deltarule has, too


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"network": Network([2, 1, 1], OWN, "sigmoid")}, "the activation 'relu' is your own"),
        ({"loss": unproved(Loss("own", flat, flat))}, "the loss 'own' is your own"),
        ({"penalty": unproved(Penalty("own", abs, abs))}, "the penalty 'own' is your own"),
    ],
)
def test_unsupported_problems_are_refused_in_a_sentence(given, sentence):
    with pytest.raises(BadInput) as told:
        training_script(example(**given), steps=1, losses={})
    assert sentence in str(told.value)


def test_an_unknown_member_is_refused_in_a_sentence():
    with refuses("member", 1, 0):
        training_script(example(), member=1, steps=1, losses={})


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_the_adaptive_schedule_cuts_the_rate_where_the_engine_does_whatever_j_adds_up(reduction):
    """Sums of batches add up to the epoch's loss, and means are averaged: where it stalls depends on it."""
    for tolerance in (0.05, 0.1, 0.2):
        schedule = {"name": "adaptive", "tolerance": tolerance, "patience": 1}
        given = {"reduction": reduction, "batch_size": 2, "learning_rate": 0.1, "optimizer": "sgd"}
        assert disagreements(example(schedule=schedule, **given), 60) == []
