import tempfile

import pytest
from playground_examples import recipe_of

from deltarule.playground.session import Session
from deltarule.playground.workbench import Workbench


@pytest.fixture
def opened():
    """Open workbenches on the reference engine, which needs no compiler; their threads are ended afterwards."""
    benches = []

    def open_workbench(**sections):
        benches.append(Workbench(recipe_of(**{**sections, "run": {"engine": "reference", **sections.get("run", {})}})))
        return benches[-1]

    yield open_workbench
    for bench in benches:
        bench.close()


@pytest.fixture
def session():
    opened = Session(recipe_of(run={"seeds": 3, "engine": "reference"}), tempfile.TemporaryDirectory())
    yield opened
    opened.close()
