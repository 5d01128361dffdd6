"""The keys of a section of a recipe, as they are declared: ```` ```{settings} OptimizerSection ```` of MyST."""

from sphinx.application import Sphinx
from written import written_by

import deltarule.problem.recipe_sections  # noqa: F401  (the other sections)
from deltarule.problem.error_messages import as_toml
from deltarule.problem.settings import Section, Setting, settings_of

SECTIONS = {each.__name__: each for each in Section.__subclasses__()}
PLURALS = {"loss": "losses", "penalty": "penalties"}


def described(section: str) -> str:
    """A table of a section's keys, with what each may be, its default and its meaning."""
    rows = [_row(name, setting) for name, setting in settings_of(SECTIONS[section]).items()]
    return "\n".join(["| key | values | default | meaning |", "|---|---|---|---|", *rows])


def _row(name: str, setting: Setting) -> str:
    default = "see below" if isinstance(setting.default, Section) else f"`{as_toml(setting.default)}`"
    return f"| `{name}` | {_values(setting)} | {'needed' if setting.is_needed else default} | {setting.meaning} |"


def _values(setting: Setting) -> str:
    """The allowed values, in which the kind of a formula is a link to the list of its names."""
    kind, allowed = setting.form.kind, setting.form.allowed
    return allowed.replace(kind, f"[{kind}](#{PLURALS.get(kind, f'{kind}s')})", 1) if kind else allowed


def setup(app: Sphinx) -> dict[str, bool]:
    """Add the directive."""
    app.add_directive("settings", written_by(described))
    return {"parallel_read_safe": True}
