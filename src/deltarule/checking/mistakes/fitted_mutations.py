"""Mistakes with a constant that is fitted: the ε of a division, the learning rate of an update that came too early."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from deltarule.checking import tolerances
from deltarule.checking.mistakes.catalog import join_names
from deltarule.checking.mistakes.evidence import Evidence, Hypothesis, one_mistake
from deltarule.checking.mistakes.network_matching import NetworkMatch
from deltarule.checking.mistakes.network_mutations import Back, mutated_gradients
from deltarule.maths.elementary import Array
from deltarule.maths.layers import transpose
from deltarule.maths.losses import NAIVE_BINARY_CROSS_ENTROPY
from deltarule.maths.network import Taped
from deltarule.problem.problem import Floats

_LOSSES_WITH_EPSILON = (("sigmoid", "binary_cross_entropy"), ("softmax", "cross_entropy"))
"""Outputs and losses for which user code often adds an ε inside the logarithm."""
Family = tuple[str, list[str], str, Callable[[float], dict[str, Array]]]
"""A mistake's code, where it is, its sentence with {} for the constant, and the gradients as a function of that."""


def fitted_mutations(evidence: Evidence, match: NetworkMatch) -> Iterator[Hypothesis]:
    """Hypotheses of mistakes that give the user's gradient for some value of their constant."""
    for code, where, sentence, make in (*_epsilon_families(match), *_update_families(match)):
        with np.errstate(all="ignore"):
            constant = _fit_constant(evidence.gradients, match, make)
            if constant is not None and evidence.is_found(match.to_theirs(make(constant))):
                text = sentence.format(f"{constant:.3g}")
                yield one_mistake(code, evidence.parameters, text, 1, where)


def epsilon_in_loss(evidence: Evidence, match: NetworkMatch) -> Iterator[Hypothesis]:
    """The hypothesis that the loss has an ε in its logarithm and the gradient has none.

    match   the network recognized by the user's gradient, not by the reference
    """
    for code, _, _, make in _epsilon_families(match):
        with np.errstate(all="ignore"):
            constant = _fit_constant(evidence.references, match, make)
            if constant is None or constant > tolerances.FIT.epsilon:
                continue
            without, with_epsilon = match.to_theirs(make(0.0)), match.to_theirs(make(constant))
            predicted = [
                np.where(np.isfinite(expected), expected + gradient - changed, gradient)
                for gradient, changed, expected in zip(without, with_epsilon, evidence.references, strict=True)
            ]
        if evidence.is_found(predicted):
            sentence = f"the loss adds {constant:.3g} to predictions in the logarithm, and the gradient has no such ε"
            yield one_mistake(code, evidence.parameters, sentence, 2, ["loss"])


def _epsilon_families(match: NetworkMatch) -> Iterator[Family]:
    """The mistake that the gradient divides by p + ε, as that of log(p + ε): the gradients as a function of ε."""
    output = match.network.output
    if (output.name, match.objective.loss.name) not in _LOSSES_WITH_EPSILON:
        return
    p, through = output.forward(match.tape[-1].value)
    naive = NAIVE_BINARY_CROSS_ENTROPY.derivative

    def make(epsilon: float) -> dict[str, Array]:
        slope = -match.y / (p + epsilon) if output.rowwise else naive(p, match.y, epsilon)
        return mutated_gradients(match, {}, through(match.factor * slope))

    yield "epsilon", [f"z{match.last}"], "the gradient divides by predictions plus {}, and the loss has no such ε", make


def _update_families(match: NetworkMatch) -> Iterator[Family]:
    """Mistakes that update weights before the backward pass uses them: gradients as functions of the learning rate."""
    tape, dense = match.tape, [i for i in match.positions("z") if i]
    for chosen in [dense, *([i] for i in dense if len(dense) > 1)] if dense else []:

        def make(rate: float, chosen: list[int] = chosen) -> dict[str, Array]:
            return mutated_gradients(match, {i: _with_updated_weights(tape[i], match, rate) for i in chosen})

        names = [f"W{tape[i].name[1:]}" for i in chosen]
        sentence = f"the backward pass uses {join_names(names)} after the update, with a rate of {{}}"
        yield "updated_weights", names, sentence, make


def _with_updated_weights(taped: Taped, match: NetworkMatch, rate: float) -> Back:
    """A dense layer's backward step that goes back through its weights after an update with learning rate `rate`."""
    name = f"W{taped.name[1:]}"

    def back(dz: Array) -> tuple[Array, dict[str, Array]]:
        """Go back through the updated weights: gradient of z → gradient of the input, and of the parameters by name."""
        _, gradients = taped.backward(dz)
        updated = match.parameters[name] - rate * (gradients[name] + match.penalties[name])
        return dz @ transpose(updated), gradients

    return back


def _fit_constant(
    gradients: Sequence[Floats], match: NetworkMatch, make: Callable[[float], dict[str, Array]]
) -> float | None:
    """Fit the constant for which `make`, gradients by name, gives these, by Gauss–Newton from 0; None if that fails."""

    def error(constant: float) -> Floats:
        """The predicted minus the user's gradients, as one vector; 0 where either is not finite."""
        candidate = match.to_theirs(make(constant))
        flat = [(predicted - gradient).ravel() for predicted, gradient in zip(candidate, gradients, strict=True)]
        return np.nan_to_num(np.concatenate(flat), nan=0.0, posinf=0.0, neginf=0.0)

    constant, nudge = 0.0, 1e-9
    for _ in range(12):
        here = error(constant)
        slope = (error(constant + nudge) - here) / nudge
        square = float(slope @ slope)
        if square == 0:
            return None
        step = -float(slope @ here) / square
        constant += step
        if not 0 <= constant < 1e6:
            return None
        nudge = max(1e-9, 1e-6 * constant)
        if abs(step) <= 1e-9 * constant:
            break
    return constant or None
