"""The parameters of MLPClassifier and MLPRegressor, each declared once.

A declaration has the default, the limits and the meaning of a parameter.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, field, fields
from difflib import get_close_matches
from inspect import cleandoc
from numbers import Integral, Real
from typing import Any, NamedTuple

from deltarule.estimators.sklearn_compat import (
    Interval,
    StrOptions,
    network_constraints,
    validate_parameter_constraints,
)
from deltarule.problem import registry


class Names(NamedTuple):
    """The registered names of a kind of formula, and scikit-learn's."""

    kind: str
    others: tuple[str, ...] = ()

    @property
    def limit(self) -> Any:
        return StrOptions({*registry.names(self.kind), *self.others} - {"softmax"})


def parameter(default: Any, *limits: Any) -> Any:
    """Declare a parameter; without limits it has those of scikit-learn."""
    return field(default=default, metadata={"limits": limits})


@dataclass(eq=False, repr=False, match_args=False)
class NetworkParameters:
    """The parameters of both estimators.

    Parameters
    ----------
    hidden_layer_sizes : int or sequence of int
        Units of each hidden layer; () for none.
    activation : str, dict or list
        "identity", "logistic", "tanh", "relu", or another of deltarule's activations. A dict sets parameters:
        {"name": "leaky_relu", "slope": 0.2}. A list has one for each hidden layer.
    solver : str or dict
        "adam", "sgd", "lbfgs", or another of deltarule's optimizers, such as "rmsprop". Numbers in a dict take
        precedence over the parameters below.
    alpha : float
        Strength λ of the penalty ½ λ ‖W‖², divided by the number of rows in the batch.
    batch_size : int or "auto"
        Rows of a mini-batch; "auto" means 200, or all rows if there are fewer.
    learning_rate : str or dict
        "constant"; "invscaling" or "adaptive", which have no effect with "adam"; or another of deltarule's schedules,
        such as {"name": "cosine", "steps": 100, "per": "epoch"}.
    learning_rate_init : float
        The initial learning rate.
    power_t : float
        The exponent of "invscaling".
    max_iter : int
        Maximum number of epochs, or of iterations for "lbfgs".
    shuffle : bool
        Whether to reorder the rows in every epoch.
    random_state : int, RandomState or None
        Seed of the weights, the orders of rows and the validation split. The result does not depend on the number of
        threads.
    tol : float
        The smallest improvement of the loss or the validation score that counts; the gradient tolerance of "lbfgs".
    verbose : bool
        Whether to print every epoch, with an upper limit for the seconds left.
    warm_start : bool
        Whether `fit` continues with the weights of the previous fit.
    momentum : float
        Momentum of "sgd", from 0 to 1.
    nesterovs_momentum : bool
        Whether to use Nesterov's momentum.
    early_stopping : bool
        Whether to stop when the validation score no longer improves, and to restore the best weights.
    validation_fraction : float
        Share of the rows that early stopping sets aside for validation.
    beta_1 : float
        Decay rate of Adam's first moment.
    beta_2 : float
        Decay rate of Adam's second moment.
    epsilon : float
        The number that Adam adds to its denominator.
    n_iter_no_change : int
        Maximum number of consecutive epochs without improvement.
    max_fun : int
        Maximum number of evaluations of the loss for "lbfgs".
    dropout : float or list of float
        Dropout rate of the hidden layers, or one rate for each.
    batch_norm : bool
        Whether hidden layers normalize their pre-activations over the batch.
    scaling_layer : bool
        Whether each feature is multiplied by a trained weight, initially 1, before the first layer.
    n_members : int
        Number of networks in an ensemble, trained as one population; predictions are averaged.
    callbacks : callable, list of callables or None
        Functions called after each epoch of `fit` as `callback(epoch, model)`, with an `Epoch` (`epoch.number`,
        `epoch.loss`, ...); if one returns True, the fit ends.
    engine : {"auto", "reference", "compiled"}
        "reference" uses NumPy, "compiled" LLVM; "auto" selects the faster one.
    output_bias : {"random", "prior"}
        Initial biases of the outputs: random, as in scikit-learn; or such that the network predicts about the mean
        of the targets, which saves many updates if a class is rare.
    scoring : "loss" or None
        What early stopping scores on the validation rows: the negative loss, or the accuracy or R².
    """

    hidden_layer_sizes: Any = (100,)
    activation: Any = parameter("relu", Names("activation", ("logistic",)), dict, list, tuple)
    _: KW_ONLY
    solver: Any = parameter("adam", Names("optimizer", ("lbfgs",)), dict)
    alpha: float = 0.0001
    batch_size: Any = "auto"
    learning_rate: Any = parameter("constant", Names("schedule", ("constant", "invscaling", "adaptive")), dict)
    learning_rate_init: float = 0.001
    power_t: float = 0.5
    max_iter: int = 200
    shuffle: bool = True
    random_state: Any = None
    tol: float = 1e-4
    verbose: bool = False
    warm_start: bool = False
    momentum: float = 0.9
    nesterovs_momentum: bool = True
    early_stopping: bool = False
    validation_fraction: float = 0.1
    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-8
    n_iter_no_change: float = 10
    max_fun: int = 15000
    dropout: Any = parameter(0.0, Interval(Real, 0, 1, closed="left"), list, tuple)
    batch_norm: bool = parameter(False, "boolean")
    scaling_layer: bool = parameter(False, "boolean")
    n_members: int = parameter(1, Interval(Integral, 1, None, closed="left"))
    callbacks: Any = parameter(None, callable, list, tuple, None)
    engine: str = parameter("auto", StrOptions({"auto", "reference", "compiled"}))
    output_bias: str = parameter("random", StrOptions({"random", "prior"}))
    scoring: str | None = parameter(None, StrOptions({"loss"}), None)

    @property
    def _parameters(self) -> dict[str, Any]:
        """All of them by name, those too that a subclass does not take."""
        return {each.name: getattr(self, each.name) for each in fields(self)}


@dataclass(eq=False, repr=False, match_args=False)
class ClassifierParameters(NetworkParameters):
    """The parameters of MLPClassifier.

    Parameters
    ----------
    class_weight : "balanced", dict or None
        Weight of the rows of each class; "balanced" gives every class the same total weight. Not for several labels.
    """

    _: KW_ONLY
    class_weight: Any = parameter(None, dict, StrOptions({"balanced"}), None)


@dataclass(eq=False, repr=False, match_args=False)
class _LossParameter:
    """The first parameter of MLPRegressor.

    Parameters
    ----------
    loss : str or dict
        "squared_error" (half of it), "poisson", "huber", "absolute_error" or "quantile". A dict sets parameters:
        {"name": "quantile", "quantile": 0.9}.
    """

    loss: Any = parameter(
        "squared_error", StrOptions({"squared_error", "poisson", "huber", "absolute_error", "quantile"}), dict
    )


@dataclass(eq=False, repr=False, match_args=False)
class RegressorParameters(NetworkParameters, _LossParameter):  # fields of the last base class come first
    """The parameters of MLPRegressor.

    Parameters
    ----------
    scale_target : bool
        Whether to standardize targets for training and to scale predictions back. Losses are then those of the
        standardized targets.
    """

    _: KW_ONLY
    scale_target: bool = parameter(False, "boolean")


def describe_parameters(kind: type[NetworkParameters]) -> str:
    """The section on parameters of a docstring, from those of the classes that declare them."""
    texts: dict[str, str] = {}
    for each in kind.__mro__:
        section = cleandoc(each.__doc__ or "").partition("----------\n")[2]  # python -OO drops docstrings
        if "__dataclass_fields__" in vars(each) and section:
            entries = re.split(r"^(?=\w+ : )", section, flags=re.MULTILINE)
            texts |= {entry.partition(" : ")[0]: entry.rstrip() for entry in entries}
    lines = []
    for declared in fields(kind):
        heading, *meaning = texts.get(declared.name, "").splitlines() or [""]
        default = json.dumps(declared.default) if isinstance(declared.default, str) else repr(declared.default)
        lines += [f"{heading}, default={default}", *meaning]
    return "\n".join(lines)


def check_limits(model: NetworkParameters, parameters: Mapping[str, Any]) -> None:
    """Raise `ValueError` in scikit-learn's wording for a parameter outside its limits.

    Our limits come first, then scikit-learn's.
    """
    limits = dict(network_constraints())
    for each in fields(model):
        if own := each.metadata.get("limits"):
            limits[each.name] = [limit.limit if isinstance(limit, Names) else limit for limit in own]
    try:
        validate_parameter_constraints(limits, parameters, caller_name=type(model).__name__)
    except ValueError as error:
        hints = _close_options(limits, parameters)
        raise type(error)(f"{error} Did you mean {' and '.join(hints)}?" if hints else str(error)) from None


def _close_options(constraints: dict[str, list[Any]], parameters: Mapping[str, Any]) -> list[str]:
    """The closest text for each parameter that is none of its texts: solver='adam'."""
    hints = []
    for name, value in parameters.items():
        options = {text for each in constraints[name] if isinstance(each, StrOptions) for text in each.options}
        if isinstance(value, str) and value not in options and (close := get_close_matches(value.lower(), options, 1)):
            hints.append(f"{name}={close[0]!r}")
    return hints
