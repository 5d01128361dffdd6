"""Find the mistakes that explain a wrong gradient, from its numbers alone.

The network is unknown here: only the reference gradient E, the user's gradient F, and the parameters V are given. Each
hypothesis predicts F: "twice too large" predicts F = 2 E, "the penalty is missing" F = E − c V with one constant c for
all entries, and so on. The hypothesis that predicts every entry with the fewest constants wins.
"""

from collections.abc import Sequence
from itertools import combinations

from deltarule.checking.mistakes.catalog import Mistake
from deltarule.checking.mistakes.evidence import Evidence, Hypothesis
from deltarule.checking.mistakes.hypotheses import axes, exchanges, factors, penalties, shapes

HYPOTHESIS_FAMILIES = (
    shapes.wrong_shapes,
    shapes.incompatible_shapes,
    shapes.zero_gradients,
    factors.wrong_factors,
    shapes.transposed_gradients,
    shapes.exchanged_axes,
    exchanges.exchanged_gradients,
    exchanges.rows_of_other_gradients,
    axes.wrong_axes,
    penalties.wrong_penalties,
    exchanges.penalties_of_other_weights,
    shapes.single_entries,
)


def diagnose(evidence: Evidence, extra_hypotheses: Sequence[Hypothesis] = ()) -> tuple[Mistake, ...]:
    """The simplest mistakes, at most two, that explain all wrong gradients.

    Tries `extra_hypotheses` first, then those that need only numbers.

    >>> import numpy as np
    >>> from deltarule.checking.mistakes.evidence import ParameterEvidence
    >>> E, F = np.array([1.0, 2.0, 3.0]), np.array([2.0, 4.0, 6.0])
    >>> evidence = Evidence((ParameterEvidence("w", E, F, F, E, 0 * E, 0 * E, is_wrong=True),))
    >>> [mistake.code for mistake in diagnose(evidence)]
    ['factor_two']
    """
    from_numbers = [hypothesis for family in HYPOTHESIS_FAMILIES for hypothesis in family(evidence)]
    return choose_mistakes(evidence, [*extra_hypotheses, *from_numbers])


def choose_mistakes(evidence: Evidence, hypotheses: Sequence[Hypothesis]) -> tuple[Mistake, ...]:
    """Choose the hypothesis or pair that explains all with fewest constants."""
    wrong = frozenset(evidence.wrong)
    complete = [hypothesis for hypothesis in hypotheses if hypothesis.parameters >= wrong]
    if complete:
        fewest = min(hypothesis.constants for hypothesis in complete)
        return _first_two_mistakes([hypothesis for hypothesis in complete if hypothesis.constants == fewest])
    pairs = [
        (first, second)
        for first, second in combinations(hypotheses, 2)
        if first.parameters < wrong <= first.parameters | second.parameters
        and len(first.mistakes) + len(second.mistakes) <= 2
    ]
    return _first_two_mistakes(min(pairs, key=lambda pair: pair[0].constants + pair[1].constants)) if pairs else ()


def _first_two_mistakes(hypotheses: Sequence[Hypothesis]) -> tuple[Mistake, ...]:
    by_code: dict[str, Mistake] = {}
    for hypothesis in hypotheses:
        for mistake in hypothesis.mistakes:
            by_code.setdefault(mistake.code, mistake)
    return tuple(by_code.values())[:2]
