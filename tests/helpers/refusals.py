"""Errors as tests compare them: by class and by the values that they name; sentences stand in tables."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from deltarule.errors import BadInput

WORD = r"(?<!\w)(?<!\w\.){}(?!\.?\w)"
"""A value that is no part of another one, as 3 is of 3.5 and `data` of `data.name`."""


@contextmanager
def refuses(*named: object, error: type[Exception] = BadInput) -> Iterator[None]:
    """The block ends in this error, whose message names these values as words of their own."""
    with pytest.raises(error) as refused:
        yield
    message = str(refused.value)
    missing = [value for value in named if not re.search(WORD.format(re.escape(str(value))), message)]
    assert not missing, f"{missing} are not named by: {message}"
