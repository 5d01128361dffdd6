"""A stream that behaves as a terminal, and whose output can be read."""

import io


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True
