"""The trainings that same_results.py compares: every formula with every engine, on one small problem."""

import signal
import tempfile
from collections.abc import Callable, Iterator, Mapping
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

Result = dict[str, Any]
MEMBERS = 5
ENGINES = ("reference", "compiled", "autograd")
OPTIMIZERS = ("sgd", "momentum", "nesterov", "adagrad", "normalized_gradient", "rmsprop", "adam", "adamw", "rprop")
OUTPUTS = {
    "squared_error": "identity",
    "half_squared_error": "tanh",
    "absolute_error": "identity",
    "huber": "identity",
    "quantile": "identity",
    "poisson": "exponential",
    "binary_cross_entropy": "sigmoid",
    "cross_entropy": "softmax",
    "naive_binary_cross_entropy": "sigmoid",
}
HIDDEN = ("identity", "sigmoid", "tanh", "relu", "leaky_relu", "elu", "softplus", "silu", "gelu", "softmax")
PENALTIES = ("l2", "weight_decay", "l1", "l2_per_sample", "weight_decay_per_sample", "l1_per_sample")
SCHEDULES = ("step", "exponential", "inverse_scaling", "squaring", "cosine", "warm_up", "linear_ramp")
DATA = {
    "batches": {"batch_size": 5},
    "dropout": {"dropout": 0.3, "batch_size": 4},
    "rates of their own": {
        "dropout": [[0.1], [0.2], [0.3], [0.0], [0.5]],
        "learning_rate": [0.1, 0.2, 0.05, 0.01, 0.3],
    },
    "weights": {"weights": np.linspace(0, 2, 13)},
    "rows of their own": {"rows": [range(13 - member) for member in range(MEMBERS)], "batch_size": 4},
    "data seeds": {"data_seeds": range(MEMBERS), "batch_size": 3},
    "float32": {"dtype": "float32"},
    "scale": {"initial_scale": [0.1, 0.5, 1.0, 2.0, 3.0]},
}


def problem_of(
    loss: str = "squared_error", hidden: str = "tanh", sizes: tuple[int, ...] = (4, 5, 3), **given: Any
) -> Any:
    """A problem with MEMBERS members on 13 random rows, with targets that fit the loss."""
    import deltarule

    random = np.random.default_rng(1)
    x, y = random.normal(size=(13, sizes[0])), random.uniform(0.05, 0.95, (13, sizes[-1]))
    if loss == "cross_entropy":
        y = np.eye(sizes[-1])[random.integers(0, sizes[-1], 13)]
    layers = {name: given.pop(name) for name in ("batch_norm", "bias", "initializer") if name in given}
    network = deltarule.Network(list(sizes), hidden, OUTPUTS[loss], **layers)
    defaults = {"seeds": range(MEMBERS), "learning_rate": 0.05}
    return deltarule.create_problem(network, x, y, loss=loss, **{**defaults, **given})


def training_case(engine: str, problem: Mapping[str, Any], **rules: Any) -> Callable[[], Result]:
    """The case that trains a problem (options of `problem_of`) by stop rules, and returns everything in the run."""

    def case() -> Result:
        import deltarule

        rules_here = {"max_steps": 40, "history_every": 8, **rules}
        run = deltarule.train(problem_of(**problem), engine=engine, **rules_here)
        state = run.state
        return {
            "theta": state.theta,
            "buffers": state.buffers,
            **{f"slot {name}": value for name, value in state.slots.items()},
            "steps": run.steps,
            "reasons": list(run.reasons),
            "objective": run.objective,
            **{f"history {name}": run.history.series(name) for name in run.history.names},
        }

    return case


def training_cases() -> Iterator[tuple[str, Callable[[], Result]]]:
    """Yield the cases of trainings, with their names: for each engine, one part of a problem is varied at a time."""
    for engine, optimizer in product(ENGINES, OPTIMIZERS):
        yield f"{engine} {optimizer}", training_case(engine, {"optimizer": optimizer})
        yield (
            f"{engine} {optimizer} batch norm",
            training_case(engine, {"optimizer": optimizer, "batch_norm": True, "batch_size": 6}),
        )
    for engine, loss in product(ENGINES, OUTPUTS):
        yield f"{engine} {loss}", training_case(engine, {"loss": loss}, record=["thresholded"])
    for engine, hidden in product(ENGINES, HIDDEN):
        yield f"{engine} {hidden}", training_case(engine, {"hidden": hidden, "sizes": (4, 6, 5, 3)})
    for engine, penalty in product(ENGINES, PENALTIES):
        given = {"penalty": penalty, "strength": np.linspace(0.001, 0.1, MEMBERS), "penalize_biases": penalty == "l1"}
        yield f"{engine} {penalty}", training_case(engine, given)
    for engine, schedule in product(ENGINES, SCHEDULES):
        yield f"{engine} {schedule}", training_case(engine, {"schedule": schedule})
    for engine, name in product(ENGINES, DATA):
        yield f"{engine} {name}", training_case(engine, DATA[name])
    for engine in ENGINES:
        yield (
            f"{engine} threshold",
            training_case(engine, {"learning_rate": 0.5}, max_steps=300, threshold=0.05, times=2),
        )
        yield f"{engine} tolerance", training_case(engine, {"learning_rate": 0.5}, max_steps=300, tolerance=1e-4)
        yield f"{engine} diverged", training_case(engine, {"learning_rate": [0.1, 50.0, 0.2, 1e5, 0.3]}, max_steps=60)
        yield (
            f"{engine} adaptive",
            training_case(engine, {"schedule": "adaptive", "learning_rate": 0.9}, max_epochs=60, max_steps=None),
        )
        rows = np.random.default_rng(2).normal(size=(7, 4)), np.random.default_rng(3).random((7, 3))
        patient = {"validation": rows, "patience": 3, "max_epochs": 50, "max_steps": None}
        yield f"{engine} patience", training_case(engine, {"learning_rate": 0.5, "batch_size": 4}, **patient)
        yield f"{engine} large", training_case(engine, {"sizes": (30, 70, 20, 3), "batch_size": 8, "seeds": range(2)})
        yield f"{engine} outputs", training_case(engine, {}, record=["outputs", "gradients"])
    yield "resumed", resume_training


def resume_training() -> Result:
    """Interrupt a training, and resume it from its checkpoint."""
    import deltarule

    with tempfile.TemporaryDirectory() as folder:
        given = {"engine": "reference", "checkpoint": Path(folder) / "checkpoint", "history_every": 10, "max_steps": 70}
        problem = problem_of(batch_size=4, optimizer="adam", dropout=0.2)
        first = deltarule.train(problem, progress=lambda _: signal.raise_signal(signal.SIGINT), **given)
        run = deltarule.train(problem, resume=True, **given)
    assert first.interrupted
    return {"theta": run.state.theta, "objective": run.history.series("objective")}
