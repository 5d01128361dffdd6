import pytest

from deltarule.tables.number_forms import NUMBER_FORMS

EXAMPLES = {
    "comma": ("1,5 -7,5 1.234,50 1,234,567 +0,1", "1.5 7 1,234.56 1, ,5 a,5"),
    "point": ("1.234 1.234.567 -12.345", "0.123 1.23 01.234 1234.567 1.234,5"),
    "sign": ("5% $7 -$7 €7 USD\u00a07 12.50\u00a0EUR (1.50) ($7) 1\u202f234 1,234.56", "5 1,5 1.5 7kg (7)% $"),
    "decimal comma": ("1,5 -1,5e3 1.234,5 1,500", "1.5 1,234,567 7"),
    "point and comma": ("4.979,34 -1.234.567,8", "979,34 4.979 0.979,34"),
    "ambiguous": ("1.500 1,500 -999.999", "0.500 1.50 1,5000 1.500,0"),
}


@pytest.mark.parametrize("form", NUMBER_FORMS)
def test_a_form_has_its_examples_and_no_others(form: str) -> None:
    examples, others = (text.split(" ") for text in EXAMPLES[form])
    assert [text for text in examples if not NUMBER_FORMS[form].fullmatch(text)] == []
    assert [text for text in others if NUMBER_FORMS[form].fullmatch(text)] == []
