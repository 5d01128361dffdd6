"""Run code while another thread is importing a module."""

import subprocess
import sys

SCRIPT = """
import importlib, sys, threading, time

first = threading.Thread(target=importlib.import_module, args=({module!r},))
first.start()
while {module!r} not in sys.modules:
    time.sleep(1e-4)
begun = not hasattr(sys.modules[{module!r}], {part!r})
{then}
first.join()
print(begun)
"""


def assert_waits(module: str, part: str, then: str, before: str = "") -> None:
    """Assert that code waits for a module that another thread imports.

    `then` is the code, which needs the attribute `part` of the module; `before` is run before the import begins.
    """
    script = before + SCRIPT.format(module=module, part=part, then=then)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, encoding="utf-8")
    assert (done.stdout, done.stderr) == ("True\n", "")
