"""Run a script, traced: follow its updates, and find the loops in which they happen."""

import ast
import builtins
import random
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, FrameType, ModuleType
from typing import Any, Self

import numpy as np

from deltarule.checking.scripts.places import as_number, float_leaves
from deltarule.checking.scripts.source import Loop, ScriptSource, expression_code, read_source
from deltarule.proofs.differences import Floats

_FOREIGN_FOLDERS = {"site-packages", "dist-packages", "deltarule"}
"""Modules in these folders are none of the script's own, even where they lie below the script."""


class StopRun(BaseException):
    """Ends the run of a script; no `Exception`, so that a script does not catch it by accident."""


class Sources:
    """The script and the modules beside it, read when they first run."""

    def __init__(self, script: ScriptSource, arguments: Sequence[str] = ()) -> None:
        self.script = script
        self.arguments = tuple(arguments)
        self._folder = Path(script.path).resolve().parent
        self._known: dict[str, ScriptSource | None] = {script.path: script}

    def get(self, filename: str) -> ScriptSource | None:
        if filename not in self._known:
            self._known[filename] = self._read(filename)
        return self._known[filename]

    def has_module(self, name: str) -> bool:
        """Whether a module of this name lies beside the script."""
        top = self._folder / name.partition(".")[0]
        return top.is_dir() or top.with_name(f"{top.name}.py").is_file()

    def _read(self, filename: str) -> ScriptSource | None:
        path = Path(filename)
        if not _is_beside(path, self._folder) or path.suffix != ".py" or not path.is_file():
            return None
        try:
            return read_source(path)
        except (SyntaxError, ValueError, OSError):
            return None


@dataclass
class Pending:
    """An update that is about to run, and the values before it."""

    text: str
    target: Any
    value: Any
    leaves: list[tuple[Any, Floats]]


class TracedRun:
    """One run of a script; a subclass says what is noted.

    `failure` is what the script raised; None if it ran to its end, or we stopped it.
    """

    def __init__(self, sources: Sources, deadline: float) -> None:
        self.sources = sources
        self.deadline = deadline
        self.failure: BaseException | None = None
        self.module = ModuleType("__main__")
        self._last_lines: dict[int, int] = {}
        self._pending: dict[int, list[Pending]] = {}

    def start(self) -> Self:
        """Run the script until it ends, fails or is stopped."""
        script = self.sources.script
        folder = Path(script.path).resolve().parent
        _forget_modules_beside(folder)
        saved = sys.argv, sys.path[:], sys.modules.get("__main__")
        sys.argv = [script.path, *self.sources.arguments]
        sys.path[:0] = [str(folder)]
        sys.modules["__main__"] = self.module
        self.module.__file__ = script.path
        np.random.seed(0)
        random.seed(0)
        try:
            code = compile(script.tree, script.path, "exec")
            sys.settrace(self._enter)
            with np.errstate(all="ignore"), _untraced_imports(self.sources):
                exec(code, vars(self.module))
        except StopRun:
            pass
        except BaseException as error:  # SystemExit too
            self.failure = error
        finally:
            sys.settrace(None)
            self.after_run()
            sys.argv, sys.path[:], main = saved
            if main is not None:
                sys.modules["__main__"] = main
        return self

    def after_run(self) -> None:
        """What happens at the end, however the run ended."""

    def wants(self, code: CodeType, source: ScriptSource) -> bool:
        """Whether the lines of a function are to be followed."""
        return True

    def updates_at(self, frame: FrameType, source: ScriptSource, line: int) -> Iterator[Pending]:
        """The updates in a line, before it runs."""
        for target in source.updates[line]:
            text = ast.unparse(target)
            value = self.value(text, frame)
            is_whole = isinstance(value, int | np.integer) and not isinstance(value, bool)  # m = 0 before m = m - …
            leaves = float_leaves(float(value) if is_whole else value)
            yield Pending(text, target, value, [(path, array.copy()) for path, array in leaves])

    def before_update(self, frame: FrameType, line: int, source: ScriptSource) -> None: ...

    def after_update(self, frame: FrameType, line: int, pending: Pending) -> None: ...

    def line_passed(self, frame: FrameType, event: str, argument: Any, before: int | None) -> None: ...

    def loop_turned(self, frame: FrameType, loop: Loop) -> None: ...

    def returned(self, frame: FrameType) -> None: ...

    def value(self, text: str, frame: FrameType) -> Any:
        """An expression's value in a frame, or None."""
        try:
            return eval(expression_code(text), frame.f_globals, frame.f_locals)
        except Exception:  # whatever the script's own objects raise
            return None

    def own_frames(self, frame: FrameType | None) -> Iterator[FrameType]:
        """A frame and those that called it, as far as they are the script's."""
        while frame is not None and self.sources.get(frame.f_code.co_filename):
            yield frame
            frame = frame.f_back

    def _enter(self, frame: FrameType, event: str, argument: Any) -> Any:
        source = self.sources.get(frame.f_code.co_filename)
        return self._event if source is not None and self.wants(frame.f_code, source) else None

    def _event(self, frame: FrameType, event: str, argument: Any) -> Any:
        if time.monotonic() > self.deadline:
            raise StopRun
        source = self.sources.get(frame.f_code.co_filename)
        assert source is not None
        key = id(frame)
        line = frame.f_lineno
        before = self._last_lines.get(key)
        for pending in self._pending.pop(key, ()):
            self.after_update(frame, before or line, pending)
        self.line_passed(frame, event, argument, before)
        if event == "return":
            self._last_lines.pop(key, None)
            self.returned(frame)
            return self._event
        self._last_lines[key] = line
        if event == "line":
            if line in source.updates:
                self._pending[key] = list(self.updates_at(frame, source, line))
                self.before_update(frame, line, source)
            if line in source.headers:
                self.loop_turned(frame, loop_of(frame, line))
        return self._event


@contextmanager
def _untraced_imports(sources: Sources) -> Iterator[None]:
    """Import what does not lie beside the script without a trace, which would make large libraries slow."""
    plain = builtins.__import__

    def import_module(name: str, globals: Any = None, locals: Any = None, fromlist: Any = (), level: int = 0) -> Any:
        trace = sys.gettrace()
        if trace is None or level > 0 or name in sys.modules or sources.has_module(name):
            return plain(name, globals, locals, fromlist, level)
        sys.settrace(None)
        try:
            return plain(name, globals, locals, fromlist, level)
        finally:
            sys.settrace(trace)

    builtins.__import__ = import_module
    try:
        yield
    finally:
        builtins.__import__ = plain


def loop_of(frame: FrameType, line: int) -> Loop:
    return frame.f_code.co_filename, frame.f_code.co_name, line


def _forget_modules_beside(folder: Path) -> None:
    """Import the modules beside the script anew, so that each run finds them as the first did."""
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if file and name != "__main__" and file.startswith(str(folder)) and _is_beside(Path(file), folder):
            del sys.modules[name]


def _is_beside(path: Path, folder: Path) -> bool:
    return folder in path.parents and not _FOREIGN_FOLDERS & set(path.relative_to(folder).parts)


class LoopFinder(TracedRun):
    """A first run, which learns what is updated in which turns of which loops.

    updates  for each loop and turn the updates in it, as (function, target)
    moved    the updates among these that changed something
    arrays   the updates of more than one number
    lines    for each loop and turn how many different lines ran: a turn that prints the loss has more
    """

    MAX_UPDATES = 3000
    SECONDS_OF_UPDATES = 3.0

    def __init__(self, sources: Sources, deadline: float) -> None:
        super().__init__(sources, deadline)
        self.updates: dict[Loop, dict[int, set[tuple[str, str]]]] = {}
        self.moved: dict[Loop, dict[int, set[tuple[str, str]]]] = {}
        self.lines: dict[Loop, dict[int, int]] = defaultdict(dict)
        self._turns: dict[Loop, int] = defaultdict(int)
        self._lines_of_turn: dict[Loop, set[tuple[str, int]]] = defaultdict(set)
        self.arrays: set[tuple[str, str]] = set()
        self._count = 0
        self._wanted: dict[CodeType, bool] = {}

    def wants(self, code: CodeType, source: ScriptSource) -> bool:
        if code not in self._wanted:
            lines = {line for _, _, line in code.co_lines() if line}
            self._wanted[code] = bool(lines & (source.updates.keys() | source.headers))
        return self._wanted[code]

    def line_passed(self, frame: FrameType, event: str, argument: Any, before: int | None) -> None:
        if event == "line":
            for lines in self._lines_of_turn.values():
                lines.add((frame.f_code.co_filename, frame.f_lineno))

    def loop_turned(self, frame: FrameType, loop: Loop) -> None:
        self.lines[loop][self._turns[loop]] = len(self._lines_of_turn[loop])
        self._lines_of_turn[loop] = set()
        self._turns[loop] += 1

    def after_update(self, frame: FrameType, line: int, pending: Pending) -> None:
        value = self.value(pending.text, frame)
        new = float_leaves(value)
        if not new:
            return
        key = frame.f_code.co_name, pending.text
        is_moved = _is_changed(pending.leaves, new)
        if any(array.size > 1 for _, array in new):
            self.arrays.add(key)
        if not is_moved and as_number(value) is not None and np.ndim(value) == 0:
            return  # a number that stays is no update
        for caller in self.own_frames(frame):
            source = self.sources.get(caller.f_code.co_filename)
            assert source is not None
            for header in source.loops.get(line if caller is frame else caller.f_lineno, ()):
                loop = loop_of(caller, header)
                for noted in (self.updates, self.moved) if is_moved else (self.updates,):
                    noted.setdefault(loop, {}).setdefault(self._turns[loop], set()).add(key)
        self._count += 1
        if self._count == 1:  # what ran before, as imports and reading of data, does not count
            self.deadline = min(self.deadline, time.monotonic() + self.SECONDS_OF_UPDATES)
        if self._count > self.MAX_UPDATES:
            raise StopRun


def _is_changed(old: list[tuple[Any, Floats]], new: list[tuple[Any, Floats]]) -> bool:
    return any(
        path == new_path and array.shape == new_array.shape and not np.array_equal(array, new_array)
        for (path, array), (new_path, new_array) in zip(old, new, strict=False)
    )
