import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from deltarule.errors import BadInput, one_line

COMMANDS = {"Cc", "Zl", "Zp", "Cs"}
"""Categories of Unicode whose characters end lines, command a terminal, or stand in no file."""
TURNING = {*"\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"}
"""What turns the direction of writing: Unicode's Bidi_Control."""


@given(st.text())
@example("".join(TURNING) + "\u2028\x85\ud800")
def test_a_sentence_holds_nothing_that_commands(text: str) -> None:
    told = one_line(text)
    assert not COMMANDS & {*map(unicodedata.category, told)}
    assert not TURNING & {*told}
    assert one_line(told) == told


@pytest.mark.parametrize(
    "word", ["می\u200cروم", "👩\u200d🔬", "10\u00a0000", "東京\u3000都", "\u2764\ufe0f", "1\u2009%"]
)
def test_what_is_part_of_words_stays_although_it_is_not_seen(word: str) -> None:
    assert one_line(word) == word


@pytest.mark.parametrize("unseen", "\u200b\ufeff\u00ad\u2060\u2064\u206a\u206f\ufff9\ufffb\U000e0001\U000e007f")
def test_names_that_differ_by_what_takes_no_room_differ_in_a_sentence(unseen: str) -> None:
    told = str(BadInput(f"there is no column 'price{unseen}'; there are: price"))
    assert unseen not in told and unseen.encode("unicode_escape").decode() in told
