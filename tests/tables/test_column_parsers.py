import numpy as np
import pytest

from deltarule.tables.column_parsers import (
    DECIMAL_COMMAS,
    NUMBER_FORMS,
    PARSERS,
    PLAIN,
    ColumnParser,
    mark_unclear,
    parse_numbers,
    parse_with,
)

FORMS = {
    "comma": ("1,5 -7,5 1.234,50 1,234,567 +0,1", "1.5 7 1,234.56 1, ,5 a,5"),
    "point": ("1.234 1.234.567 -12.345", "0.123 1.23 01.234 1234.567 1.234,5"),
    "sign": (
        "5% $7 -$7 €7 USD\u00a07 12.50\u00a0EUR (1.50) ($7) 1\u202f234 1,234.56 CHF\u00a01'234.50",
        "5 1,5 7kg $ 5'11",
    ),
    "colon": ("1:23:45 0:00:01.5 -100:00:00", "1:23 1:60:00 1:00:60 1:2:3 10:00:00Z 1234567:00:00"),
    "decimal comma": ("1,5 -1,5e3 1.234,5 1,500", "1.5 1,234,567 7"),
    "point and comma": ("4.979,34 -1.234.567,8", "979,34 4.979 0.979,34"),
    "ambiguous": ("1.500 1,500 -999.999", "0.500 1.50 1,5000 1.500,0"),
    "apostrophe": ("1'234 -1'234.50 1\u2019234\u2019567", "1234 0'234 1'23 1234'567 1'234,5"),
}
EXAMPLES = [
    pytest.param(parser, cells, numbers, id=f"{parser.name}: {' '.join(cells)}")
    for parser in PARSERS
    for cells, numbers in parser.examples.items()
]


@pytest.mark.parametrize("form", NUMBER_FORMS)
def test_a_form_has_its_examples_and_no_others(form: str) -> None:
    examples, others = (text.split(" ") for text in FORMS[form])
    assert [text for text in examples if not NUMBER_FORMS[form].fullmatch(text)] == []
    assert [text for text in others if NUMBER_FORMS[form].fullmatch(text)] == []


@pytest.mark.parametrize(("parser", "cells", "numbers"), EXAMPLES)
def test_a_parser_reads_its_examples(
    parser: ColumnParser, cells: tuple[str, ...], numbers: tuple[float] | None
) -> None:
    parsed = parse_with(parser, list(cells))
    assert (parsed is None) == (numbers is None)
    if numbers is not None:
        np.testing.assert_array_equal(parsed, numbers)


@pytest.mark.parametrize(("parser", "cells", "numbers"), EXAMPLES)
def test_no_column_is_read_in_two_ways(
    parser: ColumnParser, cells: tuple[str, ...], numbers: tuple[float] | None
) -> None:
    """So the order of the parsers does not decide what a column means, only how soon it is read."""
    readings = [parsed.tolist() for one in PARSERS if (parsed := parse_with(one, list(cells))) is not None]
    for reading in readings[1:]:
        np.testing.assert_array_equal(reading, readings[0])
    parsed = parse_numbers(list(cells), allow_commas=True)
    np.testing.assert_array_equal(np.nan if parsed is None else parsed, readings[0] if readings else np.nan)


def test_decimal_commas_are_read_only_where_they_are_allowed() -> None:
    for cells in DECIMAL_COMMAS.examples:
        assert parse_numbers(list(cells), allow_commas=False) is None
    assert parse_numbers(list(next(iter(PLAIN.examples))), allow_commas=False) is not None


@pytest.mark.parametrize(
    ("area", "is_decimal"),
    [
        (["134,7", "68"], True),
        (["1.234.567", "823"], True),
        (["1,500", "2,250"], False),
        (["1.5", "2.5"], False),
        (["1,5", "red"], False),
        (["1,5", "2", "red"], True),
        (["1,5", "red", "", "NA"], False),
    ],
)
def test_points_are_unclear_beside_a_column_that_mostly_has_decimal_commas(area: list[str], is_decimal: bool) -> None:
    columns = mark_unclear({"rent": ["1.616", "823"], "area": area})
    assert (parse_numbers(columns["rent"], allow_commas=True) is None) == is_decimal
