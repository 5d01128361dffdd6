import subprocess
import sys
import tomllib
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from deltarule.errors import one_line
from deltarule.problem.error_messages import MAX_SHOWN_CHARACTERS, as_toml, shorten_toml

# DEL is the one character that JSON writes as it is and TOML does not allow.
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x7f"), max_size=8)
scalars = st.booleans() | st.integers() | st.floats(allow_nan=False) | texts
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)


@given(values)
def test_as_toml_writes_a_value_that_reads_back_the_same(value: Any) -> None:
    read = tomllib.loads(f"value = {as_toml(value)}")["value"]
    assert read == value
    assert type(read) is type(value)


def test_a_long_value_is_shortened() -> None:
    shown = shorten_toml(list(range(1000)))
    assert shown.startswith("[0, 1, 2, ")
    assert shown.endswith("…")
    assert len(shown) == MAX_SHOWN_CHARACTERS


def test_a_message_is_one_line() -> None:
    assert one_line("there is no loss 'a\nb\u2028é'") == r"there is no loss 'a\nb\u2028é'"


def test_trainings_and_tables_do_not_load_what_checks_files():
    script = "import sys, deltarule; deltarule.train; deltarule.TabularClassifier; print('pydantic' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
