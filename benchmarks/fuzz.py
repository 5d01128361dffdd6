"""Fuzz every parser with hundreds of thousands of damaged and hostile files, which it must read, or refuse properly.

    python benchmarks/fuzz.py [TARGET ...] [--inputs 1000000] [--seed 0] [--out DIR] [--json]

Every input is a good file that was changed: bytes, whole numbers, pieces of other files, and also its structure if it
has one (JSON, a recipe, a model's description, a store's rows), so that errors are deep inside. With atheris installed
(`pip install atheris`; Linux), half of the changes are its own, and libFuzzer keeps the inputs that reach new code. A
finding is any error but `DeltaruleError`, a warning, a refusal that is not one printable sentence, and an input that
takes more than two seconds or half a gigabyte. The exit status is 1 if there are findings; --out stores their inputs.
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
from hostile.changes import MAX_CHANGED_BYTES, change_bytes
from hostile.target import Target, check_refusal

MAX_SECONDS, MAX_BYTES = 2.0, 2**29
MIN_INPUTS = 40
MIN_GUIDED_INPUTS = 10_000
"""The number of inputs from which a separate process that libFuzzer guides is worth its start."""


@dataclass
class Found:
    """The record of a target: how many inputs were tried, how many were refused, and the input of each finding."""

    target: str
    inputs: int = 0
    refused: int = 0
    seconds: float = 0.0
    slowest: float = 0.0
    findings: dict[str, bytes] = field(default_factory=dict)


# --- trying ----------------------------------------------------------------------------------------------------------


def try_input(target: Target, content: bytes, found: Found) -> None:
    """Let a target read one input, and record the outcome."""
    found.inputs += 1
    memory, started = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    try:
        target.read(content)
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # Rust's panics are no Exception
        try:
            check_refusal(error)
            found.refused += 1
        except BaseException as other:
            message = f"{type(other).__name__} {_location(other)}: {str(other)[:300]!r}"
            _add_finding(found, message, content)
    seconds = time.process_time() - started
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory) * (1 if sys.platform == "darwin" else 1024)
    found.seconds += seconds
    found.slowest = max(found.slowest, seconds)
    if seconds > MAX_SECONDS:
        _add_finding(found, f"slow: {seconds:.0f} s", content)
    if grown > MAX_BYTES:
        _add_finding(found, f"large: {grown / 2**20:.0f} MiB", content)


def _add_finding(found: Found, message: str, content: bytes) -> None:
    """Record a finding, unless there is one of the same kind and location."""
    kind = message.partition(": ")[0]
    if not any(known.partition(": ")[0] == kind for known in found.findings):
        found.findings[message] = content


def _location(error: BaseException) -> str:
    """The file and line of the last frame of our code in an error's traceback, which identifies a finding."""
    ours = [
        frame for frame in traceback.extract_tb(error.__traceback__) if f"{os.sep}deltarule{os.sep}" in frame.filename
    ]
    return f"{Path(ours[-1].filename).name}:{ours[-1].lineno}" if ours else "outside"


def fuzz(target: Target, inputs: int, seed: int) -> Found:
    """Try a number of inputs on a target, its good files first, then changed ones; reproducible by the seed."""
    found, random, good = Found(target.name), Random(f"{seed} {target.name}"), target.good()
    for content in good[:inputs]:
        try_input(target, content, found)
    with strict_warnings():
        for _ in range(found.inputs, inputs):
            try_input(target, random_change(target, good, random), found)
    return found


def random_change(target: Target, good: Sequence[bytes], random: Random) -> bytes:
    """Change a random one of the good files: its structure, its bytes, or both."""
    content = random.choice(good)
    if target.change is not None and random.random() < 0.7:
        content = target.change(content, random)
        if random.random() < 0.8:
            return content
    return change_bytes(content, random, good)


class strict_warnings:
    """A context in which warnings are errors, except our own sentences, and nothing is logged."""

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


def fuzz_with_atheris(target: Target, inputs: int, seed: int) -> Found:
    """Try inputs as `fuzz` does, in a separate process that libFuzzer guides."""
    with tempfile.TemporaryDirectory() as folder:
        words = [sys.executable, __file__, target.name, "--inputs", str(inputs), "--seed", str(seed), "--child", folder]
        environment = os.environ | {"TMPDIR": folder}  # libFuzzer ends a process without cleaning up
        child = subprocess.run(words, capture_output=True, text=True, errors="replace", env=environment)
        try:
            record = json.loads((Path(folder) / "found.json").read_text(encoding="utf-8"))
        except OSError:
            raise SystemExit(f"the process of {target.name} died:\n{child.stderr[-3000:]}") from None
    findings = {message: bytes.fromhex(content) for message, content in record.pop("findings").items()}
    return Found(**record, findings=findings)


def _run_child(name: str, inputs: int, seed: int, folder: Path) -> None:
    """Fuzz a target with atheris in this process, which writes its record to the folder and exits."""
    import atheris

    target = _target_of_name(name)
    random, found = Random(seed), Found(target.name)
    with atheris.instrument_imports(include=INSTRUMENTED, enable_loader_override=False):
        good = target.good()
        for content in good:  # so that the modules that it imports are instrumented, too
            try_input(target, content, found)
    corpus = folder / "corpus"
    corpus.mkdir()
    for number, content in enumerate(good):
        (corpus / str(number)).write_bytes(content[:MAX_CHANGED_BYTES])

    def try_next(content: bytes) -> None:
        with strict_warnings():
            try_input(target, content, found)
        if found.inputs >= inputs:
            findings = {message: content.hex() for message, content in found.findings.items()}
            record = {**found.__dict__, "findings": findings}
            (folder / "found.json").write_text(json.dumps(record), encoding="utf-8")
            os._exit(0)

    def mutate(content: bytes, max_size: int, seed: int) -> bytes:
        if random.random() < 0.5:
            return random_change(target, [content, *good[:3]], random)[:max_size]
        return bytes(atheris.Mutate(content, len(content) or 1))[:max_size]

    arguments = [sys.argv[0], f"-seed={seed + 1}", f"-max_len={MAX_CHANGED_BYTES}", "-rss_limit_mb=0", "-verbosity=0"]
    atheris.Setup([*arguments, str(corpus)], try_next, custom_mutator=mutate)
    atheris.Fuzz()


def _target_of_name(name: str) -> Target:
    return next(target for target in TARGETS if target.name == name)


def share_inputs(total: int, targets: Sequence[Target]) -> dict[str, int]:
    """Divide the total number of inputs among the targets by their shares, with MIN_INPUTS for each."""
    shares = sum(target.share for target in targets)
    return {target.name: max(MIN_INPUTS, round(total * target.share / shares)) for target in targets}


def format_counts(records: Sequence[Found], origin: str) -> str:
    """The counts of all targets as a table, with their findings; `origin` says how the inputs were made."""
    lines = [f"{'target':12s} {'inputs':>9s} {'refused':>9s} {'CPU s':>7s} {'slowest':>8s}  findings"]
    for found in records:
        counts = f"{found.inputs:>9,} {found.refused:>9,} {found.seconds:>7.1f} {found.slowest:>7.2f}s"
        lines.append(f"{found.target:12s} {counts}  {len(found.findings)}")
        lines += [f"  {message}" for message in found.findings]
    inputs, findings = sum(found.inputs for found in records), sum(len(found.findings) for found in records)
    return "\n".join([*lines, f"{inputs:,} inputs over {len(records)} parsers, {origin}: {findings} findings"])


def main() -> int:
    """Fuzz the targets, and print the counts; return 1 if there are findings, else 0."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("targets", nargs="*", metavar="TARGET", choices=[[], *(target.name for target in TARGETS)])
    parser.add_argument("--inputs", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        _run_child(given.targets[0], given.inputs, given.seed, given.child)
    targets = [_target_of_name(name) for name in given.targets] or list(TARGETS)
    has_atheris = find_spec("atheris") is not None
    records: list[Found] = []
    for name, inputs in share_inputs(given.inputs, targets).items():
        fuzz_target = fuzz_with_atheris if has_atheris and inputs >= MIN_GUIDED_INPUTS else fuzz
        records.append(fuzz_target(_target_of_name(name), inputs, given.seed))
        print(format_counts(records[-1:], "").splitlines()[1], file=sys.stderr, flush=True)
        for number, content in enumerate(records[-1].findings.values()):
            if given.out is not None:
                given.out.mkdir(parents=True, exist_ok=True)
                (given.out / f"{name}-{number}").write_bytes(content)
    origin = "half of them made by libFuzzer" if has_atheris else "made by changing good files"
    if given.json:
        print(json.dumps([{**found.__dict__, "findings": list(found.findings)} for found in records], indent=2))
    else:
        print(format_counts(records, origin))
    return 1 if any(found.findings for found in records) else 0


if __name__ == "__main__":
    sys.exit(main())
