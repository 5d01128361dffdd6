import os
import shutil

import pytest
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
