"""The network of an estimator: its architecture, its weights, and the problem that trains it.

Needs no scikit-learn, so that a model file can be read without it.
K members · N rows · D features · H outputs of a layer · C outputs
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy import minimum, sqrt

from deltarule.errors import BadInput
from deltarule.estimators.mlp.fit_context import warn_of_parameters
from deltarule.maths.elementary import Array, Fixed
from deltarule.maths.initializers import INITIALIZERS, Initializer
from deltarule.maths.network import flatten
from deltarule.maths.optimizers import OPTIMIZERS, Optimizer
from deltarule.maths.schedules import SCHEDULES, Schedule
from deltarule.problem import registry
from deltarule.problem.create import create_problem
from deltarule.problem.network import Network
from deltarule.problem.problem import Floats, Problem
from deltarule.problem.registry import Named
from deltarule.problem.state import State, initial_state

ADAM_PARAMETERS = {"beta1": "beta_1", "beta2": "beta_2", "epsilon": "epsilon"}
"""scikit-learn's names of Adam's parameters."""
ACTIVATION_ALIASES = {"logistic": "sigmoid"}
"""scikit-learn's names of activations that deltarule names differently."""

OUTPUT_ACTIVATIONS = {"logistic": "sigmoid", "softmax": "softmax", "identity": "identity", "exp": "exponential"}
"""deltarule's output activation for each of scikit-learn's names."""


@dataclass(frozen=True)
class Architecture:
    """The architecture of a network in plain values, which any file can hold.

    There is an activation for each hidden layer; `output` is scikit-learn's name of the output activation.
    """

    sizes: tuple[int, ...]
    activations: tuple[Named, ...]
    output: str
    batch_norm: bool = False
    scaling_layer: bool = False

    @cached_property
    def network(self) -> Network:
        """Resolve scikit-learn's names of activations and choose Glorot's bound, which differs for logistic layers."""
        hidden = [registry.activation(_resolve_alias(activation)) for activation in self.activations]
        logistic = bool(hidden) and all(activation.name == "sigmoid" for activation in hidden)
        return Network(
            list(self.sizes),
            hidden,
            OUTPUT_ACTIVATIONS[self.output],
            batch_norm=self.batch_norm,
            scaling_layer=self.scaling_layer,
            initializer=GLOROT_LOGISTIC if logistic else GLOROT,
        )

    def __getstate__(self) -> dict[str, Any]:
        """Plain values only: the network has functions, which cannot be pickled."""
        return {entry.name: getattr(self, entry.name) for entry in fields(self)}


def _resolve_alias(name: Named) -> Named:
    if isinstance(name, str):
        return ACTIVATION_ALIASES.get(name, name)
    return {**name, "name": ACTIVATION_ALIASES.get(str(name["name"]), name["name"])}


def _glorot_logistic(fan_in: int, fan_out: int) -> float:
    return float(np.sqrt(2 / (fan_in + fan_out)))


GLOROT = replace(INITIALIZERS["glorot_uniform"], biases="same")
GLOROT_LOGISTIC = Initializer("glorot_logistic", "uniform", _glorot_logistic, biases="same")
"""scikit-learn's initializers: biases start like weights, and both are smaller for logistic units."""


@dataclass(frozen=True, eq=False)
class FittedNetwork:
    """What training leaves of a network beside `coefs_` and `intercepts_`.

    further         arrays of batch norm and the scaling layer, by name, [D, H] or [K, D, H]
    slots, updates  the optimizer's memory and its number of updates, with which a fit is continued
    factor          the factors [K] of divided learning rates
    """

    architecture: Architecture
    members: int = 1
    further: Mapping[str, Floats] = field(default_factory=dict)
    slots: Mapping[str, Floats] = field(default_factory=dict)
    updates: int = 0
    factor: Floats | None = None


def set_network(model: Any, fitted: FittedNetwork) -> None:
    """Set a model's network, without its weights, which `set_weights` sets."""
    model._fitted = fitted
    model.out_activation_ = fitted.architecture.output
    model.n_layers_ = len(fitted.architecture.sizes)
    model.n_outputs_ = fitted.architecture.sizes[-1]


def set_weights(model: Any, arrays: Mapping[str, Floats]) -> None:
    """Set scikit-learn's attributes from arrays [K, D, H]; one member has [D, H]."""
    members = len(arrays["W1"])
    arrays = squeeze_members(arrays)
    numbers = range(1, 1 + sum(name.startswith("W") for name in arrays))
    model.coefs_ = [arrays[f"W{n}"] for n in numbers]
    model.intercepts_ = [arrays[f"b{n}"][..., 0, :] for n in numbers]
    further = {name: array for name, array in arrays.items() if name[0] not in "Wb" or name.startswith("beta")}
    model._fitted = replace(model._fitted, members=members, further=further)


def squeeze_members(arrays: Mapping[str, Floats]) -> Mapping[str, Floats]:
    """The arrays [K, D, H] themselves, or [D, H] of a single member."""
    return {name: array[0] for name, array in arrays.items()} if len(arrays["W1"]) == 1 else arrays


def named_weights(model: Any) -> dict[str, Floats]:
    """The parameters and the running statistics by name, [D, H] or [K, D, H]."""
    weights = {f"W{n}": np.asarray(array) for n, array in enumerate(model.coefs_, start=1)}
    weights |= {f"b{n}": np.asarray(array)[..., None, :] for n, array in enumerate(model.intercepts_, start=1)}
    return {**weights, **model._fitted.further}


def weights_of_members(model: Any) -> dict[str, Floats]:
    """The parameters and the running statistics by name, [K, D, H]."""
    members = model._fitted.members
    return {name: array.reshape(members, *array.shape[-2:]) for name, array in named_weights(model).items()}


def fitted_state(model: Any, problem: Problem) -> State:
    network = problem.network
    arrays = weights_of_members(model)
    state = initial_state(problem, flatten(arrays, network.entries))
    if not network.buffers:
        return state
    return replace(state, buffers=flatten(arrays, network.buffers).astype(problem.dtype))


def resumed_state(model: Any, state: State) -> State:
    """The state with the memory of a model's optimizer, unless that was another one."""
    fitted = model._fitted
    if set(fitted.slots) != set(state.slots):
        return state
    slots = {name: slot.astype(state.theta.dtype) for name, slot in fitted.slots.items()}
    return replace(state, slots=slots, step=fitted.updates)


# --- the problem of a fit -------------------------------------------------------------------------------------------


class TrainingRows(NamedTuple):
    """Training rows: x [N, D], targets [N, C] and weights [N] or None."""

    x: Floats
    y: Floats
    w: Floats | None

    def take(self, indices: Any) -> "TrainingRows":
        return TrainingRows(self.x[indices], self.y[indices], None if self.w is None else self.w[indices])


def hidden_sizes(hidden_layer_sizes: Any) -> list[int]:
    """Convert `hidden_layer_sizes` to a list."""
    is_sequence = hasattr(hidden_layer_sizes, "__iter__")
    sizes = list(hidden_layer_sizes) if is_sequence else [hidden_layer_sizes]
    if any(isinstance(size, str | Mapping) for size in sizes):
        raise ValueError(f"hidden_layer_sizes has layers by name, got {sizes}; `Network` takes these, and `train` it.")
    if not all(isinstance(size, int | np.integer) and size > 0 for size in sizes):
        raise ValueError(f"hidden_layer_sizes must be > 0, got {sizes}.")
    return [int(size) for size in sizes]


def hidden_activations(activation: Any, layer_count: int) -> tuple[Named, ...]:
    """One activation per hidden layer."""
    if isinstance(activation, str | Mapping):
        return (activation,) * layer_count
    return tuple(activation)


def optimizer(parameters: Mapping[str, Any]) -> Optimizer:
    """The optimizer that the parameter `solver` names, with its numbers."""
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
    _refuse_adam_parameters(made, parameters)
    return made


def _refuse_adam_parameters(optimizer: Optimizer, parameters: Mapping[str, Any]) -> None:
    """Refuse parameters of Adam for another optimizer.

    The other optimizer takes numbers of these names from its own parameters.
    """
    for ours, name in ADAM_PARAMETERS.items():
        value = parameters[name]
        if ours in optimizer.parameters and value != ADAM.parameters[ours]:
            named = f"{{'name': '{parameters['solver']}', '{ours}': {value}}}"
            raise BadInput(f"{name}={value} is for adam; give solver={named}")


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
registry.accept(ADAM)


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
    rows: TrainingRows,
    generator: np.random.RandomState,
    rows_seen: int,
) -> Problem:
    """Draw the members' seeds and translate scikit-learn's parameters into those of a problem."""
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
