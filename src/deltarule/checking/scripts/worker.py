"""The process in which a script is checked: reads a request, and writes what was found, as JSON."""

import json
import os
import sys
import time
from dataclasses import asdict
from pathlib import Path

from deltarule.checking.scripts.loop_search import search_loops


def main(script: str, result: str, options: str) -> None:
    """Check a script, and write the result into a file."""
    settings = json.loads(options)
    deadline = time.monotonic() + settings.pop("seconds")
    findings = search_loops(Path(script), deadline, **settings)
    Path(result).write_text(json.dumps(asdict(findings)), encoding="utf-8")
    os._exit(0)  # without what the script registered for its end


if __name__ == "__main__":
    del sys.path[0]  # the folder from which we were started; the script's own comes in its place
    main(*sys.argv[1:])
