"""A Node process that answers questions, a line of JSON each: one start serves all examples of a test."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

needs_node = pytest.mark.skipif(
    not shutil.which("node") and "CI" not in os.environ, reason="there is no Node here; CI has one, and fails without"
)


class NodeProcess:
    """Runs a script with arguments until it is closed."""

    def __init__(self, script: Path, *arguments: str) -> None:
        command = ["node", str(script), *arguments]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8")

    def ask(self, question: Any) -> Any:
        """Return what the script answers."""
        assert self.process.stdin is not None and self.process.stdout is not None
        print(json.dumps(question), file=self.process.stdin, flush=True)
        return json.loads(self.process.stdout.readline())

    def close(self) -> None:
        """End the process, and wait for it."""
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()
