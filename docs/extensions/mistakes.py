"""The table of mistakes that are found by name: ```` ```{mistakes} ```` of MyST."""

from sphinx.application import Sphinx
from written import written_by

from deltarule.checking.catalog import KINDS


def table() -> str:
    """Each code with what is wrong, and a line with the mistake beside the right line."""
    rows = ["| code | what is wrong | wrong | right |", "|---|---|---|---|"]
    for code, kind in KINDS.items():
        meaning = f"{kind.meaning}{kind.needs and f' Needs `{kind.needs}`.'}"
        rows.append(f"| `{code}` | {meaning} | {_cell(kind.wrong)} | {_cell(kind.right)} |")
    return "\n".join(rows)


def _cell(lines: str) -> str:
    return "<br>".join(f"`{line}`" for line in lines.splitlines())


def setup(app: Sphinx) -> dict[str, bool]:
    """Add the directive."""
    app.add_directive("mistakes", written_by(table, arguments=0))
    return {"parallel_read_safe": True}
