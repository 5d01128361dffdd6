"""Write lessons as pages: a text in Markdown, data in TOML, and one script for all lessons."""

import json
import re
import tomllib
from html import escape
from pathlib import Path
from string import Template
from typing import Any

from deltarule.errors import BadInput
from deltarule.files import make_folder, write_whole
from deltarule.learn.exercises import lesson_exercises
from deltarule.playground.page_bundle import bundle

FOLDER = Path(__file__).parent
LESSONS = ("slope", "node", "graph", "network", "batch", "softmax", "stuck", "steps", "seeds")
"""The lessons in their order; lesson n is page n."""


def lesson_text(name: str) -> str:
    """The text of a lesson, in Markdown with places for its parts."""
    return (FOLDER / "lessons" / f"{name}.md").read_text(encoding="utf-8")


def lesson_title(name: str) -> str:
    return lesson_text(name).partition("\n")[0].removeprefix("# ")


def lesson_data(name: str) -> dict[str, Any]:
    return tomllib.loads((FOLDER / "lessons" / f"{name}.toml").read_text(encoding="utf-8"))


def lesson_style() -> str:
    return _page_file("lesson.css")


def lesson_parts(name: str) -> str:
    """The data of a lesson and the script that fills the places of its text, as HTML."""
    data = json.dumps(lesson_data(name), ensure_ascii=False).replace("<", "\\u003c")
    script = bundle("page.js", _page_file)
    data_element = f'<script type="application/json" id="lesson-data">{data}</script>'
    return f'{data_element}\n<script>\n"use strict";\n{script}\n</script>'


def lesson_page(name: str) -> str:
    """A lesson as one HTML file that asks for nothing else."""
    from markdown_it import MarkdownIt

    body = MarkdownIt("commonmark", {"html": True}).enable("table").render(lesson_text(name))
    # The blank line that ends an example, for doctest, is not for the eye.
    body = re.sub(r"\n+</code></pre>", "</code></pre>", body)
    links = []
    onward = "This was the last page. <code>deltarule play</code> shows networks while they learn."
    for number, other in enumerate(LESSONS, 1):
        current = ' aria-current="page"' if other == name else ""
        label = escape(f"{number}: {lesson_title(other)}")
        links.append(f'<a href="{file_name(other)}" aria-label="{label}"{current}>{number}</a>')
        if number == LESSONS.index(name) + 2:
            onward = f'Next: <a href="{file_name(other)}">{escape(lesson_title(other))}</a>'
    return Template(_page_file("page.html")).substitute(
        title=lesson_title(name),
        style=lesson_style() + _page_file("page.css"),
        navigation=f"deltarule · Learn · page {' · '.join(links)}",
        body=body,
        onward=onward,
        parts=lesson_parts(name),
    )


def write_lessons(folder: Path, names: tuple[str, ...] = LESSONS) -> list[Path]:
    """Write lessons with their exercises into a folder, and return the pages; exercises that are there are kept."""
    for name in names:
        if name not in LESSONS:
            raise BadInput(f"there is no lesson {name!r}; there are: {', '.join(LESSONS)}")
    make_folder(folder)
    files = [folder / file_name(name) for name in names]
    for name, file in zip(names, files, strict=True):
        write_whole(file, lesson_page(name))
        write_exercises(folder, name)
    return files


def write_exercises(folder: Path, name: str) -> None:
    """Write the files of a lesson's exercise, but none that is there: a learner may have filled it."""
    solution = FOLDER / "lessons" / f"{name}.py"
    for file, text in lesson_exercises(solution, file_name(name).removesuffix(".html")).items():
        if not (folder / file).exists():
            write_whole(folder / file, text)


def file_name(name: str) -> str:
    return f"{LESSONS.index(name) + 1}-{name}.html"


def _page_file(name: str) -> str:
    return (FOLDER / "page" / name).read_text(encoding="utf-8")
