"""Whether everybody can use a page, by axe's rules."""

from typing import Any

from axe_playwright_python.sync_playwright import Axe


def axe_violations(page: Any, *, without_rules: tuple[str, ...] = ()) -> list[str]:
    """By rule and element, what keeps people from using a page; lists of what is right would take most of the time."""
    options = {"resultTypes": ["violations"], "rules": {rule: {"enabled": False} for rule in without_rules}}
    found = Axe().run(page, options=options).response["violations"]
    return [f"{one['id']}: {one['help']}: {node['html'][:200]}" for one in found for node in one["nodes"]]
