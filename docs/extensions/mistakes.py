"""What diagnoses say: the table of mistakes, ```` ```{mistakes} ````, and a fix, ```` ```{fix} dead_units ````."""

from sphinx.application import Sphinx
from written import written_by

from deltarule.checking.catalog import KINDS
from deltarule.symptoms.causes import FIXES


def table() -> str:
    """Each code with what is wrong, and a line with the mistake beside the right line."""
    rows = ["| code | what is wrong | wrong | right |", "|---|---|---|---|"]
    for code, kind in KINDS.items():
        meaning = f"{kind.meaning}{kind.needs and f' Needs `{kind.needs}`.'}"
        rows.append(f"| `{code}` | {meaning} | {_cell(kind.wrong)} | {_cell(kind.right)} |")
    return "\n".join(rows)


def _cell(lines: str) -> str:
    return "<br>".join(f"`{line}`" for line in lines.splitlines())


def fix(code: str) -> str:
    """What the report says to do.

    >>> fix("dominating_penalty")
    '**Fix:** divide the strength by 100; then look for the best one on validation rows.'
    """
    return f"**Fix:** {FIXES[code]}."


def setup(app: Sphinx) -> dict[str, bool]:
    """Add the directives."""
    app.add_directive("mistakes", written_by(table, arguments=0))
    app.add_directive("fix", written_by(fix))
    return {"parallel_read_safe": True}
