"""Which mistake explains a wrong gradient? Predictions are made from the right one and compared with what was found.

Nothing is known of the network here: only the right gradient E, the gradient found F, and the parameters V. "Twice too
large" predicts F = 2 E, "the penalty is missing" F = E − c V with one constant c for all entries, and so on. The
hypothesis that predicts every entry with the fewest constants wins.
"""

from collections.abc import Sequence
from itertools import combinations

from deltarule.checking.mistakes.catalog import Mistake
from deltarule.checking.mistakes.evidence import Evidence, Hypothesis
from deltarule.checking.mistakes.hypotheses import axes, exchanges, factors, penalties, shapes, single_entries

HYPOTHESIS_FAMILIES = (
    shapes.wrong_shapes,
    shapes.other_shapes,
    shapes.zeros,
    factors.factors,
    shapes.transpositions,
    shapes.exchanged_axes,
    exchanges.exchanges,
    exchanges.rows_of_others,
    axes.wrong_axes,
    penalties.penalties,
    exchanges.penalties_of_other_weights,
    single_entries.single_entries,
)


def diagnose(evidence: Evidence, further: Sequence[Hypothesis] = ()) -> tuple[Mistake, ...]:
    """The simplest mistakes that explain all that is wrong: at most two, none where nothing fits.

    >>> import numpy as np
    >>> from deltarule.checking.mistakes.evidence import ParameterEvidence
    >>> E, F = np.array([1.0, 2.0, 3.0]), np.array([2.0, 4.0, 6.0])
    >>> evidence = Evidence((ParameterEvidence("w", E, F, F, E, 0 * E, 0 * E, is_wrong=True),))
    >>> [mistake.code for mistake in diagnose(evidence)]
    ['factor_two']
    """
    return choose_mistakes(evidence, [*further, *(one for family in HYPOTHESIS_FAMILIES for one in family(evidence))])


def choose_mistakes(evidence: Evidence, hypotheses: Sequence[Hypothesis]) -> tuple[Mistake, ...]:
    """The mistakes of the hypotheses that explain all that is wrong with the fewest constants."""
    wrong = frozenset(evidence.wrong)
    complete = [hypothesis for hypothesis in hypotheses if hypothesis.parameters >= wrong]
    if complete:
        fewest = min(one.constants for one in complete)
        return _first_two([one for one in complete if one.constants == fewest])
    pairs = [
        (first, second)
        for first, second in combinations(hypotheses, 2)
        if first.parameters < wrong <= first.parameters | second.parameters
        and len(first.mistakes) + len(second.mistakes) <= 2
    ]
    return _first_two(min(pairs, key=lambda pair: pair[0].constants + pair[1].constants)) if pairs else ()


def _first_two(hypotheses: Sequence[Hypothesis]) -> tuple[Mistake, ...]:
    """The mistakes of hypotheses that predict the same numbers, or hold together, each code once."""
    by_code: dict[str, Mistake] = {}
    for hypothesis in hypotheses:
        for mistake in hypothesis.mistakes:
            by_code.setdefault(mistake.code, mistake)
    return tuple(by_code.values())[:2]
