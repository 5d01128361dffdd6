"""The kinds of mistakes that the checker can name; docs/reference/mistakes.md has a tested example of each."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Mistake:
    """A mistake that explains a gradient: its documented code, where it is, what it is, and the likely fix."""

    code: str
    where: tuple[str, ...]
    sentence: str
    fix: str


@dataclass(frozen=True)
class Kind:
    """A kind of mistake: its code, its likely fix, and what is needed to name it.

    needs   "" for the code alone, else "like", "like and masks", "momentum" or "learning_rate"
    """

    code: str
    fix: str
    needs: str = ""


KINDS = {
    kind.code: kind
    for kind in (
        Kind("sign", "change the sign: a gradient points uphill, and the update subtracts it"),
        Kind("factor_two", "the derivative of u² is 2u, that of ½u² is u: use the one of your loss"),
        Kind("mean_missing", "divide by the number of samples, as the loss does, or let the loss be a sum too"),
        Kind("mean_twice", "divide by the number of samples once, not again in a later layer or in a mean()"),
        Kind("factor", "look for a constant that is in only one of loss and gradient"),
        Kind("transposed", "exchange the factors of the product: a gradient has its parameter's shape"),
        Kind(
            "wrong_axis",
            "sum over the axis of the samples: axis 0 for rows, axis 1 for columns; softmax sums over the other one",
        ),
        Kind("not_summed", "sum over the samples: each adds its part to the gradient of the same parameter"),
        Kind(
            "wrong_shape", "let each gradient have its parameter's shape: look at the factors' order and the sum's axis"
        ),
        Kind("exchanged", "check the order in which gradients are returned, and their names"),
        Kind("penalty_missing", "add the derivative of the penalty, 2λW for λ‖W‖², to the gradient of the weights"),
        Kind("penalty_on_biases", "leave the penalty out of the gradient of biases, as the loss does"),
        Kind("penalty_factor", "λ‖W‖² has the derivative 2λW, ½λ‖W‖² has λW: use the one of your loss"),
        Kind("penalty_kind", "λ Σ|w| has the derivative λ sign(w), ½λ Σ w² has λ w: use the one of your loss"),
        Kind("penalty_other_weights", "use the weights of the same layer for the penalty's part of a gradient"),
        Kind("penalty_not_in_loss", "add the penalty to the loss too, or take it out of the gradient"),
        Kind("zero_gradient", "assign the computed gradient: this one is still its initial zeros"),
        Kind("accumulated", "set the gradients to 0 before each backward pass, or assign them instead of adding"),
        Kind("single_entry", "look for code that treats this entry differently: an index, the end of a loop"),
        Kind("single_row", "look for a loop or slice that is one too short, or for a fixed index"),
        Kind(
            "broadcast",
            "give both arrays the same shape, as with y.reshape(-1, 1): (N,) and (N, 1) make (N, N)",
            "like",
        ),
        Kind(
            "random_gradient",
            "draw the dropout mask once, in the forward pass; check a step on all samples of the loss",
        ),
        Kind("stale", "let each call of the loss, or of forward, replace all that the backward pass uses"),
        Kind("upstream_ignored", "multiply by the upstream gradient: backward(dy) is not backward(1)"),
        Kind("learning_rate", "multiply the gradient by the learning rate once", "learning_rate"),
        Kind("wrong_velocity", "add to each parameter its own velocity", "momentum"),
        Kind("velocity_missing", "keep a velocity of this parameter too, v ← β v − α g, and add it", "momentum"),
        Kind(
            "momentum_factor",
            "multiply the velocity by β, v ← β v − α g; or check with the momentum that it has",
            "momentum",
        ),
        Kind(
            "running_mean",
            "add the whole gradient, v ← β v − α g; or check with the learning rate α (1 − β)",
            "momentum",
        ),
        Kind(
            "nesterov",
            "add the velocity alone, θ ← θ + v, with the gradient at θ; Nesterov's momentum is not checked",
            "momentum",
        ),
        Kind("derivative_at_output", "take the activation's derivative at its input z, not at its output a", "like"),
        Kind("derivative_of_z", "put a into a formula written for a: a (1 − a), not z (1 − z)", "like"),
        Kind("other_derivative", "take the derivative of the layer's own activation", "like"),
        Kind("derivative_missing", "multiply by the activation's derivative in the backward pass", "like"),
        Kind("derivative_twice", "multiply by the activation's derivative once; p − y contains it already", "like"),
        Kind("activation_twice", "give the loss logits or probabilities, whichever it expects", "like"),
        Kind("other_mask", "use the z of the same layer for the activation's derivative", "like"),
        Kind(
            "softmax_elementwise", "multiply by softmax's whole Jacobian: a (g − Σ a g), or use p − y behind it", "like"
        ),
        Kind("weights_not_transposed", "go back through the transpose: δ Wᵀ for rows, Wᵀ δ for columns", "like"),
        Kind("other_weights", "go back through the weights from this layer to the next", "like"),
        Kind(
            "wrong_input",
            "multiply by the other factor of the forward pass: for weights the layer's input, the activation before",
            "like",
        ),
        Kind("other_delta", "compute the gradients of a layer from the δ of its own z", "like"),
        Kind("last_sample", "add each sample's part, += instead of =, to gradients that begin at 0", "like"),
        Kind("summed_early", "keep a row for each sample until the gradient of a parameter is computed", "like"),
        Kind("target_missing", "subtract the targets: the derivative is predicted minus target", "like"),
        Kind("updated_weights", "compute all gradients before changing any parameter", "like"),
        Kind("dropout_mask", "multiply by the mask of the forward pass, with its 1 / (1 − rate)", "like and masks"),
        Kind("batch_norm_constants", "differentiate mean and variance too: they depend on every row", "like"),
        Kind(
            "penalty_through_network",
            "add the penalty's derivative to the gradient of its own weights, never to a δ",
            "like",
        ),
        Kind("epsilon", "put the ε into loss and gradient alike, or compute both from the logits without one", "like"),
        Kind("gradient_overwritten", "add up, += instead of =, what comes back from each use of a value"),
        Kind("mask_of_gradient", "mask by the pre-activation, dz = da * (z > 0), not by the sign of da"),
        Kind("mask_missing", "multiply by the mask of the forward pass: what it set to 0 has no gradient"),
        Kind("mask_inverted", "let the gradient through where the activation did: z > 0"),
        Kind("targets_not_averaged", "divide the whole difference by the number of samples: (p − y) / N"),
        Kind("loss_derivative_sign", "check the signs: the derivative of −log(1 − p) is +1 / (1 − p)"),
        Kind("sign_of_part", "check the sign of each term: a difference a − b has the derivative −1 by b"),
        Kind("hinge_count", "subtract the number of violated margins of the row, -(margins > 0).sum(axis=1), at y"),
        Kind("target_indexing", "subtract 1 at one entry of each row: p[np.arange(N), y] -= 1, not p[:, y] -= 1"),
        Kind("branch_missing", "take the derivative of each branch where it holds, as clip(u, -1, 1) for Huber's loss"),
        Kind("forward_differs", "compute loss and gradient from one forward pass, with the same parameters in it"),
        Kind("scale_missing", "multiply or divide by the factor of the forward pass, once, in the backward pass too"),
        Kind("power_rule", "the derivative of uⁿ is n uⁿ⁻¹"),
        Kind(
            "pool_routing", "give the gradient to the entry that was the maximum in the forward pass, and to no other"
        ),
        Kind("padding", "take from the gradient what lies inside the padding, as in dx[:, p:-p]"),
        Kind("wrong_stride", "find the windows as the forward pass does: i * stride, not i"),
        Kind("path_missing", "add what comes back along each path from the value to the loss"),
        Kind(
            "kernel_not_flipped",
            "check whether the kernel is to be flipped: the gradient of a correlation is a convolution",
        ),
        Kind("loss_wrong", "decide which loss you mean: the gradient is that of another one", "like"),
    )
}


def make_mistake(code: str, where: Sequence[str], sentence: str) -> Mistake:
    """Make a mistake of the kind `code`, in the parameters or quantities `where`, with the fix of its kind.

    >>> make_mistake("sign", ["W1"], "the gradient of W1 has the wrong sign").fix[:19]
    'change the sign: a '
    """
    return Mistake(code, tuple(where), sentence, KINDS[code].fix)


def join_names(names: Sequence[str]) -> str:
    """Join names for a sentence, by commas and "and".

    >>> join_names(["W1", "b1", "W2"]), join_names(["W1"])
    ('W1, b1 and W2', 'W1')
    """
    return f"{', '.join(names[:-1])} and {names[-1]}" if len(names) > 1 else "".join(names)
