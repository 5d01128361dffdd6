"""Convert scikit-learn's parameters to the parts of a problem."""

from collections.abc import Mapping
from dataclasses import replace
from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy import minimum, sqrt

from deltarule.errors import BadInput
from deltarule.estimators.mlp.fit_context import Rows, warn_of_parameters
from deltarule.estimators.sklearn_compat import Interval, StrOptions, network_constraints
from deltarule.maths.elementary import Array, Fixed
from deltarule.maths.optimizers import OPTIMIZERS, Optimizer
from deltarule.maths.schedules import SCHEDULES, Schedule
from deltarule.problem import registry
from deltarule.problem.create import create_problem
from deltarule.problem.network import Network
from deltarule.problem.problem import Floats, Problem
from deltarule.problem.registry import Named

ADAM_PARAMETERS = {"beta1": "beta_1", "beta2": "beta_2", "epsilon": "epsilon"}
"""scikit-learn's names of Adam's parameters."""


def constraints() -> dict[str, list[Any]]:
    """What each parameter may be: scikit-learn's own limits, more names, and ours."""
    schedules = {"constant", "invscaling", "adaptive", *registry.names("schedule")}
    return network_constraints() | {
        "activation": [StrOptions({"logistic", *registry.names("activation")} - {"softmax"}), dict, list, tuple],
        "solver": [StrOptions({*registry.names("optimizer"), "lbfgs"}), dict],
        "learning_rate": [StrOptions(schedules), dict],
        "dropout": [Interval(Real, 0, 1, closed="left"), list, tuple],
        "batch_norm": ["boolean"],
        "scaling_layer": ["boolean"],
        "n_members": [Interval(Integral, 1, None, closed="left")],
        "callbacks": [callable, list, tuple, None],
        "engine": [StrOptions({"auto", "reference", "compiled"})],
        "output_bias": [StrOptions({"random", "prior"})],
        "scoring": [StrOptions({"loss"}), None],
    }


def hidden_sizes(hidden_layer_sizes: Any) -> list[int]:
    """Convert `hidden_layer_sizes` to a list."""
    is_sequence = hasattr(hidden_layer_sizes, "__iter__")
    sizes = list(hidden_layer_sizes) if is_sequence else [hidden_layer_sizes]
    if not all(isinstance(size, int | np.integer) and size > 0 for size in sizes):
        raise ValueError(f"hidden_layer_sizes must be > 0, got {sizes}.")
    return [int(size) for size in sizes]


def hidden_activations(activation: Any, layer_count: int) -> tuple[Named, ...]:
    """One activation per hidden layer."""
    if isinstance(activation, str | Mapping):
        return (activation,) * layer_count
    return tuple(activation)


def optimizer(parameters: Mapping[str, Any]) -> Optimizer:
    solver = parameters["solver"]
    if not isinstance(solver, str):
        named = registry.optimizer(solver)  # raises for unknown names
        numbers = {name: named.parameters[name] for name in solver if name != "name"}
        return _with_numbers(optimizer({**parameters, "solver": solver["name"]}), numbers)
    if solver in ("adam", "adamw"):
        numbers = {ours: parameters[name] for ours, name in ADAM_PARAMETERS.items()}
        return _with_numbers(ADAM if solver == "adam" else OPTIMIZERS[solver], numbers)
    if solver == "sgd" and parameters["momentum"] > 0:
        solver = "nesterov" if parameters["nesterovs_momentum"] else "momentum"
    if solver in ("momentum", "nesterov"):  # not through the registry, which rejects a momentum of 1
        return _with_numbers(OPTIMIZERS[solver], {"momentum": parameters["momentum"]})
    if solver == "lbfgs":
        return OPTIMIZERS["sgd"]  # SciPy makes the steps
    made = registry.optimizer(solver)
    for ours, name in ADAM_PARAMETERS.items():
        value = parameters[name]
        if ours in made.parameters and value != ADAM.parameters[ours]:
            raise BadInput(f"{name}={value} is for adam; give solver={{'name': '{solver}', '{ours}': {value}}}")
    return made


def schedule(parameters: Mapping[str, Any], epoch_rows: int, rows_seen: int = 0) -> Schedule:
    """The learning-rate schedule; as in scikit-learn, two have no effect with Adam."""
    rate_schedule, solver = parameters["learning_rate"], parameters["solver"]
    is_adam = "adam" == (solver if isinstance(solver, str) else solver["name"])
    if rate_schedule == {"name": "invscaling"}:
        rate_schedule = "invscaling"
    if rate_schedule == "constant" or (is_adam and rate_schedule in ("invscaling", "adaptive")):
        return SCHEDULES["constant"]
    if rate_schedule == "invscaling":
        numbers = {"power": parameters["power_t"], "rows": epoch_rows, "seen": rows_seen}
        return replace(INVSCALING, parameters=Fixed(numbers))
    schedule = registry.schedule(rate_schedule)
    if schedule.adaptive and not isinstance(rate_schedule, str) and {"tolerance", "patience"} & set(rate_schedule):
        raise BadInput("the schedule 'adaptive' takes no tolerance or patience here; give tol and n_iter_no_change")
    return schedule


def invscaling(t: Array, learning_rate: Array, power: Array, rows: Array, seen: Array) -> Array:
    """The schedule "invscaling" of scikit-learn, α / (rows so far + 1)^power.

    `seen` are the rows of earlier fits; t counts completed epochs of this one.
    """
    return learning_rate / (t * rows + minimum(t, 1) * seen + 1) ** power


INVSCALING = Schedule("invscaling", invscaling, Fixed({"power": 0.5, "rows": 1, "seen": 0}), per="epoch")


def adam_once_a_step(t: Array, learning_rate: Array, beta1: Array, beta2: Array, epsilon: Array) -> dict[str, Array]:
    """The coefficients of one Adam step with scikit-learn's ε: Kingma & Ba, section 2."""
    rate = learning_rate * sqrt(1 - beta2**t) / (1 - beta1**t)
    gains = {"gain1": 1 - beta1, "gain2": 1 - beta2}
    return {"rate": rate, "beta1": beta1, "beta2": beta2, **gains, "epsilon": epsilon}


# With a separate name, because compiled programs are cached by it.
ADAM = replace(OPTIMIZERS["adam"], name="adam of scikit-learn", once_a_step=adam_once_a_step)


def prior_logits(targets: Floats, weights: Floats | None, output: str) -> Floats:
    """The logits [C] that predict the mean of targets [N, C], weighted by [N].

    A class without rows counts as half a row (Lin et al. 2017).
    """
    targets = targets.astype(np.float64)
    mean: Floats = np.average(targets, axis=0, weights=weights)
    if output == "identity":
        return mean

    def logarithm(mean: Floats) -> Floats:
        return np.asarray(np.log(np.where(mean > 0, mean, 0.5 / len(targets))))

    if output != "logistic":
        return logarithm(mean)
    # With sample weights the other class may be so rare that 1 − mean loses all its digits.
    rest = 1 - mean if weights is None else np.average(1 - targets, axis=0, weights=weights)
    return logarithm(mean) - logarithm(rest)


def create(
    parameters: Mapping[str, Any],
    network: Network,
    loss: Any,
    rows: Rows,
    generator: np.random.RandomState,
    rows_seen: int,
) -> Problem:
    count = len(rows.x)
    size = count if parameters["solver"] == "lbfgs" else _batch_rows(parameters, network, count)
    drawn = generator.randint(0, 2**31 - 1, size=2 * parameters["n_members"]).tolist()
    x = rows.x.view()  # read-only, so that it is not copied: the problem is private to this fit
    x.setflags(write=False)
    return create_problem(
        network,
        x,
        rows.y,
        loss=loss,
        penalty="weight_decay_per_sample" if parameters["alpha"] else None,
        strength=float(parameters["alpha"]),
        optimizer=optimizer(parameters),
        learning_rate=float(parameters["learning_rate_init"]),
        schedule=schedule(parameters, count, rows_seen),
        batch_size=size if size < count else None,
        dropout=parameters["dropout"],
        weights=rows.w,
        seeds=drawn[::2],
        data_seeds=drawn[1::2],
        dtype=rows.x.dtype.name,
    )


def _batch_rows(parameters: Mapping[str, Any], network: Network, row_count: int) -> int:
    """The rows of a batch, of which batch norm needs more than one."""
    size = parameters["batch_size"]
    if size == "auto":
        size = min(200, row_count)
    elif size > row_count:
        warn_of_parameters("Got `batch_size` less than 1 or larger than sample size. It is going to be clipped")
    size = min(int(size), row_count)
    if network.buffers and size == 1:
        raise ValueError("batch_norm compares the rows of a batch, and here a batch is 1 row; give larger batches.")
    return size


def fix_learning_rate(problem: Problem, completed_epochs: int, rows_seen: int) -> tuple[Problem, Floats]:
    """Replace an epoch-based schedule by a constant one with rate factors [K].

    Every `partial_fit` may have another number of rows, so that the number of updates does not give the epoch.
    """
    rate = problem.numbers["learning_rate"]
    counts_rows = problem.schedule.name == INVSCALING.name
    epoch = np.full(problem.members, rows_seen / len(problem.x) if counts_rows else float(completed_epochs))
    factor = problem.schedule.rate(epoch, rate, **problem.schedule_numbers) / rate
    return replace(problem, schedule=SCHEDULES["constant"], schedule_numbers={}), factor


def _with_numbers(optimizer: Optimizer, numbers: dict[str, float]) -> Optimizer:
    floats = {name: float(value) for name, value in numbers.items()}
    return replace(optimizer, parameters=Fixed({**optimizer.parameters, **floats}))
