"""The formulas that `explain` writes, as data: the page without Python writes them with its own numbers.

They come from explanations of a chain of nine layers: a name that ends in 7, 8 or 9 is of the layer before the one that
is asked for, of that layer, or of the last one. A formula is a number; a text, which is the name of an entry with its
letters; or a list of a sign or a function, and its parts.
"""

import inspect
from typing import Any

from deltarule.maths.losses import Loss
from deltarule.maths.optimizers import HYPERPARAMETERS, LEARNING_RATE
from deltarule.playground.custom_formulas import read_pair
from deltarule.problem import registry
from deltarule.problem.create import create_problem
from deltarule.problem.network import Network
from deltarule.problem.state import initial_state
from deltarule.tracing.explain import explain_update
from deltarule.tracing.explanation import Explanation
from deltarule.tracing.expression_text import format_index
from deltarule.tracing.expressions import (
    Cases,
    Expression,
    Function,
    Negative,
    Number,
    Operation,
    Ref,
    Series,
)

OUTPUTS = ("identity", "sigmoid", "softmax", "exponential")
"""Activations to which a loss may belong, so that the slope is predicted minus target."""


def explained_formulas() -> dict[str, Any]:
    """What the page's `explained.js` reads."""
    yours = read_pair("activation", "z", "1")
    registry.accept(yours)
    activations = {name: name for name in registry.names("activation")} | {"yours": yours}
    optimizers = {name: registry.find("optimizer", name) for name in registry.names("optimizer")}
    plain = _explanation()
    return {
        "z": [_formula(_explanation(bias=False), "z8"), _formula(plain, "z8")],
        "activations": {name: _formulas(_explanation(activation=one), "a8", "δ8") for name, one in activations.items()},
        "fused": {
            f"{loss} {output}": _formula(_explanation(output=output, loss=loss), "δ9")
            for loss in registry.names("loss")
            for output in OUTPUTS
            if isinstance(found := registry.find("loss", loss), Loss) and found.fused_with(registry.activation(output))
        },
        "penalties": {
            name: _formulas(_explanation(penalty=name, strength=0.1), "J", "∂J/∂W8")
            for name in registry.names("penalty")
        }
        | {"none": _formulas(plain, "J", "∂J/∂W8")},
        "optimizers": {
            name: [*_formula(found := _explanation(optimizer=name), "W8_new"), _numbers(found, optimizer)]
            for name, optimizer in optimizers.items()
        },
    }


def _explanation(
    activation: Any = "tanh", output: str = "identity", loss: str = "", bias: bool = True, **options: Any
) -> Explanation:
    units = 2 if output == "softmax" else 1
    network = Network([1] * 9 + [units], activation, output, bias=bias)
    y = [[1.0] * units]
    problem = create_problem(network, [[1.0]], y, loss=loss or "squared_error", learning_rate=0.1, **options)
    return explain_update(problem, initial_state(problem))


def _formulas(explanation: Explanation, *names: str) -> list[Any]:
    return [part for name in names for part in _formula(explanation, name)]


def _formula(explanation: Explanation, name: str) -> list[Any]:
    """The sentence about a quantity, and its formula."""
    quantity = explanation.quantities[name]
    return [quantity.about, None if quantity.formula is None else _tree(quantity.formula)]


def _numbers(explanation: Explanation, optimizer: Any) -> list[str]:
    """The names of the numbers that the optimizer's update takes, in their order."""
    known = {key: each.symbol for key, each in HYPERPARAMETERS.get(optimizer.name, {}).items()}
    keys = list(inspect.signature(optimizer.update).parameters)[2 + len(optimizer.slots) :]
    symbols = {"learning_rate": LEARNING_RATE.symbol, "norm": "norm_W8", **known}
    names = [[f"{symbols.get(key, key)}_t", symbols.get(key, key), key] for key in keys]
    return [next((one for one in each if one in explanation.quantities), each[-1]) for each in names]


def _tree(tree: Expression) -> Any:
    match tree:
        case Number(value):
            return value
        case Ref(name, index):
            return format_index(name, index)
        case Operation(sign, parts):
            return [sign, *map(_tree, parts)]
        case Negative(negated):
            return ["neg", _tree(negated)]
        case Function(name, arguments):
            return ["call", name, *map(_tree, arguments)]
        case Series(letters, _, term):
            return ["Σ", ",".join(letters), _tree(term(*letters))]
        case Cases(pieces, otherwise):
            tests = [[_tree(test.left), test.sign, _tree(test.right), _tree(piece)] for test, piece in pieces]
            return ["cases", tests, _tree(otherwise)]
    raise TypeError(f"{type(tree).__name__} is no formula")
