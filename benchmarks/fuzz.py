"""Damaged and hostile files by the hundred thousand: each parser takes them, or refuses them in one sentence.

    python benchmarks/fuzz.py [TARGET ...] [--inputs 1000000] [--seed 0] [--out DIR] [--json]

Every input is a good file that was changed: bytes, whole numbers, pieces of other files, and where a file has a
structure (JSON, a recipe, a model's description, a store's rows) also that, so that what is wrong lies deep inside.
With atheris installed (`pip install atheris`; Linux), half of the changes are its own, and libFuzzer keeps the inputs
that reach code that none reached before. A finding is any error but `DeltaruleError`, a warning, a refusal that is not
one printable sentence, and an input that takes more than two seconds or half a gigabyte. Status 1 where there are
findings; --out keeps what they were found with.
"""

import argparse
import json
import logging
import os
import resource
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from random import Random
from typing import Any

from hostile import TARGETS
from hostile.changes import LARGEST, changed
from hostile.target import Target, refused

MAX_SECONDS, MAX_BYTES = 2.0, 2**29
FEWEST = 40
WORTH = 10_000
"""Inputs from which on it pays to have a process of its own that libFuzzer guides."""


@dataclass
class Found:
    """What was found in a target: how many inputs, how many of them were refused, and each finding once."""

    target: str
    inputs: int = 0
    refused: int = 0
    seconds: float = 0.0
    slowest: float = 0.0
    findings: dict[str, bytes] = field(default_factory=dict)


# --- trying ----------------------------------------------------------------------------------------------------------


def try_one(target: Target, content: bytes, found: Found) -> None:
    """Read one input, and note what came of it."""
    found.inputs += 1
    memory, started = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    try:
        target.read(content)
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # Rust's panics are no Exception
        try:
            refused(error)
            found.refused += 1
        except BaseException as other:
            _note(found, f"{type(other).__name__} {_where(other)}: {str(other)[:300]!r}", content)
    seconds = time.process_time() - started
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory) * (1 if sys.platform == "darwin" else 1024)
    found.seconds += seconds
    found.slowest = max(found.slowest, seconds)
    if seconds > MAX_SECONDS:
        _note(found, f"slow: {seconds:.0f} s", content)
    if grown > MAX_BYTES:
        _note(found, f"large: {grown / 2**20:.0f} MiB", content)


def _note(found: Found, what: str, content: bytes) -> None:
    place = what.partition(": ")[0]
    if not any(one.partition(": ")[0] == place for one in found.findings):
        found.findings[what] = content


def _where(error: BaseException) -> str:
    """The last line of ours that an error passed through, so that each finding is told once."""
    ours = [
        frame for frame in traceback.extract_tb(error.__traceback__) if f"{os.sep}deltarule{os.sep}" in frame.filename
    ]
    return f"{Path(ours[-1].filename).name}:{ours[-1].lineno}" if ours else "outside"


def fuzz(target: Target, inputs: int, seed: int) -> Found:
    """Try so many changed files; the same for the same seed."""
    found, random, good = Found(target.name), Random(f"{seed} {target.name}"), target.good()
    for content in good[:inputs]:
        try_one(target, content, found)
    with quiet():
        for _ in range(found.inputs, inputs):
            try_one(target, one_of(target, good, random), found)
    return found


def one_of(target: Target, good: Sequence[bytes], random: Random) -> bytes:
    """A changed file: of its structure, of its bytes, or of both."""
    content = random.choice(good)
    if target.change is not None and random.random() < 0.7:
        content = target.change(content, random)
        if random.random() < 0.8:
            return content
    return changed(content, random, good)


class quiet:
    """Warnings are errors, so that none gets to the user unexplained; nothing is logged."""

    def __enter__(self) -> None:
        self.caught = warnings.catch_warnings()
        self.caught.__enter__()
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", UserWarning)  # ours, in sentences
        warnings.simplefilter("ignore", ResourceWarning)
        logging.disable(logging.CRITICAL)

    def __exit__(self, *about: Any) -> None:
        logging.disable(logging.NOTSET)
        self.caught.__exit__(*about)


# --- with atheris ----------------------------------------------------------------------------------------------------

INSTRUMENTED = ["deltarule", "tomllib", "csv", "tarfile", "zipfile"]


def guided(target: Target, inputs: int, seed: int) -> Found:
    """As `fuzz`, in a process of its own that libFuzzer guides."""
    with tempfile.TemporaryDirectory() as folder:
        words = [sys.executable, __file__, target.name, "--inputs", str(inputs), "--seed", str(seed), "--child", folder]
        own = os.environ | {"TMPDIR": folder}  # libFuzzer ends a process without tidying up
        child = subprocess.run(words, capture_output=True, text=True, errors="replace", env=own)
        try:
            record = json.loads((Path(folder) / "found.json").read_text(encoding="utf-8"))
        except OSError:
            raise SystemExit(f"the process of {target.name} died:\n{child.stderr[-3000:]}") from None
    findings = {what: bytes.fromhex(content) for what, content in record.pop("findings").items()}
    return Found(**record, findings=findings)


def _child(name: str, inputs: int, seed: int, folder: Path) -> None:
    import atheris

    target = _by_name(name)
    random, found = Random(seed), Found(target.name)
    with atheris.instrument_imports(include=INSTRUMENTED, enable_loader_override=False):
        good = target.good()
        for content in good:  # what it imports is instrumented too
            try_one(target, content, found)
    corpus = folder / "corpus"
    corpus.mkdir()
    for number, content in enumerate(good):
        (corpus / str(number)).write_bytes(content[:LARGEST])

    def one(content: bytes) -> None:
        with quiet():
            try_one(target, content, found)
        if found.inputs >= inputs:
            record = {**found.__dict__, "findings": {what: one.hex() for what, one in found.findings.items()}}
            (folder / "found.json").write_text(json.dumps(record), encoding="utf-8")
            os._exit(0)

    def mutate(content: bytes, largest: int, chosen: int) -> bytes:
        if random.random() < 0.5:
            return one_of(target, [content, *good[:3]], random)[:largest]
        return bytes(atheris.Mutate(content, len(content) or 1))[:largest]

    arguments = [sys.argv[0], f"-seed={seed + 1}", f"-max_len={LARGEST}", "-rss_limit_mb=0", "-verbosity=0"]
    atheris.Setup([*arguments, str(corpus)], one, custom_mutator=mutate)
    atheris.Fuzz()


def _by_name(name: str) -> Target:
    return next(target for target in TARGETS if target.name == name)


def inputs_of(total: int, targets: Sequence[Target]) -> dict[str, int]:
    """How many inputs each target gets of them all: its share, and some at least."""
    shares = sum(target.share for target in targets)
    return {target.name: max(FEWEST, round(total * target.share / shares)) for target in targets}


def told(every: Sequence[Found], kind: str) -> str:
    """The counts as a table, and the findings."""
    lines = [f"{'target':12s} {'inputs':>9s} {'refused':>9s} {'CPU s':>7s} {'slowest':>8s}  findings"]
    for one in every:
        counts = f"{one.inputs:>9,} {one.refused:>9,} {one.seconds:>7.1f} {one.slowest:>7.2f}s"
        lines.append(f"{one.target:12s} {counts}  {len(one.findings)}")
        lines += [f"  {what}" for what in one.findings]
    inputs, findings = sum(one.inputs for one in every), sum(len(one.findings) for one in every)
    return "\n".join([*lines, f"{inputs:,} inputs over {len(every)} parsers, {kind}: {findings} findings"])


def main() -> int:
    """Try every target, print the counts; status 1 where there are findings."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("targets", nargs="*", metavar="TARGET", choices=[[], *(target.name for target in TARGETS)])
    parser.add_argument("--inputs", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        _child(given.targets[0], given.inputs, given.seed, given.child)
    targets = [_by_name(name) for name in given.targets] or list(TARGETS)
    has_atheris = find_spec("atheris") is not None
    every: list[Found] = []
    for name, inputs in inputs_of(given.inputs, targets).items():
        every.append((guided if has_atheris and inputs >= WORTH else fuzz)(_by_name(name), inputs, given.seed))
        print(told(every[-1:], "").splitlines()[1], file=sys.stderr, flush=True)
        for number, content in enumerate(every[-1].findings.values()):
            if given.out is not None:
                given.out.mkdir(parents=True, exist_ok=True)
                (given.out / f"{name}-{number}").write_bytes(content)
    kind = "half of them made by libFuzzer" if has_atheris else "made by changing good files"
    if given.json:
        print(json.dumps([{**one.__dict__, "findings": list(one.findings)} for one in every], indent=2))
    else:
        print(told(every, kind))
    return 1 if any(one.findings for one in every) else 0


if __name__ == "__main__":
    sys.exit(main())
