"""Lessons as files: whole pages, whose numbers in the text are those of the lesson."""

import json
import re

import numpy as np
import pytest
from refusals import refuses

from deltarule.learn.pages import LESSONS, file_name, lesson_data, lesson_page, lesson_text, lesson_title, write_lessons


@pytest.mark.parametrize("name", LESSONS)
def test_a_page_is_whole_and_asks_for_nothing(name: str) -> None:
    page = lesson_page(name)
    assert f"<title>{lesson_title(name)} · deltarule</title>" in page and "default-src 'none'" in page
    assert (
        not re.search(r"<(link|img|script)[^>]+(src|href)=\"(?!data:)", page)
        and "import " not in page.split("<script>")[1]
    )
    (data,) = re.findall(r'<script type="application/json" id="lesson-data">(.*?)</script>', page, re.DOTALL)
    assert json.loads(data) == json.loads(json.dumps(lesson_data(name)))
    assert all(f'href="{file_name(other)}"' in page for other in LESSONS if other != name)
    end = page.partition("What a framework does</h2>")[2].partition("</main>")[0]
    (way_on,) = re.findall(r'Next: <a href="(.*?)">|(last page)', end)
    following = LESSONS[LESSONS.index(name) + 1 :]
    assert way_on == ((file_name(following[0]), "") if following else ("", "last page"))


@pytest.mark.parametrize("name", LESSONS)
def test_every_blank_has_slips_a_task_and_a_place_in_the_figure(name: str) -> None:
    data = lesson_data(name)
    families = {block.partition(" = ")[0] for block in data["families"].strip().split("\n\n")}
    blanks = [one for family, _, names in data["quantities"] if family in families for one in names.split()]
    assert sorted(" ".join(task[1] for task in data["tasks"]).split()) == sorted(blanks)
    figure = data["figure"]
    shown = [one for names, *_ in figure["edges"] for one in names]
    shown += [one for names in figure["inputs"].values() for one in names]
    shown += [one for _, _, *columns in figure["cards"] for column in columns for one in column]
    assert set(blanks) | set(data["given"]) <= set(shown)
    steps = [step for _, step, _ in data["quantities"]]
    assert steps == sorted(steps) and len(data["captions"]) == steps[-1] + 1
    assert set(data["example"]) >= set(data["given"])


EXPLAINED = {
    "target": ("slope", r"\*target\* `y`, the number that the prediction should"),
    "weight": ("slope", r"\*weight\* is a number"),
    "bias": ("slope", r"\*bias\* is a number"),
    "unit": ("slope", r"\*unit\* computes x w \+ b, and then bends it"),
    "loss": ("slope", r"\*loss\* `J` says in one number"),
    r"1/u\b": ("node", r"`a` is 1/u\. [^*]*the slope of 1/u is −1/u²"),
    "slope of e": ("node", r"multiplied by e\^\(−h\)[^*]*the slope of e\^\(−z\)"),
    "sample": ("slope", r"\*samples\*: each is an input `x` with its \*target\*"),
    "hidden": ("network", r"hidden units[^#]*It is \*hidden\*"),
    r"(?<!\w)p(?!\w)": ("network", r"\*p\* lies between 0 and 1: it is the probability"),
    "log": ("network", r"\*log\* p if y = 1[^#]*power of e that gives p"),
    "gradient": ("network", r"slopes of `J` [^.]*are the \*gradient\*"),
    "tanh": ("stuck", r"\*tanh\* z is \(e\^z"),
}
"""Words and formulas, with the page that explains them and how the explanation begins."""


@pytest.mark.parametrize("term", EXPLAINED)
def test_a_word_is_explained_where_it_stands_first(term: str) -> None:
    """In the order of reading: a text up to its figure, the figure's captions, then the rest."""
    page, explanation = EXPLAINED[term]
    first = None
    for name in LESSONS[: LESSONS.index(page) + 1]:
        text = re.sub(r"```.*?```", "", lesson_text(name), flags=re.DOTALL)
        captions = "\n".join(lesson_data(name)["captions"])
        text = re.sub(r"<[^>]+>", "", text.replace('data-part="figure">', f">{captions}"))
        text = re.sub(r"\s+", " ", text)
        first = first or ((name, match.start()) if (match := re.search(term, text)) else None)
    begin = re.search(explanation, text)
    assert begin and first and first[0] == page, (first, begin)
    assert begin.start() <= first[1] <= begin.end(), text[first[1] - 80 : first[1] + 80]


def test_the_picture_of_units_shows_what_it_says() -> None:
    """Each curve bends once more than the one before, and its loss is the one that its button names."""
    text = lesson_text("slope")
    points = [(float(x), float(y)) for x, y in re.findall(r'<circle cx="(.*?)" cy="(.*?)"', text)]
    drawn = re.findall(r'polyline points="(.*?)"', text)
    curves = [[tuple(map(float, corner.split(","))) for corner in curve.split()] for curve in drawn]
    losses = [float(loss) for loss in re.findall(r"\d: J = (.*?)</label>", text)]
    assert [len(curve) - 1 for curve in curves] == [1, 2, 3, 4, 5] and len(losses) == 5 and len(points) == 13
    for curve, loss in zip(curves, losses, strict=True):
        errors = [(np.interp(x, *zip(*curve, strict=True)) - y) / 60 for x, y in points]  # 60 pixels a unit of y
        assert np.mean(np.square(errors)) == pytest.approx(loss, rel=0.01, abs=5e-6)


def test_pages_are_written_and_unknown_lessons_refused(tmp_path) -> None:
    files = write_lessons(tmp_path / "new" / "lessons")
    assert [file.name for file in files] == [file_name(name) for name in LESSONS]
    assert all(file.read_text(encoding="utf-8").startswith("<!doctype html>") for file in files)
    with refuses("graf", *LESSONS):
        write_lessons(tmp_path, ("graf",))


def test_texts_of_the_site_are_those_of_the_lessons() -> None:
    for name in LESSONS:
        assert lesson_text(name).startswith("# ") and "```pycon" in lesson_text(name)


def test_the_command_writes_them(deltarule, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    status, out, err = deltarule("learn")
    assert (
        (status, err) == (0, "") and (tmp_path / "lessons" / "4-network.html").exists() and out.count("Written:") == 9
    )
    assert out.splitlines()[-1] == (
        "Begin with 1-slope.html in a browser. Run the exercises in their folder: cd lessons"
    )
    (tmp_path / "file").write_text("")
    status, _, err = deltarule("learn", "file")
    assert status == 2 and "file" in err and len(err.strip().splitlines()) == 1
