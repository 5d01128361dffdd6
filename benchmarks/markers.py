"""Fill the parts of a page that are between markers, which name the record that they are made from."""

import re
from collections.abc import Mapping


def fill_markers(page: str, record: str, parts: Mapping[str, str]) -> str:
    """Replace parts of a page, Markdown by their names, between markers; a page need not have all parts.

    A part stands after a comment and ends with another:

    <!-- fit, drawn from estimators.json --> … <!-- end -->
    """
    between = re.compile(rf"(<!-- ([\w ]+), drawn from {re.escape(record)} -->\n).*?(<!-- end -->)", re.DOTALL)
    return between.sub(lambda found: f"{found[1]}\n{parts[found[2]]}\n\n{found[3]}", page)
