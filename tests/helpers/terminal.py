"""A screen that somebody sits in front of, and whose characters can be read."""

import io


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True
