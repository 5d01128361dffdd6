"""Pages whose figures stand between markers that name the record they are drawn from."""

import re
from collections.abc import Mapping


def filled(page: str, record: str, parts: Mapping[str, str]) -> str:
    """The page with these parts, as Markdown by their names, between its markers, such as

    <!-- fit, drawn from estimators.json --> … <!-- end -->
    """
    for name, part in parts.items():
        between = re.compile(rf"(<!-- {re.escape(name)}, drawn from {record} -->\n).*?(<!-- end -->)", re.DOTALL)
        page, count = between.subn(lambda found, part=part: f"{found[1]}\n{part}\n\n{found[2]}", page)
        assert count == 1, f"the page has {count} places for {name}"
    return page
