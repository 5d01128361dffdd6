"""Hypotheses from mistakes planted in a recognized network. A new family of mistakes is a line in `_mutations`."""

from collections.abc import Iterator

import numpy as np

from deltarule.checking.mistakes.activation_mutations import activation_mutations, normalization_mutations
from deltarule.checking.mistakes.dense_mutations import delta_mutations, sum_mutations, weight_mutations
from deltarule.checking.mistakes.evidence import Evidence, Hypothesis, one_mistake
from deltarule.checking.mistakes.fitted_mutations import epsilon_in_loss, fitted_mutations
from deltarule.checking.mistakes.network_matching import Like, NetworkMatch, match_network
from deltarule.checking.mistakes.network_mutations import Mutation
from deltarule.checking.mistakes.output_mutations import output_mutations


def network_hypotheses(evidence: Evidence, match: NetworkMatch, like: Like) -> Iterator[Hypothesis]:
    """The mistakes inside a recognized network, and the other losses, that give exactly the user's gradient."""
    for mutation in _mutations(match, like):
        with np.errstate(all="ignore"):
            gradients = match.to_theirs(mutation.run(match))
        if evidence.is_found(gradients):
            yield one_mistake(mutation.code, evidence.parameters, mutation.sentence, where=mutation.where)
    yield from fitted_mutations(evidence, match)
    of_gradient = match_network(evidence, evidence.gradients, None, like)
    if of_gradient:
        yield from epsilon_in_loss(evidence, of_gradient)
    if of_gradient and of_gradient.objective.loss is not match.objective.loss:
        sentence = f"the gradient is that of {_loss_name(of_gradient)}, the loss is {_loss_name(match)}"
        yield one_mistake("loss_wrong", evidence.parameters, sentence)


def _loss_name(match: NetworkMatch) -> str:
    """The name of the recognized loss, with spaces."""
    return match.objective.loss.name.replace("_", " ")


def _mutations(match: NetworkMatch, like: Like) -> Iterator[Mutation]:
    """All mistakes that are tried in the network; `like`, what the code is meant to be, has the dropout masks."""
    with np.errstate(all="ignore"):
        yield from output_mutations(match)
        yield from activation_mutations(match)
        yield from weight_mutations(match)
        yield from delta_mutations(match)
        yield from sum_mutations(match)
        yield from normalization_mutations(match, like)
