"""Exercises: solutions with a hole, as a script and as a notebook for learners.

A hole is what stands between `# Your lines: WHAT` and `# End`. The solutions lie beside the lessons' texts.
"""

import json
import re
from pathlib import Path

_HOLE = re.compile(r"^( *)(# Your lines: .*\n)(?:.*\n)*?\1# End\n", re.MULTILINE)
_MISSING = 'raise NotImplementedError("your lines are missing here")  # in place of this line'


def starter(solution: str) -> str:
    """The script that a learner gets: a solution without what stands in its holes."""
    return _HOLE.sub(lambda hole: f"{hole[1]}{hole[2]}{hole[1]}{_MISSING}\n", solution)


def notebook(script: str) -> str:
    """A learner's script as a notebook, whose last cell checks it."""
    _, text, code = script.split('"""', 2)
    name = re.findall(r"^def (\w+)", script.partition("# Your lines")[0], re.MULTILINE)[-1]
    check = f"from deltarule import check\n\nprint(check({name}))"
    title, _, what = text.partition("\n")
    what = re.sub(r"check it: .*", "run both cells.", what.strip())
    cells = [
        {"cell_type": "markdown", "id": "task", "metadata": {}, "source": f"# {title}\n\n{what}"},
        *(
            {"cell_type": "code", "id": id, "metadata": {}, "source": source, "execution_count": None, "outputs": []}
            for id, source in (("exercise", code.strip()), ("check", check))
        ),
    ]
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    record = {"cells": cells, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(record, indent=1, ensure_ascii=False) + "\n"


def lesson_exercises(solution: Path, stem: str) -> dict[str, str]:
    """The files of a lesson's exercise, by name."""
    script = starter(solution.read_text(encoding="utf-8"))
    return {f"{stem}.py": script, f"{stem}.ipynb": notebook(script)}
