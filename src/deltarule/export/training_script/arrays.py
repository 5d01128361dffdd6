"""Arrays in a script: written out where they are small, packed into comments at the end of the file where not."""

import base64
import textwrap
import zlib
from typing import Any

import numpy as np

from deltarule.problem.problem import Floats

MAX_LITERAL_NUMBERS = 1000
"""Numbers of an array that are written out."""
LINE = 116

UNPACK_FUNCTION = '''
def packed(name):
    """A large array, from the comments at the end of this file."""
    text = Path(__file__).read_text(encoding="utf-8").partition(f"# packed {name}: ")[2]
    head, _, body = text.partition("\\n")
    dtype, *shape = head.split()
    content = base64.b64decode(body.partition("\\n\\n")[0].replace("#", ""))
    return np.frombuffer(zlib.decompress(content), dtype).reshape([int(length) for length in shape]).astype(dtype[1:])
'''.strip()


class Arrays:
    """The arrays of a script, all of one dtype; those that are packed are kept for its end."""

    def __init__(self, dtype: np.dtype[Any]) -> None:
        self.dtype = dtype
        self._packed: list[str] = []

    @property
    def has_packed(self) -> bool:
        """Whether the script must unpack something."""
        return bool(self._packed)

    def assignment(self, name: str, array: Floats) -> str:
        """The statement that gives an array its name.

        >>> Arrays(np.dtype("float32")).assignment("x", np.eye(3))
        'x = np.eye(3, dtype=np.float32)'
        >>> Arrays(np.dtype("float64")).assignment("b1", np.array([[0.1, -2.0]]))
        'b1 = np.array([[0.1, -2.0]])'
        """
        array = np.asarray(array, self.dtype)
        rows, columns = array.shape
        single = self.dtype == np.float32
        if rows == columns > 1 and np.array_equal(array, np.eye(rows)):
            return f"{name} = np.eye({rows}{', dtype=np.float32' if single else ''})"
        if not array.any():
            return f"{name} = np.zeros(({rows}, {columns}){', np.float32' if single else ''})"
        if array.size > MAX_LITERAL_NUMBERS:
            self._pack(name, array)
            return f'{name} = packed("{name}")'
        told = [f"[{', '.join(str(value) if single else repr(float(value)) for value in row)}]" for row in array]
        ending = ", np.float32)" if single else ")"
        flat = f"{name} = np.array([{', '.join(told)}]{ending}"
        if len(flat) <= LINE:
            return flat
        lines = [f"{name} = np.array(", "    ["]
        for row in told:
            lines += textwrap.wrap(f"{row},", LINE, initial_indent=" " * 8, subsequent_indent=" " * 9)
        return "\n".join([*lines, f"    ]{',' if single else ''}", *(["    np.float32,"] if single else []), ")"])

    def _pack(self, name: str, array: Floats) -> None:
        little = array.astype(self.dtype.newbyteorder("<"))
        body = base64.b64encode(zlib.compress(little.tobytes(), 9)).decode("ascii")
        lines = [f"#{body[place : place + LINE]}" for place in range(0, len(body), LINE)]
        shape = " ".join(map(str, array.shape))
        self._packed.append("\n".join([f"# packed {name}: {little.dtype.str} {shape}", *lines, ""]))

    def packed_lines(self) -> str:
        """The packed arrays, as comments."""
        return "\n\n" + "\n".join(self._packed) if self._packed else ""
