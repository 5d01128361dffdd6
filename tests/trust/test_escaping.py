"""Names of columns, classes, files and studies that contain control sequences of terminals or HTML tags, wherever they
are printed: on the screen, in errors and JSON, on pages and in drawings."""

import json
import re
import xml.etree.ElementTree as ElementTree
from html.parser import HTMLParser
from pathlib import Path

import pytest

from deltarule.errors import MAX_MESSAGE_CHARACTERS, BadInput, RunFailed
from deltarule.recipes import dataset_of, load_recipe
from deltarule.reports.graph import computational_graph
from deltarule.reports.trace_page import explanation_page
from deltarule.studies.explain_study import explain_study
from deltarule.studies.report.page import NAME

TAG = "<img src=x onerror=alert(1)>"
CLEAR, TITLE, BELL, CSI = "\x1b[2J", "\x1b]0;owned\x07", "\x07", "\x9b31m"
BIDI = "\u202e\u202d\u202c\u202b\u202a\u2069\u2068\u2067\u2066\u200f\u200e\u061c"
"""Characters that change the direction of writing (Bidi_Control in Unicode); isolates are closed before they begin."""
HOSTILE = f"{TAG}{CLEAR}{TITLE}{CSI}{BIDI}[/red][bold]:smile:&amp;\"'$x$"
COMMANDS = re.compile(rf"[\x00-\x08\x0b-\x1f\x7f-\x9f{BIDI}]")

RECIPE = """
[data]
file = "points.csv"
target = "kind"
[network]
layers = ["auto", 2, "auto"]
output = "softmax"
[loss]
name = "cross_entropy"
[stopping]
max_steps = 3
[study]
title = {title}
[[assumption]]
what = {title}
value = {title}
why = {title}
"""


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    """The recipe of a study with hostile names of columns, classes, file and texts."""
    cell = '"' + HOSTILE.replace('"', '""') + '"'
    rows = [f"{cell},b,kind", f"1,2,{cell}", "2,1,tame", f"0,2,{cell}", "3,1,tame"]
    (tmp_path / "points.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    path = tmp_path / "[red]study.toml"
    path.write_text(RECIPE.replace("{title}", json.dumps(HOSTILE)), encoding="utf-8")
    return path


class Elements(HTMLParser):
    """The tags of a page with the names of their attributes, in `seen`."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.seen: list[tuple[str, tuple[str, ...]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, tuple(name for name, _ in attrs)))


def is_harmless_page(page: str) -> bool:
    """Whether a page has no injected attribute and no control characters."""
    seen = Elements(page).seen
    assert len(seen) > 10
    return not any(name == "onerror" for _, names in seen for name in names) and not COMMANDS.search(page)


@pytest.mark.parametrize("kind", [BadInput, RunFailed])
def test_an_error_is_one_line_without_control_characters(kind: type[Exception]) -> None:
    message = str(kind(f"there is no column {HOSTILE}\nand no other"))
    assert message.isprintable() and r"\x1b[2J" in message and r"\n" in message
    assert len(str(kind("x" * 10**6))) == MAX_MESSAGE_CHARACTERS


@pytest.mark.slow
def test_commands_print_hostile_names_without_control_characters(recipe: Path, tmp_path: Path, deltarule) -> None:
    for words in (("show", recipe), ("run", recipe, "--out", tmp_path / "out"), ("explain", recipe)):
        status, out, err = deltarule(*words)
        assert status == 0, err
        assert not COMMANDS.search(out + err)
        assert words[0] == "explain" or "onerror" in out
    status, out, err = deltarule("run", recipe, "--set", f"optimizer.{HOSTILE}=1")
    assert status == 2 and not COMMANDS.search(err) and err.count("\n") == 1


@pytest.mark.slow
def test_names_inject_no_element_into_pages_and_drawings(recipe: Path, tmp_path: Path, deltarule) -> None:
    status, _, err = deltarule("run", recipe, "--out", tmp_path / "out")
    assert status == 0, err
    report = (tmp_path / "out" / NAME).read_text(encoding="utf-8")
    assert is_harmless_page(report) and "onerror" in report
    for drawing in (tmp_path / "out").glob("*.svg"):
        text = drawing.read_text(encoding="utf-8")
        ElementTree.fromstring(text)
        assert "<img" not in text and not COMMANDS.search(text)


def test_names_inject_nothing_into_a_trace(recipe: Path) -> None:
    read = load_recipe(recipe)
    explanation = explain_study(read, dataset_of(read), member=0, step=0)
    assert is_harmless_page(explanation_page(explanation))
    drawing = computational_graph(explanation)
    ElementTree.fromstring(drawing)
    assert "<img" not in drawing and not COMMANDS.search(drawing)
    assert not COMMANDS.search(explanation.text())
