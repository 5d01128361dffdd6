"""Hold an explanation to its numbers."""

from itertools import islice

import pytest

from deltarule.tracing.explanation import Explanation
from deltarule.tracing.expressions import evaluate


def assert_formulas_give_the_numbers(explained: Explanation) -> None:
    """Assert that every formula gives the number that it explains."""
    for quantity in explained.quantities.values():
        if quantity.rule is None:
            assert quantity.section in ("data", "parameters", "settings") or quantity.name.startswith(("keep", "v_"))
            continue
        for index in islice(quantity.indices(), 12):
            expected = pytest.approx(quantity.value[index], rel=1e-9, abs=1e-12)
            assert evaluate(quantity.rule(*index)) == expected, (quantity.name, index)
