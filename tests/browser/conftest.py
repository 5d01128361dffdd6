import os
import shutil

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Error, sync_playwright

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")


@pytest.fixture(scope="module")
def browser():
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    how = {"executable_path": found} if found else {"channel": "chrome"}  # on Windows and macOS it is in no PATH
    with sync_playwright() as playwright:
        try:
            started = playwright.chromium.launch(args=["--no-sandbox"], **how)
        except Error:
            if "CI" in os.environ:
                raise
            pytest.skip("there is no Chromium or Chrome here; CI has one, and fails without")
        yield started
        started.close()


@pytest.fixture
def axe_violations():
    """What keeps people from using a page, by axe's rules; lists of what is right would take most of the time."""

    def run(page, *, without_rules=()):
        options = {"resultTypes": ["violations"], "rules": {rule: {"enabled": False} for rule in without_rules}}
        found = Axe().run(page, options=options).response["violations"]
        return [f"{one['id']}: {one['help']}: {node['html'][:200]}" for one in found for node in one["nodes"]]

    return run
