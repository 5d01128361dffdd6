"""Split programs that nobody has tried into two halves: rules may be tuned on one, the other is only measured.

    python benchmarks/fresh_halves.py truth.jsonl

`truth.jsonl` has a line a program, with its `name`, its `kind` and its `truth`, written before the first run. The seed
is committed before it, too: a half that is drawn until it flatters the rules measures nothing. Each kind and truth is
dealt to both halves in turn. A difference of more than ten points between them means that the rules fit programs, not
principles. Public code stays out of the repository; its kinds are rewritten as tests.
"""

import json
import random
import sys
from pathlib import Path

SEED = 42


def split(programs: list[dict[str, str]]) -> dict[str, list[str]]:
    """Return the names of both halves: those of each kind and truth, shuffled and dealt in turn."""
    draw = random.Random(SEED)
    dealt = []
    for group in sorted({(program["kind"], program["truth"]) for program in programs}):
        names = sorted(program["name"] for program in programs if (program["kind"], program["truth"]) == group)
        draw.shuffle(names)
        dealt += names
    return {"tuned": sorted(dealt[0::2]), "kept": sorted(dealt[1::2])}


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    lines = Path(sys.argv[1]).read_text(encoding="utf-8").splitlines()
    print(json.dumps(split([json.loads(line) for line in lines]), indent=1))
