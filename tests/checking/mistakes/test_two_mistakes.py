"""A constant and a slip in one program: both are named. Run as a script, it measures all pairs.

The slips are those of six styles of the corpus that are named alone; the constants multiply the derivative of the loss.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import pytest
from student_programs import Program, edit, judge, list_programs


@dataclass(frozen=True)
class Place:
    """The line of a style with the derivative of the loss, the same multiplied by c, samples and outputs."""

    line: str
    multiplied: str
    samples: int
    outputs: int


PLACES = {
    "dictionary_two_layers": Place("dscores /= N", "dscores *= {c} / N", 7, 3),
    "three_layers_in_columns": Place("e3 = (prob - T) / n", "e3 = {c} * (prob - T) / n", 9, 3),
    "script_with_globals": Place("d3 = error", "d3 = {c} * error", 6, 2),
    "columns_with_caches": Place("dA = -(np.divide", "dA = -{c} * (np.divide", 5, 3),
    "loops_over_layers": Place("return output_activations - y", "return {c} * (output_activations - y)", 5, 4),
    "character_rnn": Place("dy[targets[t]] -= 1", "dy[targets[t]] -= 1\n        dy = {c} * dy", 7, 8),
}
CONSTANTS = ("2", "1 / 2", "N", "1 / N", "C", "1 / C", "-1", "2 / N", "N * C", "10")
FACTORS = {"factor", "factor_two", "mean_missing", "mean_twice", "sign"}


def pairs_of_mistakes() -> list[Program]:
    pairs = []
    for program in list_programs()[0]:
        place = PLACES.get(program.style_name)
        if place is None or program.source.count(place.line) != 1:
            continue  # the slip is in that line
        for constant in CONSTANTS:
            c = constant.replace("N", str(place.samples)).replace("C", str(place.outputs))
            source = edit(program.source, place.line, place.multiplied.format(c=f"({c})"))
            pairs.append(replace(program, source=source, name=f"{program.name} {constant}"))
    return pairs


def measure(pairs: Sequence[Program]) -> Counter[str]:
    counts: Counter[str] = Counter(pairs=len(pairs))
    for program in pairs:
        outcome = judge(program)
        assert program.slip is not None
        of_constant = FACTORS & {*outcome.codes}
        is_named = bool(of_constant - {*program.slip.codes}) or len(of_constant) > 1 or {*outcome.codes} == of_constant
        counts.update(
            accepted=outcome.verdict == "right", slips=outcome.is_named, constants=is_named and bool(outcome.codes)
        )
    return counts


@pytest.mark.slow
def test_constant_and_slip_are_both_named() -> None:
    counts = measure(pairs_of_mistakes()[7::31])
    assert not counts["accepted"]
    assert counts["slips"] >= 0.8 * counts["pairs"] and counts["constants"] >= 0.95 * counts["pairs"], counts


if __name__ == "__main__":
    print(measure(pairs_of_mistakes()))
