"""Corrections are tried only in the tests of `repair`: elsewhere they would take seconds for each wrong program."""

from collections.abc import Iterator

import pytest

from deltarule.checking.repair import search


@pytest.fixture(autouse=True)
def seconds_for_corrections(request: pytest.FixtureRequest) -> Iterator[None]:
    before = search.SECONDS
    if request.path.parent.name != "repair":
        search.SECONDS = 0.0
    yield
    search.SECONDS = before
