"""Corrections are tried only in the tests of `repair`: elsewhere they would take seconds for each wrong program."""

from collections.abc import Iterator

import pytest

from deltarule.checking import repair


@pytest.fixture(autouse=True)
def seconds_for_corrections(request: pytest.FixtureRequest) -> Iterator[None]:
    before = repair.SECONDS
    if request.path.parent.name != "repair":
        repair.SECONDS = 0.0
    yield
    repair.SECONDS = before
