"""Draw the pictures of the front page and the README into docs/static: the workbench, a trace, a mistake, a study.

    python benchmarks/pictures.py

It needs Chromium or Chrome. Look at what it draws.
"""

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from io import StringIO
from pathlib import Path

import numpy as np
from playwright.sync_api import Page, sync_playwright
from rich.console import Console
from rich.terminal_theme import DEFAULT_TERMINAL_THEME

from deltarule import Network, create_problem, train
from deltarule.reports.network_figures import network_drawing
from deltarule.reports.render import file_content

STATIC = Path(__file__).parents[1] / "docs" / "static"
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
ENCODER_UPDATES = 3000
PLAY_SECONDS = 12


@contextmanager
def browser_page(width: int, height: int) -> Iterator[Page]:
    """An empty page of width × height pixels."""
    with sync_playwright() as playwright:
        path = next(filter(None, map(shutil.which, BROWSERS)), None)
        browser = playwright.chromium.launch(args=["--no-sandbox"], executable_path=path)
        yield browser.new_page(viewport={"width": width, "height": height})
        browser.close()


def draw_workbench() -> None:
    """The workbench after some seconds of training on two spirals."""
    command = [sys.executable, "-m", "deltarule", "play", "--no-browser"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        address = next(word for line in server.stdout for word in line.split() if word.startswith("http"))
        with browser_page(1280, 800) as page:
            page.goto(address)
            page.wait_for_timeout(1000 * PLAY_SECONDS)
            page.screenshot(path=STATIC / "play.png")
        server.terminate()


def draw_trace() -> None:
    """The beginning of the page of `deltarule explain xor`."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "trace.html"
        subprocess.run([sys.executable, "-m", "deltarule", "explain", "xor", "--html", str(file)], check=True)
        with browser_page(1000, 640) as page:
            page.goto(file.as_uri())
            page.screenshot(path=STATIC / "explain.png")


def draw_mistake() -> None:
    """What `deltarule check` says about the script of its how-to, in which the derivative of tanh is wrong."""
    page = (STATIC.parent / "how-to" / "check-your-own-code.md").read_text(encoding="utf-8")
    script = page.partition("`train.py`:\n\n```python\n")[2].partition("```")[0]
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "train.py").write_text(script, encoding="utf-8")
        command = [sys.executable, "-m", "deltarule", "check", "train.py"]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    console = Console(record=True, width=80, file=StringIO())
    console.print(done.stdout.strip(), highlight=False)
    console.save_svg(str(STATIC / "mistake.svg"), title="deltarule check train.py", theme=DEFAULT_TERMINAL_THEME)
    print(done.stdout)


def draw_study() -> None:
    """The network that the encoder study trains."""
    eye = np.eye(8)
    problem = create_problem(
        Network([8, 3, 8], "sigmoid", "sigmoid"), eye, eye, loss="binary_cross_entropy", learning_rate=8.0
    )
    weights = {name: array[0] for name, array in train(problem, max_steps=ENCODER_UPDATES).parameters.items()}
    objects = [f"object {number}" for number in range(8)]
    chart = network_drawing([weights["W1"], weights["W2"]], objects, objects)
    (STATIC / "encoder.svg").write_bytes(file_content(chart.figure(), "svg"))


if __name__ == "__main__":
    draw_mistake()
    draw_study()
    draw_trace()
    draw_workbench()
