"""The mistakes that the checker knows by name.

docs/reference/mistakes.md explains each with an example; a test holds the two together.
"""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Mistake:
    """A mistake that explains what was found: its documented code, where it is, what it is, and the likely fix."""

    code: str
    where: tuple[str, ...]
    sentence: str
    fix: str


@dataclass(frozen=True)
class Kind:
    """A kind of mistake: its code, its likely fix, and what must be known for it to be named.

    needs   "" for nothing but the code itself, else "like", "like and masks", "momentum" or "learning_rate"
    """

    code: str
    fix: str
    needs: str = ""


_LIKE = "like"
KINDS = {
    kind.code: kind
    for kind in (
        Kind("sign", "take the minus away, or put one there: a gradient points uphill, and the update subtracts it"),
        Kind("factor_two", "the derivative of u² is 2u, that of ½u² is u: write the one that belongs to your loss"),
        Kind("mean_missing", "divide by the number of samples, as the loss does, or let the loss be a sum too"),
        Kind("mean_twice", "divide by the number of samples once, and not again in a later layer or in a mean()"),
        Kind("factor", "find the constant that stands in only one of loss and gradient"),
        Kind(
            "transposed", "exchange the factors of the product, or transpose it: a gradient has its parameter's shape"
        ),
        Kind(
            "wrong_axis",
            "sum, or average, over the axis of the samples: axis 0 for rows, axis 1 for columns; softmax alone sums "
            "over the other one",
        ),
        Kind("not_summed", "sum over the samples: they all use the same parameter, and each adds its part"),
        Kind("exchanged", "check the order in which gradients are returned, and each one's name"),
        Kind("penalty_missing", "add the derivative of the penalty, 2λW for λ‖W‖², to the gradient of the weights"),
        Kind("penalty_on_biases", "leave the penalty out of the gradient of biases, as the loss does"),
        Kind("penalty_factor", "λ‖W‖² has the derivative 2λW, ½λ‖W‖² has λW: write the one that belongs to your loss"),
        Kind("penalty_other_weights", "the penalty's part of a gradient comes from these weights themselves"),
        Kind("penalty_not_in_loss", "add the penalty to the loss too, or take it out of the gradient"),
        Kind("zero_gradient", "assign what was computed: this gradient is still the zeros it began with"),
        Kind("accumulated", "set the gradients to 0 before each backward pass, or assign them instead of adding"),
        Kind("single_entry", "look for code that treats this one entry by itself: an index, a loop's end"),
        Kind(
            "single_row", "look for a loop or a slice that begins or ends one too early, or for an index that is fixed"
        ),
        Kind(
            "broadcast", "give both arrays the same shape, as with y.reshape(-1, 1): (N,) and (N, 1) make (N, N)", _LIKE
        ),
        Kind(
            "random_gradient",
            "draw the dropout mask once, on the way forward, and use the same one on the way back; "
            "check a step on all samples of the loss",
        ),
        Kind("stale", "let each call of the loss, or of forward, replace all that the way back will need"),
        Kind("upstream_ignored", "multiply by the gradient that comes from above: backward(dy) is not backward(1)"),
        Kind("learning_rate", "multiply the gradient by the learning rate once", "learning_rate"),
        Kind("wrong_velocity", "add to each parameter its own velocity", "momentum"),
        Kind("velocity_missing", "keep a velocity of this parameter too, v ← β v − α g, and add it", "momentum"),
        Kind(
            "momentum_factor",
            "multiply the velocity by β itself, v ← β v − α g; or check the update with the momentum that it has",
            "momentum",
        ),
        Kind(
            "running_mean",
            "add the whole gradient, v ← β v − α g; or check it with the learning rate α (1 − β), which it amounts to",
            "momentum",
        ),
        Kind(
            "nesterov",
            "add the velocity alone, θ ← θ + v, with the gradient at θ; Nesterov's momentum is another method, which "
            "is not checked",
            "momentum",
        ),
        Kind("derivative_at_output", "take the activation's derivative at z, its input; at a it is another one", _LIKE),
        Kind("derivative_of_z", "put a into a formula that is written for a, as a (1 − a); it is not z (1 − z)", _LIKE),
        Kind("other_derivative", "take the derivative of the very activation that the layer has", _LIKE),
        Kind("derivative_missing", "multiply by the activation's derivative on the way back", _LIKE),
        Kind("derivative_twice", "multiply by the activation's derivative once; p − y holds it already", _LIKE),
        Kind("activation_twice", "hand the loss logits, or probabilities, whichever it expects", _LIKE),
        Kind("other_mask", "use the z of the same layer for the activation's derivative", _LIKE),
        Kind(
            "softmax_elementwise", "multiply by softmax's whole Jacobian: a (g − Σ a g), or use p − y behind it", _LIKE
        ),
        Kind("weights_not_transposed", "go back through the transpose: δ Wᵀ for rows, Wᵀ δ for columns", _LIKE),
        Kind("other_weights", "go back through the weights that lead from this layer to the next one", _LIKE),
        Kind("wrong_input", "the gradient of weights takes what came into the layer: the activations before it", _LIKE),
        Kind("other_delta", "make the gradient of a layer's weights and biases with the δ of this layer's z", _LIKE),
        Kind("last_sample", "add each sample's part, += instead of =, to gradients that begin at 0", _LIKE),
        Kind("summed_early", "keep a row for each sample until the gradient of a parameter is computed", _LIKE),
        Kind("target_missing", "subtract the targets: the derivative is predicted minus target", _LIKE),
        Kind("updated_weights", "compute all gradients before you change any parameter", _LIKE),
        Kind(
            "dropout_mask",
            "multiply by the same mask, with its 1 / (1 − rate), as on the way forward",
            "like and masks",
        ),
        Kind("batch_norm_constants", "mean and variance depend on every row: they have derivatives too", _LIKE),
        Kind("penalty_through_network", "add the penalty's derivative to its own weights only, never to a δ", _LIKE),
        Kind("epsilon", "put the ε into loss and gradient alike, or compute both from the logits without one", _LIKE),
        Kind(
            "loss_wrong", "the gradient is that of another loss: decide which you mean, and change the other one", _LIKE
        ),
    )
}


def make_mistake(code: str, where: Sequence[str], sentence: str) -> Mistake:
    """A mistake of a kind.

    >>> make_mistake("sign", ["W1"], "the gradient of W1 has the wrong sign").fix[:19]
    'take the minus away'
    """
    return Mistake(code, tuple(where), sentence, KINDS[code].fix)


def join_names(names: Sequence[str]) -> str:
    """Names in a row, as a sentence has them.

    >>> join_names(["W1", "b1", "W2"]), join_names(["W1"])
    ('W1, b1 and W2', 'W1')
    """
    return f"{', '.join(names[:-1])} and {names[-1]}" if len(names) > 1 else "".join(names)
