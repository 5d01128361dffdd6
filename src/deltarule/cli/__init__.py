"""The command line: one small file a command.

`main` is what the console script calls. Commands are read only when they are called, so that `deltarule --help` is
quick; whatever a person did wrong is told in one sentence, with status 2, and what failed with status 1.
"""

from deltarule.cli.app import main

__all__ = ["main"]
