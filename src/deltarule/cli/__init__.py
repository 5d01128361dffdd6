"""The command line: options, then a record, then what is shown of it, or its JSON.

A user's mistake gives one sentence and status 2, a failure status 1. Heavy modules are imported inside commands, so
that `deltarule --help` is quick. May import everything.
"""

import sys

from deltarule import platforms
from deltarule.errors import INTERRUPTED

__all__ = ["main", "program"]


def main() -> None:
    from deltarule.cli.app import main

    main()


def program() -> None:
    """Run the command line as a process that can be interrupted while it loads."""
    with platforms.termination_as_ctrl_c():
        try:
            try:
                main()
            finally:
                platforms.ignore_termination()
        except KeyboardInterrupt:
            print(f"deltarule: {INTERRUPTED}", file=sys.stderr)
            sys.exit(1)
