"""Fill the parts of a page that are between markers, which name the record that they are made from."""

import re
from collections.abc import Mapping


def fill_markers(page: str, record: str, parts: Mapping[str, str]) -> str:
    """Replace parts of a page, Markdown by their names, between markers.

    A part stands after a comment and ends with another:

    <!-- fit, drawn from estimators.json --> … <!-- end -->
    """
    for name, part in parts.items():
        between = re.compile(rf"(<!-- {re.escape(name)}, drawn from {record} -->\n).*?(<!-- end -->)", re.DOTALL)
        page, count = between.subn(lambda found, part=part: f"{found[1]}\n{part}\n\n{found[2]}", page)
        assert count == 1, f"the page has {count} places for {name}"
    return page
