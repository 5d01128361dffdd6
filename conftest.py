"""Two lanes of tests: `pytest` runs the fast one in minutes, `pytest --everything` runs all.

The fast lane skips tests marked slow, and files that need a library that is not installed; its last lines report this.
A file or folder named on the command line is run completely. With `--everything` a missing library is an error.
"""

import os
import re
from collections import Counter
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
from hypothesis import settings
from lanes import COMPLETE_EXAMPLES, FAST_EXAMPLES

ROOT = Path(__file__).parent

# Files and folders in which nearly all tests are slow, and why. In other files single tests are marked: those that take
# more than about half a second.
SLOW = {
    "docs/how-to/a-table-of-your-own.md": "trains ten models",
    "docs/how-to/classics": "trains the networks of ten papers",
    "docs/reference/files.md": "makes every file that there is",
    "docs/reference/why-not-learning.md": "trains a network for each cause",
    "tests/benchmarks": "measures times and plants mistakes",
    "tests/browser": "starts a browser",
    "tests/checking/mistakes/test_network_hypotheses.py": "plants mistakes in networks",
    "tests/checking/repair/test_corrections.py": "tries corrections",
    "tests/checking/test_update_rates.py": "looks for the rates of updates",
    "tests/checking/user_code/test_object_adapter.py": "looks for what objects hold",
    "tests/checking/user_code/test_tensors.py": "checks code of PyTorch",
    "tests/cli/test_grade.py": "grades submissions",
    "tests/cli/test_reproduce.py": "runs the studies",
    "tests/docs/test_assignments.py": "grades thirty submissions",
    "tests/docs/test_examples.py": "runs each command of the pages in a process of its own",
    "tests/docs/test_notebooks.py": "starts kernels",
    "tests/docs/test_site.py": "builds the site",
    "tests/export/test_onnx_graph.py": "runs graphs in ONNX Runtime",
    "tests/grading/test_answers.py": "grades submissions",
    "tests/grading/test_archives.py": "grades submissions",
    "tests/grading/test_cheating.py": "runs code that misbehaves",
    "tests/grading/test_grade.py": "grades submissions",
    "tests/grading/test_odd_submissions.py": "grades submissions",
    "tests/grading/test_reading.py": "grades submissions",
    "tests/peers": "all estimator checks of scikit-learn, for its own estimators too",
    "tests/playground/test_past.py": "trains to look at the past",
    "tests/reports/test_model_page.py": "trains models on tables",
    "tests/studies/test_reproduce_studies.py": "runs the studies",
    "tests/sweeps/test_executors.py": "starts workers and clusters",
    "tests/sweeps/test_killed.py": "kills processes",
    "tests/training/test_killed.py": "kills processes",
    "tests/trust/test_crashes.py": "kills processes",
    "tests/trust/test_fuzz.py": "runs the fuzzer",
    "tests/trust/test_numbers.py": "trains with all engines on hard numbers",
    "tests/trust/test_sameness.py": "trains in several processes",
}
LIBRARIES = {
    "distributed": "Dask",
    "jax": "JAX",
    "latex2mathml": "latex2mathml",
    "nbclient": "nbclient",
    "nbformat": "nbformat",
    "numpydoc": "numpydoc",
    "onnx": "ONNX",
    "onnxruntime": "ONNX Runtime",
    "openpyxl": "openpyxl",
    "playwright": "Playwright",
    "polars": "Polars",
    "pyarrow": "PyArrow",
    "skrub": "skrub",
    "sphinx": "Sphinx",
    "torch": "PyTorch",
}


# Examples in docstrings and on pages that need a library without importing it.
NEEDS = {
    "src/deltarule/engines/autograd.py": "torch",
    "tests/docs/test_studies.py": "sphinx",
    "tests/engines/test_autograd.py": "torch",
    "src/deltarule/export/model_scripts.py": "torch",
}


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options that run slow tests."""
    parser.addoption("--everything", action="store_true", help="run the slow tests too, and miss no library")
    parser.addoption("--slow", action="store_true", help="run the slow tests too, as where files are named")


def pytest_configure(config: pytest.Config) -> None:
    """Choose the lane, and with it the number of hypothesis's examples; register markers."""
    config.addinivalue_line("markers", "complete_search: fits to tables try all candidates, as users' fits do")
    config.addinivalue_line("markers", "needs(library): left out where it is not installed, but never of everything")
    config.addinivalue_line("markers", "slow: not in the fast lane")
    config.addinivalue_line("markers", "sampled(n): every n-th of the test's cases in the fast lane")
    # Workers of pytest-xdist come here too: they are given the words of the command line, not the options made of them.
    is_named = config.args_source is not pytest.Config.ArgsSource.TESTPATHS
    config.option.slow = config.option.slow or config.option.everything or is_named
    everything = config.option.everything
    # No deadline: the first example may pay for an import. In CI and in the fast lane the same examples every time, so
    # that a red run is the change's doing; in a complete run elsewhere new ones, so that it goes on searching.
    settings.register_profile(
        "deltarule",
        deadline=None,
        max_examples=COMPLETE_EXAMPLES if everything else FAST_EXAMPLES,
        derandomize="CI" in os.environ or not everything,
        print_blob=True,
    )
    settings.load_profile("deltarule")


def missing_libraries(path: Path) -> Iterator[str]:
    """Yield the libraries that a file of tests or examples needs and that are not installed."""
    text, needed = path.read_text(encoding="utf-8"), NEEDS.get(path.relative_to(ROOT).as_posix())
    for name in LIBRARIES:
        is_imported = re.search(rf"^\W*(import|from) {name}\b", text, re.MULTILINE)
        if (is_imported or name == needed) and find_spec(name) is None:
            yield name


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Skip slow files and folders, and files that need a library that is not installed."""
    if not config.option.slow and collection_path.relative_to(ROOT).as_posix() in SLOW:
        return True
    if not config.option.everything and collection_path.suffix in (".py", ".md") and collection_path.is_file():
        return any(missing_libraries(collection_path)) or None
    return None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect slow tests and most sampled cases in the fast lane, and tests that need a missing library."""
    if config.option.everything:
        return
    left_out, cases = set[pytest.Item](), Counter[str]()
    for item in items:
        test = item.nodeid.partition("[")[0]
        sampled = item.get_closest_marker("sampled")
        is_slow = item.get_closest_marker("slow") or (sampled and cases[test] % sampled.args[0])
        cases[test] += 1
        if (is_slow and not config.option.slow) or any(
            find_spec(mark.args[0]) is None for mark in item.iter_markers("needs")
        ):
            left_out.add(item)
    config.hook.pytest_deselected(items=[*left_out])
    items[:] = [item for item in items if item not in left_out]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Report what was skipped."""
    missing = [title for name, title in LIBRARIES.items() if find_spec(name) is None]
    if missing:
        terminalreporter.write_line(f"not installed, so nothing was compared with: {', '.join(missing)}")
    if not config.option.slow:
        terminalreporter.write_line("this was the fast lane; pytest --everything runs all tests")
