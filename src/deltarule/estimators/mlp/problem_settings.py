"""Convert scikit-learn's parameters to the parts of a problem."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property, lru_cache
from itertools import starmap
from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy import minimum, sqrt

from deltarule.errors import BadInput
from deltarule.estimators.sklearn_compat import Interval, Options, StrOptions
from deltarule.maths.activations import Activation
from deltarule.maths.elementary import Array, Fixed
from deltarule.maths.initializers import INITIALIZERS, Initializer
from deltarule.maths.optimizers import OPTIMIZERS, Optimizer
from deltarule.maths.schedules import SCHEDULES, Schedule
from deltarule.problem import registry
from deltarule.problem.network import Network
from deltarule.problem.problem import Floats
from deltarule.problem.registry import Named

ACTIVATION_ALIASES = {"logistic": "sigmoid"}
"""scikit-learn's names of activations that deltarule names differently."""

OUTPUT_ACTIVATIONS = {"logistic": "sigmoid", "softmax": "softmax", "identity": "identity", "exp": "exponential"}
"""deltarule's output activation for each of scikit-learn's names."""

LOSSES = {"squared_error": "half_squared_error"}
"""scikit-learn's squared error is half of it."""

ACTIVATION_TEST_POINTS = (-97.3, -20.7, -5.3, -1.9, -0.71, -0.23, -0.013, 0.0, 0.013, 0.23, 0.71, 1.9, 5.3, 20.7, 97.3)
"""Points at which a custom activation is compared with the one of a model file: values are the same on every machine up
to rounding, while bytecode depends on the version of Python."""


def constraints() -> dict[str, list[Any]]:
    """The constraints on each parameter, in scikit-learn's terms."""
    share = Interval(Real, 0, 1, closed="left")
    schedules = {"constant", "invscaling", "adaptive", *registry.names("schedule")}
    return {
        "hidden_layer_sizes": ["array-like", Interval(Integral, 1, None, closed="left")],
        "activation": [StrOptions({"logistic", *registry.names("activation")} - {"softmax"}), dict, list, tuple],
        "solver": [StrOptions({*registry.names("optimizer"), "lbfgs"}), dict],
        "alpha": [Interval(Real, 0, None, closed="left")],
        "batch_size": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
        "learning_rate": [StrOptions(schedules), dict],
        "learning_rate_init": [Interval(Real, 0, None, closed="neither")],
        "power_t": [Interval(Real, 0, None, closed="left")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "shuffle": ["boolean"],
        "random_state": ["random_state"],
        "tol": [Interval(Real, 0, None, closed="left")],
        "verbose": ["verbose"],
        "warm_start": ["boolean"],
        "momentum": [Interval(Real, 0, 1, closed="both")],
        "nesterovs_momentum": ["boolean"],
        "early_stopping": ["boolean"],
        "validation_fraction": [share],
        "beta_1": [share],
        "beta_2": [share],
        "epsilon": [Interval(Real, 0, None, closed="neither")],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left"), Options(Real, {np.inf})],
        "max_fun": [Interval(Integral, 1, None, closed="left")],
        "dropout": [share, list, tuple],
        "batch_norm": ["boolean"],
        "scaling_layer": ["boolean"],
        "n_members": [Interval(Integral, 1, None, closed="left")],
        "callbacks": [callable, list, tuple, None],
        "engine": [StrOptions({"auto", "reference", "compiled"})],
        "output_bias": [StrOptions({"random", "prior"})],
    }


@dataclass(frozen=True)
class Architecture:
    """The architecture of a network in plain values, which any file can hold.

    sizes        from the inputs to the outputs
    activations  one for each hidden layer
    output       scikit-learn's name of the output activation
    values       of each custom activation at `ACTIVATION_TEST_POINTS`, once the network has been built
    """

    sizes: tuple[int, ...]
    activations: tuple[Named, ...]
    output: str
    batch_norm: bool = False
    values: tuple[tuple[float, ...], ...] | None = field(default=None, compare=False)
    scaling_layer: bool = False

    def network(self) -> Network:
        """The network of this architecture, the same one in every call.

        >>> Architecture((2, 3, 1), ("logistic",), "identity").network()
        Network 2-3-1 (sigmoid, identity), 13 parameters
        """
        return self._network

    @cached_property
    def _network(self) -> Network:
        """The network, built once per model."""
        names = tuple(map(_resolve_alias, self.activations))
        if self.values is None:
            hidden = tuple(map(registry.activation, names))
            saved: Sequence[tuple[float, ...]] = ((),) * len(hidden)
        else:
            hidden = tuple(starmap(_matching_activation, zip(names, self.values, strict=True)))
            saved = self.values  # empty tuples in older files
        values = tuple(old or _test_values(activation) for old, activation in zip(saved, hidden, strict=True))
        object.__setattr__(self, "values", values)
        return _make_network(self.sizes, hidden, self.output, self.batch_norm, self.scaling_layer)

    def __getstate__(self) -> dict[str, Any]:
        """Plain values only: the network has functions, which cannot be pickled."""
        return {entry.name: getattr(self, entry.name) for entry in fields(self)}


# Cached, for predictions of single rows; keyed by the formulas, because a name may be registered again.
@lru_cache(maxsize=64)
def _make_network(
    sizes: tuple[int, ...], hidden: tuple[Activation, ...], output: str, batch_norm: bool, scaling_layer: bool
) -> Network:
    """Build a network with scikit-learn's initializer."""
    logistic = bool(hidden) and all(activation.name == "sigmoid" for activation in hidden)
    return Network(
        list(sizes),
        hidden,
        OUTPUT_ACTIVATIONS[output],
        batch_norm=batch_norm,
        scaling_layer=scaling_layer,
        initializer=GLOROT_LOGISTIC if logistic else GLOROT,
    )


def hidden_sizes(hidden_layer_sizes: Any) -> list[int]:
    """Convert `hidden_layer_sizes` to a list.

    >>> hidden_sizes(5), hidden_sizes((3, 2))
    ([5], [3, 2])
    """
    is_sequence = hasattr(hidden_layer_sizes, "__iter__")
    sizes = list(hidden_layer_sizes) if is_sequence else [hidden_layer_sizes]
    if not all(isinstance(size, Integral) for size in sizes):
        raise ValueError(f"hidden_layer_sizes must be whole numbers, got {sizes}.")
    if any(size <= 0 for size in sizes):
        raise ValueError(f"hidden_layer_sizes must be > 0, got {sizes}.")
    return [int(size) for size in sizes]


def hidden_activations(activation: Any, layer_count: int) -> tuple[Named, ...]:
    """One activation per hidden layer, from a single one for all layers or a list.

    >>> hidden_activations("relu", 2), hidden_activations(["tanh", "relu"], 2)
    (('relu', 'relu'), ('tanh', 'relu'))
    """
    if isinstance(activation, str | Mapping):
        return (activation,) * layer_count
    if len(activation) != layer_count:
        raise ValueError(
            f"activation has {len(activation)} names for {layer_count} hidden layers; give one for each, or one."
        )
    return tuple(activation)


def optimizer(parameters: Mapping[str, Any]) -> Optimizer:
    """The optimizer for an estimator's parameters.

    >>> optimizer({"solver": "sgd", "momentum": 0.8, "nesterovs_momentum": True}).name
    'nesterov'
    """
    solver = parameters["solver"]
    if not isinstance(solver, str):
        named = registry.optimizer(solver)  # raises for unknown names
        numbers = {name: named.parameters[name] for name in solver if name != "name"}
        return _with_numbers(optimizer({**parameters, "solver": solver["name"]}), numbers)
    if solver in ("adam", "adamw"):
        betas = {"beta1": parameters["beta_1"], "beta2": parameters["beta_2"], "epsilon": parameters["epsilon"]}
        return _with_numbers(ADAM if solver == "adam" else OPTIMIZERS[solver], betas)
    if solver == "sgd" and parameters["momentum"] > 0:
        solver = "nesterov" if parameters["nesterovs_momentum"] else "momentum"
    if solver in ("momentum", "nesterov"):  # not through the registry, which rejects a momentum of 1
        return _with_numbers(OPTIMIZERS[solver], {"momentum": parameters["momentum"]})
    if solver == "lbfgs":
        return OPTIMIZERS["sgd"]  # SciPy makes the steps
    return registry.optimizer(solver)


def schedule(parameters: Mapping[str, Any], epoch_rows: int, rows_seen: int = 0) -> Schedule:
    """The learning-rate schedule for an estimator's parameters.

    As in scikit-learn, "invscaling" and "adaptive" do nothing for Adam.
    """
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

    t     completed epochs of this fit
    rows  rows of an epoch
    seen  rows of all earlier fits
    """
    return learning_rate / (t * rows + minimum(t, 1) * seen + 1) ** power


INVSCALING = Schedule("invscaling", invscaling, Fixed({"power": 0.5, "rows": 1, "seen": 0}), per="epoch")


def adam_once_a_step(t: Array, learning_rate: Array, beta1: Array, beta2: Array, epsilon: Array) -> tuple[Array, ...]:
    """The coefficients of one Adam step with scikit-learn's ε.

    Source: Kingma & Ba 2015, the last lines of section 2.
    """
    return learning_rate * sqrt(1 - beta2**t) / (1 - beta1**t), beta1, beta2, 1 - beta1, 1 - beta2, epsilon


# With a separate name, because compiled programs are cached by it.
ADAM = replace(OPTIMIZERS["adam"], name="adam of scikit-learn", once_a_step=adam_once_a_step)


def prior_logits(targets: Floats, weights: Floats | None, output: str) -> Floats:
    """The logits [C] that predict the weighted mean of the targets.

    targets [N, C], weights [N]  →  [C]; a class without rows counts as half a row of mean weight: its logit would be −∞

    Source: Lin et al. 2017, section 4.1

    >>> prior_logits(np.array([[0.0], [0.0], [0.0], [1.0]]), None, "logistic").round(4)
    array([-1.0986])
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


def draw_seeds(random: np.random.RandomState, members: int) -> tuple[list[int], list[int]]:
    """Draw for each member a seed of its initial weights and one of its row orders."""
    drawn: Sequence[int] = random.randint(0, 2**31 - 1, size=2 * members).tolist()
    return list(drawn[::2]), list(drawn[1::2])


def _with_numbers(optimizer: Optimizer, numbers: dict[str, float]) -> Optimizer:
    floats = {name: float(value) for name, value in numbers.items()}
    return replace(optimizer, parameters=Fixed({**optimizer.parameters, **floats}))


def _resolve_alias(name: Named) -> Named:
    if isinstance(name, str):
        return ACTIVATION_ALIASES.get(name, name)
    if "name" not in (name if isinstance(name, Mapping) else ()):
        return name  # the registry rejects it
    return {**name, "name": ACTIVATION_ALIASES.get(str(name["name"]), name["name"])}


def _matching_activation(named: Named, values: Sequence[float]) -> Activation:
    """The registered activation that matches the one of the fit."""
    name = named if isinstance(named, str) else named["name"]
    if name not in registry.names("activation"):
        raise BadInput(f"the model has the activation '{name}', which is not registered here; register it first")
    activation = registry.activation(named)
    expected = np.array(values, float)
    if len(values) and not np.allclose(_test_values(activation), expected, rtol=1e-6, atol=1e-9, equal_nan=True):
        raise BadInput(
            f"the model was made with another formula named '{name}' than the one that is registered here; register "
            "the one that it was made with"
        )
    return activation


def _test_values(activation: Activation) -> tuple[float, ...]:
    if registry.is_built_in(activation) or activation.rowwise:
        return ()
    with np.errstate(all="ignore"):
        return tuple(activation.forward(np.array([ACTIVATION_TEST_POINTS]))[0][0].tolist())


def _glorot_logistic(fan_in: int, fan_out: int) -> float:
    return float(sqrt(2 / (fan_in + fan_out)))


GLOROT = replace(INITIALIZERS["glorot_uniform"], biases="same")
GLOROT_LOGISTIC = Initializer("glorot_logistic", "uniform", _glorot_logistic, biases="same")
"""scikit-learn's initializers: biases start like weights, and both are smaller for logistic units."""
