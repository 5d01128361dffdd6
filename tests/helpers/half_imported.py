"""What becomes of code that is run while another thread is in the midst of importing a module."""

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
    """Code that needs a part of a module waits until the module is whole; `before` runs before the import begins."""
    script = before + SCRIPT.format(module=module, part=part, then=then)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, encoding="utf-8")
    assert (done.stdout, done.stderr) == ("True\n", "")
