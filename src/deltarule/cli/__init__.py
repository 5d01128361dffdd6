"""The command line: one small file a command.

`program` is what the console script calls. Commands are read only when they are called, so that `deltarule --help` is
quick; whatever a person did wrong is told in one sentence, with status 2, and what failed with status 1.
"""

import os
import re
import sys

from deltarule import platforms
from deltarule.errors import INTERRUPTED

__all__ = ["main", "program"]


def main() -> None:
    """Run the command line as `deltarule.cli.app.main` does, which is loaded only now."""
    from deltarule.cli.app import main

    main()


def program() -> None:
    """Run the command line in a process of its own: it can be interrupted while it is loaded, too, and by nothing once
    it has said its last word."""
    with platforms.endings_as_ctrl_c():
        try:
            _forget_sizes_of_no_screen()
            try:
                main()
            finally:
                platforms.ignore_endings()
        except KeyboardInterrupt:
            print(f"deltarule: {INTERRUPTED}", file=sys.stderr)
            sys.exit(1)
        finally:
            # Python remembers of the text that it ran last, as dataclasses do, whether Ctrl-C ended it, and would end
            # `python -m deltarule` by a signal instead of our status.
            eval("0")


def _forget_sizes_of_no_screen() -> None:
    """Let COLUMNS and LINES count where they may be a screen's: rich takes 0 at its word, and prints nothing."""
    for name in ("COLUMNS", "LINES", "TERMINAL_WIDTH"):  # the last is Typer's own
        if not re.fullmatch("[2-9][0-9]|[1-9][0-9]{2,4}", os.environ.get(name, "80")):
            del os.environ[name]
