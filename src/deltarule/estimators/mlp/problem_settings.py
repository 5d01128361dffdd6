"""From an estimator's parameters, which are scikit-learn's, to the parts of a problem."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property, lru_cache
from itertools import starmap
from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy import minimum, sqrt
from sklearn.utils._param_validation import Interval, Options, StrOptions

from deltarule.errors import BadInput
from deltarule.maths.activations import ACTIVATIONS, Activation
from deltarule.maths.elementary import Array, Fixed
from deltarule.maths.initializers import INITIALIZERS, Initializer
from deltarule.maths.optimizers import OPTIMIZERS, Optimizer
from deltarule.maths.schedules import SCHEDULES, Schedule
from deltarule.problem import registry
from deltarule.problem.network import Network
from deltarule.problem.problem import Floats
from deltarule.problem.registry import Named

OURS = {"logistic": "sigmoid"}
"""scikit-learn's names of activations, where ours are others."""

OUTPUTS = {"logistic": "sigmoid", "softmax": "softmax", "identity": "identity", "exp": "exponential"}
"""scikit-learn's names of output activations, and ours."""

LOSSES = {"squared_error": "half_squared_error"}
"""scikit-learn's squared error is half of it."""

POINTS = (-97.3, -20.7, -5.3, -1.9, -0.71, -0.23, -0.013, 0.0, 0.013, 0.23, 0.71, 1.9, 5.3, 20.7, 97.3)
"""Where it is seen what an activation of somebody's own does: every machine finds the same values, to rounding, while
its code is that of one version of Python."""


def constraints() -> dict[str, list[Any]]:
    """What each parameter may be, in scikit-learn's own terms, whose wording the errors then have."""
    share = Interval(Real, 0, 1, closed="left")
    schedules = {"constant", "invscaling", "adaptive", *registry.names("schedule")}
    return {
        "hidden_layer_sizes": ["array-like", Interval(Integral, 1, None, closed="left")],
        "activation": [StrOptions({"logistic", *registry.names("activation")} - {"softmax"}), dict, list, tuple],
        "solver": [StrOptions(set(registry.names("optimizer"))), dict],
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
        "n_members": [Interval(Integral, 1, None, closed="left")],
        "callbacks": [callable, list, tuple, None],
        "engine": [StrOptions({"auto", "reference", "compiled"})],
        "output_bias": [StrOptions({"random", "prior"})],
    }


@dataclass(frozen=True)
class Architecture:
    """The shape of a network in plain values, which any file can hold.

    sizes, from the inputs to the outputs   activations, one a hidden layer   output, scikit-learn's name of it
    values, of a network that has been made: what each activation of one's own gives at `POINTS`
    """

    sizes: tuple[int, ...]
    activations: tuple[Named, ...]
    output: str
    batch_norm: bool = False
    values: tuple[tuple[float, ...], ...] | None = field(default=None, compare=False)

    def network(self) -> Network:
        """The network of this shape.

        >>> Architecture((2, 3, 1), ("logistic",), "identity").network()
        Network 2-3-1 (sigmoid, identity), 13 parameters
        """
        return self._network

    @cached_property
    def _network(self) -> Network:
        """Made once: what has been fitted stays what it is, though a name may get another formula."""
        names = tuple(map(_our_activation, self.activations))
        if self.values is None:
            hidden = tuple(map(registry.activation, names))
            kept: Sequence[tuple[float, ...]] = ((),) * len(hidden)
        else:
            hidden = tuple(starmap(_same_activation, zip(names, self.values, strict=True)))
            kept = self.values  # of which earlier files have none
        values = tuple(old or _values(one) for old, one in zip(kept, hidden, strict=True))
        object.__setattr__(self, "values", values)
        return _make_network(self.sizes, hidden, self.output, self.batch_norm)

    def __getstate__(self) -> dict[str, Any]:
        """Plain values alone: a network has functions, which no file can hold."""
        return {one.name: getattr(self, one.name) for one in fields(self)}


# Whoever predicts a row at a time asks for the same one again and again. By the formulas: a name may get another one.
@lru_cache(maxsize=64)
def _make_network(sizes: tuple[int, ...], hidden: tuple[Activation, ...], output: str, batch_norm: bool) -> Network:
    logistic = bool(hidden) and all(one.name == "sigmoid" for one in hidden)
    return Network(
        list(sizes), hidden, OUTPUTS[output], batch_norm=batch_norm, initializer=GLOROT_LOGISTIC if logistic else GLOROT
    )


def hidden_sizes(given: Any) -> list[int]:
    """The units of the hidden layers.

    >>> hidden_sizes(5), hidden_sizes((3, 2))
    ([5], [3, 2])
    """
    sizes = list(given) if hasattr(given, "__iter__") else [given]
    if not all(isinstance(size, Integral) for size in sizes):
        raise ValueError(f"hidden_layer_sizes must be whole numbers, got {sizes}.")
    if any(size <= 0 for size in sizes):
        raise ValueError(f"hidden_layer_sizes must be > 0, got {sizes}.")
    return [int(size) for size in sizes]


def hidden_activations(given: Any, hidden: int) -> tuple[Named, ...]:
    """An activation for every hidden layer, from one for all of them or a list.

    >>> hidden_activations("relu", 2), hidden_activations(["tanh", "relu"], 2)
    (('relu', 'relu'), ('tanh', 'relu'))
    """
    if isinstance(given, str | Mapping):
        return (given,) * hidden
    if len(given) != hidden:
        raise ValueError(f"activation has {len(given)} names for {hidden} hidden layers; give one for each, or one.")
    return tuple(given)


def optimizer(parameters: Mapping[str, Any]) -> Optimizer:
    """The optimizer of an estimator's parameters; a table as `solver` brings numbers that go before theirs.

    >>> optimizer({"solver": "sgd", "momentum": 0.8, "nesterovs_momentum": True}).name
    'nesterov'
    """
    solver = parameters["solver"]
    if not isinstance(solver, str):
        named = registry.optimizer(solver)  # which refuses what there is not
        own = {name: named.parameters[name] for name in solver if name != "name"}
        return _with(optimizer({**parameters, "solver": solver["name"]}), own)
    if solver in ("adam", "adamw"):
        betas = {"beta1": parameters["beta_1"], "beta2": parameters["beta_2"], "epsilon": parameters["epsilon"]}
        return _with(ADAM if solver == "adam" else OPTIMIZERS[solver], betas)
    if solver == "sgd" and parameters["momentum"] > 0:
        solver = "nesterov" if parameters["nesterovs_momentum"] else "momentum"
    if solver in ("momentum", "nesterov"):  # not through the registry, which has no use for a momentum of 1
        return _with(OPTIMIZERS[solver], {"momentum": parameters["momentum"]})
    if solver == "lbfgs":
        return _with(OPTIMIZERS[solver], {"gradient_tolerance": parameters["tol"]})
    return registry.optimizer(solver)


def schedule(parameters: Mapping[str, Any], rows: int, seen: int = 0) -> Schedule:
    """The schedule of an estimator's parameters, for epochs of so many rows after `seen` rows of earlier fits.

    As in scikit-learn, "invscaling" and "adaptive" do nothing for Adam.
    """
    given, solver = parameters["learning_rate"], parameters["solver"]
    adam = "adam" == (solver if isinstance(solver, str) else solver["name"])
    if given == {"name": "invscaling"}:
        given = "invscaling"
    if given == "constant" or (adam and given in ("invscaling", "adaptive")):
        return SCHEDULES["constant"]
    if given == "invscaling":
        numbers = {"power": parameters["power_t"], "rows": rows, "seen": seen}
        return replace(INVSCALING, parameters=Fixed(numbers))
    found = registry.schedule(given)
    if found.adaptive and not isinstance(given, str) and {"tolerance", "patience"} & set(given):
        raise BadInput("the schedule 'adaptive' has tolerance and patience of its own; give tol and n_iter_no_change")
    return found


def invscaling(t: Array, learning_rate: Array, power: Array, rows: Array, seen: Array) -> Array:
    """α / (rows so far + 1)^power, in the first epoch of a fit α: scikit-learn's "invscaling".

    t the epochs of this fit before this one   rows of each   seen, the rows of all fits before
    """
    return learning_rate / (t * rows + minimum(t, 1) * seen + 1) ** power


INVSCALING = Schedule("invscaling", invscaling, Fixed({"power": 0.5, "rows": 1, "seen": 0}), per="epoch")


def adam_once_a_step(t: Array, learning_rate: Array, beta1: Array, beta2: Array, epsilon: Array) -> tuple[Array, ...]:
    """Adam's numbers with the ε of scikit-learn, which is added to √v as it is, before that is corrected.

    Source: Kingma & Ba 2015, the last lines of section 2.
    """
    return learning_rate * sqrt(1 - beta2**t) / (1 - beta1**t), beta1, beta2, 1 - beta1, 1 - beta2, epsilon


# A name of its own: programs are remembered by it.
ADAM = replace(OPTIMIZERS["adam"], name="adam of scikit-learn", once_a_step=adam_once_a_step)


def prior_logits(targets: Floats, weights: Floats | None, output: str) -> Floats:
    """What the outputs say before their activation, of scikit-learn's name, where they know nothing but the targets.

    targets [N, C], weights [N]  →  [C]; a class of which there is no row counts half a one of mean weight, or it would
    be at −∞

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
    # By weights the rest may be so rare that 1 − mean has no digits of it.
    rest = 1 - mean if weights is None else np.average(1 - targets, axis=0, weights=weights)
    return logarithm(mean) - logarithm(rest)


def weight_seeds(random: np.random.RandomState, members: int) -> tuple[list[int], list[int]]:
    """Seeds of the initial weights and of the orders of rows, one of each for every member."""
    drawn: Sequence[int] = random.randint(0, 2**31 - 1, size=2 * members).tolist()
    return list(drawn[::2]), list(drawn[1::2])


def _with(found: Optimizer, numbers: dict[str, float]) -> Optimizer:
    plain = {name: float(value) for name, value in numbers.items()}
    return replace(found, parameters=Fixed({**found.parameters, **plain}))


def _our_activation(given: Named) -> Named:
    if isinstance(given, str):
        return OURS.get(given, given)
    if "name" not in (given if isinstance(given, Mapping) else ()):
        return given  # which is refused where it is looked up
    return {**given, "name": OURS.get(str(given["name"]), given["name"])}


def _same_activation(given: Named, values: Sequence[float]) -> Activation:
    """The activation of a name that gave these values where it was fitted."""
    name = given if isinstance(given, str) else given["name"]
    if name not in registry.names("activation"):
        raise BadInput(f"the model has the activation '{name}', which is not registered here; register it first")
    found = registry.activation(given)
    if len(values) and not np.allclose(_values(found), np.array(values, float), rtol=1e-6, atol=1e-9, equal_nan=True):
        raise BadInput(
            f"the model was made with another formula named '{name}' than the one that is registered here; register "
            "the one that it was made with"
        )
    return found


def _values(activation: Activation) -> tuple[float, ...]:
    """What an activation of somebody's own gives at `POINTS`, where the units of a row do not depend on each other."""
    if activation.name in ACTIVATIONS or activation.rowwise:
        return ()
    with np.errstate(all="ignore"):
        return tuple(activation.forward(np.array([POINTS]))[0][0].tolist())


def _glorot_logistic(fan_in: int, fan_out: int) -> float:
    return float(sqrt(2 / (fan_in + fan_out)))


GLOROT = replace(INITIALIZERS["glorot_uniform"], biases="same")
GLOROT_LOGISTIC = Initializer("glorot_logistic", "uniform", _glorot_logistic, biases="same")
"""scikit-learn's laws: biases start like weights, and behind logistic units both are smaller."""
