"""The process in which a script is checked: reads a request, and writes what was found, as JSON."""

import json
import os
import sys
import time
from dataclasses import asdict
from pathlib import Path

from deltarule.checking.scripts.loop_search import search_loops


def main(script: str, result: str, options: str) -> None:
    """Check a script, and write into a file what is found, first without a correction."""
    settings = json.loads(options)
    deadline = time.monotonic() + settings.pop("seconds")
    for findings in search_loops(Path(script), deadline, **settings):
        new = Path(f"{result}.new")
        new.write_text(json.dumps(asdict(findings)), encoding="utf-8")
        new.replace(result)
    os._exit(0)  # without what the script registered for its end


if __name__ == "__main__":
    del sys.path[0]  # the folder from which we were started; the script's own comes in its place
    main(*sys.argv[1:])
