"""Factors that scale the hyperparameters of single arrays of θ.

In the neural-tangent parametrization a layer computes x V / √D + b with D inputs. An engine trains W = V / √D instead:
the forward pass is unchanged, and `Optimizer.rescaling` gives the factors that turn the update of V into that of W.
"""

from collections.abc import Mapping
from typing import Any

from deltarule.errors import BadInput, short_repr
from deltarule.maths.optimizers import Optimizer
from deltarule.problem.network import Network

STANDARD, NEURAL_TANGENT = "standard", "neural_tangent"
PARAMETRIZATIONS = (STANDARD, NEURAL_TANGENT)

Factors = dict[str, tuple[float, ...]]
"""By the name of an optimizer's number: its factors, one for each array of θ."""


def check_factors(factors: Any, network: Network) -> dict[str, float]:
    """Check factors by array ("b2") or by symbol ("b"), and return floats."""
    if not isinstance(factors, Mapping):
        raise BadInput(
            f'learning_rate_factors is {short_repr(factors)}; give a table of arrays and factors: {{"b": 0.1}}'
        )
    known = dict.fromkeys([*(entry.symbol for entry in network.entries), *(entry.name for entry in network.entries)])
    for name, factor in factors.items():
        if name not in known:
            raise BadInput(
                f"learning_rate_factors has {short_repr(name)}, which the network lacks; its arrays: {', '.join(known)}"
            )
        if isinstance(factor, bool) or not isinstance(factor, int | float) or not 0 <= factor < float("inf"):
            raise BadInput(f"the learning-rate factor of {name} is {short_repr(factor)}; give a number of 0 or more")
    return {name: float(factor) for name, factor in factors.items()}


def check_parametrization(name: Any, optimizer: Optimizer) -> str:
    """Check the name of a parametrization, and that the optimizer supports it."""
    if not isinstance(name, str) or name not in PARAMETRIZATIONS:
        raise BadInput(f"the parametrization is {short_repr(name)}; give one of {', '.join(PARAMETRIZATIONS)}")
    if name == NEURAL_TANGENT and optimizer.rescaling is None:
        raise BadInput(
            f"the optimizer '{optimizer.name}' has no form for the neural-tangent parametrization; use sgd or adam, or "
            'the parametrization "standard"'
        )
    return name


def array_factors(
    network: Network, optimizer: Optimizer, learning_rate_factors: Mapping[str, float], parametrization: str
) -> Factors:
    """Factors of the optimizer's numbers for every array of θ, without those of 1."""
    exponents = dict(optimizer.rescaling or {}) if parametrization == NEURAL_TANGENT else {}
    factors: Factors = {}
    for number in ("learning_rate", *optimizer.parameters):
        number_factors = []
        for entry in network.entries:
            factor = 1.0
            if number == "learning_rate":
                factor = learning_rate_factors.get(entry.name, learning_rate_factors.get(entry.symbol, 1.0))
            if entry.symbol == "W" and number in exponents:
                factor *= entry.shape[0] ** (-exponents[number] / 2)
            number_factors.append(float(factor))
        if any(factor != 1 for factor in number_factors):
            factors[number] = tuple(number_factors)
    return factors
