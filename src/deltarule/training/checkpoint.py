"""Write checkpoints of a training run and resume from them."""

import hashlib
import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict, fields, is_dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deltarule.array_files import load_arrays, save_arrays
from deltarule.errors import BadInput
from deltarule.maths.elementary import Fixed
from deltarule.problem.fresh_rows import FreshRows
from deltarule.problem.problem import Problem
from deltarule.problem.registry import describe_formula, is_formula, own_digest
from deltarule.problem.state import State
from deltarule.training.continuation import Continuation
from deltarule.training.history import History
from deltarule.training.loop import Reason, TrainingLoop
from deltarule.training.options import StopRules
from deltarule.training.recorder import Recorder

FORMAT = "deltarule checkpoint 4"
CHECKPOINT_INTERVAL_SECONDS = 10.0
MAX_CHECKPOINT_TIME_SHARE = 0.05
"""Checkpoints of large populations take seconds to write; they become rarer, to take at most this share of the time."""


class Checkpoint:
    """The checkpoint file of a training run."""

    def __init__(self, file: Path, loop: TrainingLoop, recorder: Recorder) -> None:
        self.file, self.loop, self.recorder, self.stop = file, loop, recorder, recorder.stop
        # What a training must share with the one that it resumes; computed once, because it hashes all the data.
        self.identity = {
            "problem": problem_digest(loop.problem),
            "engine": loop.engine.name,
            "validation rows": recorder.validation and _digest(recorder.validation),
        }
        self.due = time.perf_counter() + CHECKPOINT_INTERVAL_SECONDS

    def write_if_due(self) -> None:
        started = time.perf_counter()
        if started > self.due:
            self.write()
            ended = time.perf_counter()
            self.due = ended + max(CHECKPOINT_INTERVAL_SECONDS, (ended - started) / MAX_CHECKPOINT_TIME_SHARE)

    def write(self) -> None:
        """Write the file atomically: a reader finds this checkpoint or the one before."""
        now = self.recorder.continuation(self.loop)
        arrays = {
            **_state_arrays(now.state),
            **now.memory,
            **self.recorder.history.arrays(),
            "steps": now.steps,
            "reasons": now.reasons,
        }
        contents = {"format": FORMAT, "seconds": self.loop.seconds, "stop rules": asdict(self.stop)}
        save_arrays(self.file, arrays, contents | self.identity)

    def restore(self) -> None:
        """Load the checkpoint into the loop, or refuse the file of another training."""
        arrays, contents = load_arrays(self.file)
        if contents.get("format") != FORMAT:
            raise BadInput(f"{self.file} is no checkpoint of this version; delete it, or name another file")
        for name, value in self.identity.items():
            if contents.get(name) != value:
                differ = "differ" if name.endswith("s") else "differs"
                raise BadInput(
                    f"{self.file} is a checkpoint of another training: its {name} {differ}; start without resume"
                )
        try:
            before, history = self._load(arrays, contents)
            self.loop.started = time.perf_counter() - float(contents["seconds"])
        except (AttributeError, LookupError, OverflowError, TypeError, ValueError) as error:
            raise BadInput(
                f"{self.file} is a damaged checkpoint ({error}); delete it, and start without resume"
            ) from error
        before.resume(self.loop, self.stop, before.validation)
        self.recorder.history = history

    def _load(self, arrays: dict[str, NDArray[Any]], contents: dict[str, Any]) -> tuple[Continuation, History]:
        """Load arrays into the loop after a check of their shapes and types."""
        loop = self.loop
        history = _history_of(arrays, loop.problem.members)
        start = loop.active
        memory = {name: array for rule in loop.rules for name, array in rule.memory().items()}
        known = {**_state_arrays(start), "steps": loop.updates, "reasons": loop.reasons, **memory}
        # A compiled program checks no bounds: a state of another form must not reach it.
        for name in known.keys() & arrays.keys():
            if (arrays[name].shape, arrays[name].dtype) != (known[name].shape, known[name].dtype):
                raise ValueError(f"its {name} do not fit the training")
        steps = arrays["steps"]
        reasons = arrays["reasons"]
        step = int(arrays["state step"][0])
        if not np.array_equal(arrays["state members"], start.members) or not np.isin(reasons, list(Reason)).all():
            raise ValueError("its members do not fit the training")
        if min(step, steps.min()) < 0:
            raise ValueError("its steps are negative")
        state = State(
            theta=arrays["state theta"],
            slots={name: arrays[f"state slot {name}"] for name in start.slots},
            buffers=arrays["state buffers"],
            factor=arrays["state factor"],
            members=start.members,
            step=step,
        )
        memory = {name: arrays[name] for name in memory if name in arrays}
        stop = StopRules(**contents["stop rules"])
        return Continuation(state, steps, reasons, memory, stop, self.recorder.validation), history


def _history_of(arrays: dict[str, NDArray[Any]], members: int) -> History:
    history = History.from_arrays(arrays)
    if any(row is not None and len(row) != members for rows in history.values.values() for row in rows):
        raise ValueError("its history does not fit its steps and members")
    return history


def checkpoint_engine(file: Path) -> str | None:
    """Return the name of the engine of a checkpoint, with which "auto" resumes."""
    name = load_arrays(file)[1].get("engine")
    return name if isinstance(name, str) else None


def problem_digest(problem: Problem) -> str:
    """Return the SHA-256 digest of all that determines a problem's results."""
    # Without the formulas' own parameters, in whose place there are `numbers`.
    optimizer = replace(problem.optimizer, parameters=Fixed())
    schedule = replace(problem.schedule, parameters=Fixed())
    return _digest(replace(problem, optimizer=optimizer, schedule=schedule, notes=()))


def _digest(value: Any) -> str:
    sha = hashlib.sha256()
    _add_to_digest(sha, value)
    return sha.hexdigest()


def _add_to_digest(sha: Any, value: Any) -> None:
    """Add a value to a digest: an array, a formula, fresh rows, or a container."""
    parts: Iterable[Any] = ()
    if isinstance(value, np.ndarray):
        sha.update(repr((value.shape, value.dtype.str)).encode())
        sha.update(np.ascontiguousarray(value))  # not `tobytes`, which is a copy
    elif is_formula(value):  # the name identifies a built-in one
        sha.update(repr((describe_formula(value), own_digest(value))).encode())
    elif isinstance(value, FreshRows):
        parts = (value.digest, value.shape, value.members)
    elif isinstance(value, Mapping):
        parts = value.items()
    elif isinstance(value, tuple):
        parts = value
    elif is_dataclass(value):
        # A field that came later counts only where it is given, so that older checkpoints stay valid.
        named = [(field.name, getattr(value, field.name)) for field in fields(value)]
        parts = [part for part in named if part != ("fresh", None)]
    else:
        sha.update(repr(value).encode())
    for part in parts:
        _add_to_digest(sha, part)


def _state_arrays(state: State) -> dict[str, NDArray[Any]]:
    named = {field: getattr(state, field) for field in ("theta", "buffers", "factor", "members")}
    named |= {f"slot {slot}": value for slot, value in state.slots.items()}
    return {f"state {field}": value for field, value in named.items()} | {"state step": np.array([state.step])}
