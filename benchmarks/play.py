"""Measure the workbench with Chromium: first picture, frames per second, processor time by part, and memory.

    python benchmarks/play.py [--seconds 20] [--minutes 0] [--engine] [--alone]

1,000 networks 2-8-8-3 train on 300 points; 24 of them are drawn. The updates per second of the page's training are
compared with those of the engine alone, interleaved in one run; the processor time of that run is divided among the
engine, the rest of the server (evaluations, frames, answers) and the browser. With --minutes the page plays for that
time, and the memory of its scripts is read each minute, after a garbage collection. With --engine only the page's own
engine is measured, in Node, whose V8 is Chromium's: updates a second of processor time, on 300 points in full batches.
With --alone the page without Python is measured: pictures and updates a second of 24 and 100 networks at the pace with
which it begins and of one at full speed, and the seconds to the first picture and to the first hundred updates.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import psutil
from playwright.sync_api import Page, sync_playwright

from deltarule.data.synthetic import spirals
from deltarule.engines.base import Engine, Trace
from deltarule.playground import page_bundle
from deltarule.playground.own_page import write_page
from deltarule.playground.play import recipe_to_play
from deltarule.playground.server import PlayServer
from deltarule.playground.session import Session
from deltarule.problem.problem import Problem
from deltarule.problem.state import State, initial_state
from deltarule.recipes import Recipe, with_settings

ROUNDS = 3


def thousand_networks() -> Recipe:
    """The recipe of a thousand networks 2-8-8-3 on 300 points."""
    spirals = {"name": "spirals", "samples": 300, "classes": 3}
    return with_settings(recipe_to_play(), {"data.name": spirals, "run.seeds": 1000})


PAGE_ENGINE = """
const [, page, text] = process.argv;
const { Training } = await import(`${page}/engine/training.js`);
const { loadKernels, useKernels } = await import(`${page}/engine/kernels.js`);
useKernels(await loadKernels());
const problem = JSON.parse(text);
const training = new Training(problem);
const count = Math.ceil(2000 / problem.members.length);
training.advance(count);
const began = process.cpuUsage();
training.advance(count);
const { user, system } = process.cpuUsage(began);
console.log((count * 1e6) / (user + system));
"""


def page_engine_updates(members: int) -> float:
    """Updates a processor second of the page's engine: networks 2-8-8-1 of tanh by Adam, 300 points, full batches."""
    points = spirals(samples=300).train
    member = {
        "initial_scale": 1,
        "dropout": [0, 0],
        "learning_rate": 0.01,
        "numbers": {},
        "schedule_numbers": {},
        "strength": 0,
    }
    problem = {
        "sizes": [2, 8, 8, 1],
        "activations": [{"name": "tanh"}, {"name": "tanh"}, {"name": "sigmoid"}],
        **{"bias": True, "batch_norm": False, "scaling": False, "factors": {}, "weights": None, "batch_size": None},
        **{"initializer": {"name": "glorot_uniform"}, "loss": {"name": "binary_cross_entropy"}, "penalty": None},
        **{"reduction": "mean_samples", "penalize_biases": False, "optimizer": "adam"},
        **{"schedule": "constant", "schedule_per": "step"},
        "x": points.x.ravel().tolist(),
        "y": points.answers.ravel().tolist(),
        "members": [
            {"seed": seed, "data_seed": 0, "dropout_seed": seed, "initial_scale": 1, **member}
            for seed in range(members)
        ],
    }
    page = (Path(page_bundle.__file__).parent / "page").as_uri()
    command = ["node", "--input-type=module", "-e", PAGE_ENGINE, page, json.dumps(problem)]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


COUNT_PICTURES = (
    "window.counter?.disconnect(); window.drawn = 0;"  # a counter of an earlier round would count the same frames
    "window.counter = new MutationObserver(() => window.drawn++); window.counter.observe("
    "document.querySelector('[data-role=clock]'), {childList: true, characterData: true, subtree: true})"
)


def measure_alone(browser_path: str, seconds: float) -> dict[str, dict[str, float]]:
    """Pictures and updates a second of the page without Python, and the seconds until it shows and trains."""
    figures: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browser_path, args=["--no-sandbox"])
        for members, speed in ((24, None), (100, None), (1, "")):
            recipe = with_settings(recipe_to_play(), {"run.seeds": members})
            file = write_page(recipe, Path(folder) / f"{members}.html")
            # The page refuses to evaluate text, as `wait_for_function` does.
            page = browser.new_page(viewport={"width": 1280, "height": 800}, bypass_csp=True)
            began = time.perf_counter()
            page.goto(file.as_uri())
            page.locator(".multiples button").first.wait_for()
            shown = time.perf_counter() - began
            page.wait_for_function("document.querySelector('[data-role=clock]').textContent.match(/[1-9]/)")
            learns = time.perf_counter() - began
            if speed is not None:
                page.locator("[data-role=speed]").select_option(speed)
            page.wait_for_timeout(2000)
            page.evaluate(COUNT_PICTURES)
            first, began = clock(page), time.perf_counter()
            page.wait_for_timeout(1000 * seconds)
            passed = time.perf_counter() - began
            figures[f"{members} networks{', full speed' if speed == '' else ''}"] = {
                "pictures": round(page.evaluate("window.drawn") / passed, 1),
                "updates": round((clock(page) - first) / passed, 1),
                "first_picture_seconds": round(shown, 2),
                "first_update_seconds": round(learns, 2),
            }
            page.close()
        browser.close()
    return figures


def clock(page: Page) -> int:
    """The number of the update that a page shows."""
    return int(page.locator("[data-role=clock]").inner_text().replace(",", "").split()[1])


def time_first_picture(browser_path: str) -> float:
    """The seconds from the command to the first picture, in a browser that is already open."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browser_path, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        began = time.perf_counter()
        command = [sys.executable, "-m", "deltarule", "play", "--no-browser"]
        environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
            assert process.stdout is not None
            page.goto(process.stdout.readline().split()[2])
            page.locator(".multiples button").first.wait_for()
            seconds = time.perf_counter() - began
            process.kill()
        browser.close()
    return seconds


def updates_per_second_alone(session: Session, seconds: float) -> float:
    """The updates per second of the engine without a page."""
    problem, engine = session.workbench.moment.problem, session.workbench.engine
    state, began = initial_state(problem), time.perf_counter()
    while time.perf_counter() - began < seconds:
        state, _ = engine.advance(problem, state, 20)
    return state.step / (time.perf_counter() - began)


class TimedEngine:
    """An engine that adds up the processor time of its updates, except that of its own threads."""

    def __init__(self, engine: Engine) -> None:
        self._engine, self.seconds = engine, 0.0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)

    def advance(self, problem: Problem, state: State, n: int) -> tuple[State, Trace]:
        """Make n updates, and add the processor time of this thread."""
        began = time.thread_time()
        advanced = self._engine.advance(problem, state, n)
        self.seconds += time.thread_time() - began
        return advanced


def wait_for_program(session: Session) -> None:
    """Wait until NumPy does not train any more, as it does while a program is compiled."""
    session.workbench.load_engine()
    while not session.workbench.engine_name:
        time.sleep(0.1)


def browser_seconds() -> float:
    """The processor time of all processes of the browser so far."""
    children = psutil.Process().children(recursive=True)
    times = [process.cpu_times() for process in children if "chrom" in process.name()]
    return sum(used.user + used.system for used in times)


def processor_seconds() -> tuple[float, float]:
    """The processor time so far of the engine's threads, and of the rest of this process without this script."""
    pool = {thread.native_id for thread in threading.enumerate() if thread.name.startswith("deltarule-engine")}
    threads = [thread for thread in psutil.Process().threads() if thread.id in pool]
    engine = sum(thread.user_time + thread.system_time for thread in threads)
    return engine, time.process_time() - time.thread_time() - engine


def measure_page(page: Page, session: Session, seconds: float) -> dict[str, float]:
    """Measure updates and frames per second while a page draws, and the processor seconds of each part per second."""
    session.command("reset", {})
    wait_for_program(session)
    engine = session.workbench.engine = TimedEngine(session.workbench.engine)
    session.command("play", {})
    page.evaluate(COUNT_PICTURES)
    (pool, others), browser, trained = processor_seconds(), browser_seconds(), engine.seconds
    step, began, drawn = session.workbench.moment.state.step, time.perf_counter(), page.evaluate("window.drawn")
    page.wait_for_timeout(1000 * seconds)
    passed = time.perf_counter() - began
    pool_after, others_after = processor_seconds()
    updating, drawing = engine.seconds - trained, browser_seconds() - browser
    updates = session.workbench.moment.state.step - step
    frames = page.evaluate("window.drawn") - drawn
    session.command("pause", {})
    session.workbench.engine = engine._engine
    return {
        "updates": updates / passed,
        "frames": frames / passed,
        "engine": (pool_after - pool + updating) / passed,
        "server": (others_after - others - updating) / passed,
        "browser": drawing / passed,
    }


def main() -> None:
    """Measure, and print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--minutes", type=float, default=0)
    parser.add_argument("--engine", action="store_true", help="measure the page's own engine alone")
    parser.add_argument("--alone", action="store_true", help="measure the page without Python alone")
    options = parser.parse_args()
    if options.engine:
        updates = {members: max(page_engine_updates(members) for _ in range(ROUNDS)) for members in (1, 24)}
        print(json.dumps({f"updates_of_{members}": round(one) for members, one in updates.items()}, indent=1))
        return
    browser_path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))))
    if options.alone:
        print(json.dumps(measure_alone(browser_path, options.seconds), indent=1))
        return
    pictures = [time_first_picture(browser_path) for _ in range(ROUNDS)]
    session = Session(thousand_networks(), tempfile.TemporaryDirectory())
    wait_for_program(session)
    server = PlayServer(session)
    server.start()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=browser_path,
            args=["--no-sandbox", "--enable-precise-memory-info", "--js-flags=--expose-gc"],
        )
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        page.goto(server.url)
        page.locator(".multiples button").first.wait_for()
        rounds = [
            (updates_per_second_alone(session, options.seconds), measure_page(page, session, options.seconds))
            for _ in range(ROUNDS)
        ]
        memory = []
        if options.minutes:
            session.command("play", {})
            for _ in range(int(options.minutes)):
                page.wait_for_timeout(60_000)
                page.evaluate("gc()")
                memory.append(page.evaluate("performance.memory.usedJSHeapSize") / 2**20)
            session.command("pause", {})
        browser.close()
    server.shutdown()
    session.close()
    print(
        json.dumps(
            {
                "first_picture_seconds": round(statistics.median(pictures), 2),
                "updates_per_second_alone": round(statistics.median(one[0] for one in rounds), 1),
                "share_of_updates_while_played": round(
                    statistics.median(one["updates"] / free for free, one in rounds), 3
                ),
                "frames_per_second": round(statistics.median(one["frames"] for _, one in rounds), 1),
                "processor_seconds_per_second": {
                    part: round(statistics.median(one[part] for _, one in rounds), 2)
                    for part in ("engine", "server", "browser")
                },
                "page_memory_mb_by_minute": [round(one, 1) for one in memory],
                "processors": os.cpu_count(),
                "machine": Path("/proc/cpuinfo").read_text().partition("model name\t: ")[2].partition("\n")[0]
                if Path("/proc/cpuinfo").exists()
                else "",
            },
            indent=1,
        )
    )


if __name__ == "__main__":
    main()
