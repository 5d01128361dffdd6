"""Errors as tests compare them: by class and by the values that they name; sentences stand in tables."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from deltarule.errors import BadInput


@contextmanager
def refuses(*named: object, error: type[Exception] = BadInput) -> Iterator[None]:
    """The block ends in this error, whose message names these values as words of their own."""
    with pytest.raises(error) as refused:
        yield
    message = str(refused.value)
    missing = [value for value in named if not re.search(rf"(?<!\w){re.escape(str(value))}(?!\w)", message)]
    assert not missing, f"{missing} are not named by: {message}"
