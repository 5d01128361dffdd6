"""The report in a real browser: it says nothing on its console, asks nobody for anything, and does what it promises."""

import contextlib
import itertools
import json
import re
import sys
from pathlib import Path

import pytest

from deltarule.cli import main
from deltarule.errors import count_of
from deltarule.reports.report import Report, ReportBlock, ReportSection, report_page
from deltarule.reports.table import table

HOSTILE = '<script>document.title="taken"</script><img src=x onerror=\'document.title="taken"\'>&amp; \x1b[31m$x^2$'
PATIENCE = 300_000
"""Milliseconds for what takes a fraction of a second: other work may have the processors."""
WIDE, NARROW = {"width": 1280, "height": 900}, {"width": 360, "height": 740}
LOOKS = [("light", WIDE), ("dark", NARROW)]


def deltarule(folder, *words):
    with contextlib.chdir(folder), pytest.MonkeyPatch.context() as patched, pytest.raises(SystemExit) as ended:
        patched.setattr(sys, "argv", ["deltarule", *map(str, words)])
        main()
    assert not ended.value.code


@pytest.fixture(scope="module")
def page_file(tmp_path_factory):
    """A report of three runs, a range test, judged claims, and names that nobody should have chosen."""
    folder = tmp_path_factory.mktemp("report")
    deltarule(folder, "run", "encoder", "--seeds", 3, "--set", "stopping.max_steps=400", "--out", "all/encoder")
    deltarule(folder, "run", "boundary-xor", "--seeds", 1, "--set", "stopping.max_epochs=300", "--out", "all/xor")
    deltarule(folder, "run", "digits", "--seeds", 9, "--set", "stopping.max_epochs=3", "--out", "all/digits")
    deltarule(
        folder, "run", "digits", "--experiment", "linear", "--set", "stopping.max_epochs=2", "--out", "all/linear"
    )
    deltarule(folder, "lr-range", "encoder", "--seeds", 2, "--out", "all/range")
    (folder / "mine.toml").write_text(GRID, encoding="utf-8")
    deltarule(folder, "sweep", "mine.toml", "--out", "all/grid")
    results = json.loads((DIGITS := folder / "all" / "digits" / "run.json").read_text(encoding="utf-8"))
    DIGITS.write_text(json.dumps(results | {"notes": [HOSTILE], "data": HOSTILE}), encoding="utf-8")
    (folder / "all" / "claims").mkdir()
    (folder / "all" / "claims" / "claims.json").write_text(json.dumps(CLAIMS), encoding="utf-8")
    (folder / "all" / "broken").mkdir()
    (folder / "all" / "broken" / "run.json").write_text("{", encoding="utf-8")
    deltarule(folder, "report", "all")
    return folder / "all" / "report.html"


GRID = """[data]
name = "xor"
[network]
layers = [2, 3, 1]
output = "sigmoid"
[loss]
name = "binary_cross_entropy"
[stopping]
max_epochs = 20
[run]
seeds = 3
[grid]
"optimizer.learning_rate" = [0.01, 0.1, 1.0]
"network.activation" = ["tanh", "relu"]
"""


def reading(share, verdict):
    counted = {"count": round(100 * share), "of": 100, "interval": [max(share - 0.1, 0), min(share + 0.1, 1)]}
    return {**counted, "verdict": verdict, "conditions": {}, "figures": {}, "remark": "as told"}


def claim(id, verdict, share, **others):
    judged = {"claim": f"It learns {id}.", "report": "3,000", "criterion": "it is right", "needed": 0.9}
    silent = {"contradicts_itself": "", "changed": "", "remark": "", "controls": []}
    readings = {} if share is None else {"": reading(share, verdict)}
    return {"id": id, "verdict": verdict, "readings": readings, **judged, **silent, **others}


CONTROL = {"cause": "the decay", "of": "", "flipped": True, "control_only": 9, "claim_only": 1}
CLAIMS = {
    "study": "encoder",
    "data": "one_hot",
    "date": "2026-11-20",
    "engine": "reference",
    "seeds": 100,
    "seconds": 1.0,
    "made": {
        "versions": {"deltarule": "0.1.0"},
        "processor": "a processor",
        "threads": 1,
        "dtype": "float64",
    },
    "claims": [
        claim("encoder-2", "agrees", 1.0),
        claim("encoder-10", "disagrees", 0.02, controls=[CONTROL | {"result": reading(0.97, "agrees")}]),
        claim(HOSTILE, "some seeds", 0.4, claim=HOSTILE, contradicts_itself=HOSTILE),
        claim("encoder-1", "not testable here", None),
    ],
}


@pytest.fixture
def opened(browser, page_file):
    """The page in a window, and what it did that it should not."""
    contexts = []

    def open_page(viewport=WIDE, **given):
        context = browser.new_context(viewport=viewport, **given)
        contexts.append(context)
        context.set_default_timeout(PATIENCE)
        page, complaints = context.new_page(), []
        page.on("console", lambda message: complaints.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda request: complaints.append(request.url))
        page.goto(page_file.as_uri())
        assert complaints.pop(0) == page.url
        return page, complaints

    yield open_page
    for context in contexts:
        context.close()


def test_it_asks_for_nothing_and_complains_of_nothing(opened, page_file):
    page, complaints = opened()
    page.mouse.wheel(0, 100_000)
    page.wait_for_timeout(200)
    assert complaints == []
    assert not re.search(r"https?://", page_file.read_text(encoding="utf-8"))
    assert page_file.stat().st_size < 5_000_000


def test_hostile_names_are_text(opened):
    page, complaints = opened()
    text = page.inner_text("main")
    assert text.count('<script>document.title="taken"</script>') >= 3
    assert "taken" not in page.title()
    assert page.locator("img").count() == 0
    assert "\x1b" not in page.content()
    assert complaints == []


@pytest.mark.parametrize(("scheme", "viewport"), LOOKS, ids=["light, wide", "dark, narrow"])
def test_everybody_can_use_it(opened, scheme, viewport, axe_violations):
    page, _ = opened(viewport, color_scheme=scheme)
    page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
    assert axe_violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")


@pytest.fixture(scope="module")
def model_file(tmp_path_factory):
    """The page of a model for a table whose names nobody should have chosen."""
    folder = tmp_path_factory.mktemp("model")
    rows = "".join(f"{n % 3 + n / 90},{'yes' if n % 2 else 'no'},{(HOSTILE, 'b', 'c')[n % 3]!a}\n" for n in range(90))
    (folder / "t.csv").write_text(f"{'long' * 50},<b>seen</b>,kind\n{rows}", encoding="utf-8")
    deltarule(folder, "train", "t.csv", "--target", "kind", "--out", "m")
    deltarule(folder, "evaluate", "m", "t.csv", "--report", "page.html")
    return folder / "page.html"


@pytest.mark.parametrize(("scheme", "viewport"), LOOKS, ids=["light, wide", "dark, narrow"])
def test_everybody_can_use_the_page_of_a_model(browser, model_file, scheme, viewport, axe_violations):
    context = browser.new_context(viewport=viewport, color_scheme=scheme)
    context.set_default_timeout(PATIENCE)
    page, complaints = context.new_page(), []
    page.on("console", lambda message: complaints.append(message.text))
    page.goto(model_file.as_uri())
    page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
    assert axe_violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    assert "taken" not in page.title() and page.locator("img").count() == 0
    assert complaints == []
    context.close()


def column(page, table, place):
    return page.locator(table).first.locator(f"tbody tr > :nth-child({place})").all_inner_texts()


def test_tables_sort_both_ways(opened):
    page, complaints = opened()
    table = "main > section:first-child table"
    button = page.locator(f"{table} thead button").first
    assert len(column(page, table, 1)) == 4
    button.click()
    names = [name for name in column(page, table, 1) if name.startswith("encoder")]
    assert names == ["encoder-1", "encoder-2", "encoder-10"]
    button.press("Enter")
    assert [name for name in column(page, table, 1) if name.startswith("encoder")] == names[::-1]
    assert page.locator(f"{table} th[aria-sort]").get_attribute("aria-sort") == "descending"
    page.locator(f"{table} thead button").nth(2).click()
    shares = [float(text.split()[0]) for text in column(page, table, 3) if text != "none"]
    assert shares == sorted(shares) and len(shares) == 3
    assert complaints == []


def test_columns_of_numbers_sort_by_them_and_texts_stand_behind(browser, tmp_path):
    """By the number that a cell begins with: of an interval its low end, of a share its percent."""
    rows = [
        ["-0.5 to 1.5", "62.5 %", "1e+06", "h10"],
        ["−10.0 to 9.0", "0.04 %", "-3.5", "–"],
        ["-2.1 to -0.1", "0.1 %", "1,234", "h9"],
        ["10.0 to 14.0", "100.0 %", "", "-inf"],
        ["1.0 to 5.0", "9.5 %", "-1,000", "3-8-3"],
        ["> 9.5 to 9.9", "more than 99.9 %", "±2", "h1"],
    ]
    blocks = [ReportBlock("b", "", table=table(["interval", "share", "number", "text"], rows))]
    (tmp_path / "page.html").write_text(report_page(Report("", [ReportSection("a", "", "", blocks)])), encoding="utf-8")
    page = browser.new_page()
    page.goto((tmp_path / "page.html").as_uri())
    found = []
    for place in range(4):
        page.locator("table.sortable thead button").nth(place).click()
        found.append(column(page, "table.sortable", place + 1))
    page.close()
    assert found == [
        ["−10.0 to 9.0", "-2.1 to -0.1", "-0.5 to 1.5", "1.0 to 5.0", "> 9.5 to 9.9", "10.0 to 14.0"],
        ["0.04 %", "0.1 %", "9.5 %", "62.5 %", "more than 99.9 %", "100.0 %"],
        ["-1,000", "-3.5", "±2", "1,234", "1e+06", ""],
        ["-inf", "–", "3-8-3", "h1", "h9", "h10"],
    ]


@pytest.mark.parametrize("viewport", [WIDE, NARROW], ids=["wide", "narrow"])
def test_what_agrees_and_what_does_not_is_read_without_moving_it(opened, viewport):
    """Beside one another where there is room, as cards on a phone; to a screen reader it stays a table."""
    page, _ = opened(viewport)
    table = page.locator("table.cards.sortable")
    assert table.evaluate("one => one.parentElement.scrollWidth <= one.parentElement.clientWidth")
    assert table.get_by_role("row").count() == (5 if viewport == WIDE else 4)
    told = table.get_by_role("row").filter(has_text="encoder-10").get_by_role("cell").all_inner_texts()
    assert told[0] == "It learns encoder-10." and "not supported" in told[-1] and "Control: the decay" in told[-1]


def test_the_slider_goes_through_the_training(opened):
    page, complaints = opened()
    box = page.locator(".through", has=page.locator("canvas"))
    data = json.loads(box.locator("script").text_content())
    slider, output = box.locator("input"), box.locator("output")
    picture, beside = (one.bounding_box() for one in (box.locator("canvas"), slider))
    assert picture["x"] + picture["width"] <= beside["x"] and picture["y"] <= beside["y"] <= picture["y"] + 100
    pictures = []
    for key, at in (("Home", 0), ("ArrowRight", 1), ("End", len(data["steps"]) - 1)):
        slider.press(key)
        assert output.inner_text() == f"{data['steps'][at]:,}"
        told = f"after {count_of(data['steps'][at], 'update')}"
        assert slider.get_attribute("aria-valuetext") == told
        assert box.locator("p").inner_text() == f"Numbers {'at the end, ' if key == 'End' else ''}{told}."
        shown = box.locator("table[data-name=W1] td").all_inner_texts()
        assert shown == data["tables"]["W1"][at].split(" ")
        pictures.append(box.locator("canvas").evaluate("canvas => canvas.toDataURL()"))
    assert all(one != other for one, other in itertools.combinations(pictures, 2))
    assert complaints == []


def test_curves_answer_the_pointer(opened):
    page, complaints = opened()
    figure = page.locator("figure.curves").first
    figure.scroll_into_view_if_needed()
    data = json.loads(figure.locator("script").text_content())
    x, y, at, value = data[0]["curves"][0]["points"][-1]
    box, view = figure.locator("svg").bounding_box(), figure.locator("svg").get_attribute("viewBox").split()
    scale = box["width"] / float(view[2])
    page.mouse.move(box["x"] + x * scale, box["y"] + y * scale)
    told = figure.locator(".told")
    assert told.is_visible()
    assert f" {value} at updates {at}" in told.inner_text()
    page.mouse.move(0, 0)
    assert not told.is_visible()
    assert complaints == []


def test_without_scripts_everything_is_there_but_the_slider(opened):
    page, complaints = opened(java_script_enabled=False)
    assert page.locator("svg[role=img]").count() >= 22
    assert page.locator("input").count() == 2 and not page.locator("input").first.is_visible()
    assert not page.locator("canvas").is_visible()
    cells = page.locator("table[data-name=W1]").first.locator("td").all_inner_texts()
    assert len(cells) == 24 and all(re.fullmatch(r"[+-]\d+\.\d\d|0\.00", cell) for cell in cells)
    assert page.locator("main > section:first-child tbody tr").count() == 4
    assert complaints == []


def test_a_sweep_is_ranked_and_variants_stand_beside_one_another(opened):
    page, complaints = opened()
    heads = page.locator("h3").all_inner_texts()
    assert "Sweep of mine: grid" in heads and "Variants of digits beside one another" in heads
    figure = page.locator("figure", has=page.locator("svg[aria-label^='Is the winner more than noise?']"))
    numbers = figure.locator("xpath=following-sibling::details[1]")
    numbers.locator("summary").click()
    numbers.locator("thead button", has_text=re.compile(r"^mean")).click()
    means = [float(text) for text in numbers.locator("tbody td:last-child").all_inner_texts()]
    assert means == sorted(means) and len(means) == 6
    table = page.locator("[aria-label='Table: Variants of digits beside one another']")
    assert table.locator("tbody th").all_inner_texts() == ["max epochs 3", "layers auto-auto, dropout 0, max epochs 2"]
    assert complaints == []


def test_every_picture_is_reported_in_words_and_every_address_is_on_the_page(opened):
    page, _ = opened()
    for svg in page.locator("svg[role=img]").all():
        assert len(svg.get_attribute("aria-label")) > 40
    ids = page.eval_on_selector_all("[id]", "found => found.map(one => one.id)")
    assert len(ids) == len(set(ids))
    links = page.eval_on_selector_all("a[href]", "found => found.map(one => one.getAttribute('href'))")
    assert len(links) > 8 and {link[1:] for link in links} <= set(ids)
    references = set(re.findall(r'url\(#([^)]+)\)|href="#(part[^"]+)"', page.content()))
    assert {one or other for one, other in references} <= set(ids) and len(references) > 20


def test_it_prints_all_but_what_only_a_screen_has(opened, tmp_path):
    page, _ = opened()
    closed = page.locator("details > :not(summary)").all()
    assert len(closed) > 20 and not any(one.is_visible() for one in closed)
    page.emulate_media(media="print")
    assert all(one.is_visible() for one in closed)
    assert not page.locator("nav").is_visible() and not page.locator(".control").first.is_visible()
    page.pdf(path=tmp_path / "report.pdf")
    assert (tmp_path / "report.pdf").stat().st_size > 50_000


@pytest.mark.parametrize(("scheme", "viewport"), LOOKS, ids=["light, wide", "dark, narrow"])
def test_everybody_can_use_an_explanation(browser, explained_file, scheme, viewport, axe_violations):
    context = browser.new_context(viewport=viewport, color_scheme=scheme)
    context.set_default_timeout(PATIENCE)
    page, complaints = context.new_page(), []
    page.on("console", lambda message: complaints.append(message.text))
    page.goto(explained_file.as_uri())
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert ground == {"light": "rgb(255, 255, 255)", "dark": "rgb(25, 25, 24)"}[scheme]
    # A formula by its own role is one thing, whose links many readers do not reach; HTML knows no other role for it.
    assert axe_violations(page, without_rules=("aria-allowed-role",)) == []
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.getAttribute('href')") == "#main"
    assert complaints == []
    context.close()


def test_all_digits_of_a_number_are_reported_without_a_mouse(browser, explained_file):
    page = browser.new_page()
    page.set_default_timeout(PATIENCE)
    page.goto(explained_file.as_uri())
    told = "one => getComputedStyle(one, '::after').content"
    cell = page.locator("td:has(a)").first
    digits = json.dumps(cell.get_attribute("title"))
    assert cell.evaluate(told) == "none" and len(digits) > 12
    cell.locator("a").focus()
    assert cell.evaluate(told) == digits
    cell.locator("a").press("Enter")
    assert page.locator(".worked:target").evaluate(told) == digits
    page.close()


@pytest.fixture(scope="module")
def explained_file(tmp_path_factory):
    folder = tmp_path_factory.mktemp("explained")
    deltarule(folder, "explain", "boundary-xor", "--sample", 3, "--html", "explained.html")
    return folder / "explained.html"


def test_the_graph_of_an_explanation_can_be_read_on_a_telephone(browser, tmp_path):
    deltarule(tmp_path, "explain", "encoder", "--html", "explained.html")
    page = browser.new_page(viewport=NARROW)
    page.goto((tmp_path / "explained.html").as_uri())
    drawn = page.evaluate(
        "() => Math.min(...[...document.querySelectorAll('.graph text')].map(one => "
        "parseFloat(getComputedStyle(one).fontSize) * one.getScreenCTM().a))"
    )
    assert drawn >= 8, drawn
    assert page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")
    page.close()


def test_the_number_of_a_wide_formula_stands_beside_it(browser):
    style = (Path(__file__).parents[2] / "docs" / "static" / "deltarule.css").read_text(encoding="utf-8")
    terms = "".join(f"<mo>+</mo><mfrac><mi>a</mi><mn>{n}</mn></mfrac>" for n in range(30))
    formula = f'<div class="math"><span class="eqno">(1)</span><math display="block">{terms}</math></div>'
    page = browser.new_page(viewport=NARROW)
    page.set_content(f"<style>{style}</style>{formula}")
    number, last = ("e => e.getBoundingClientRect()." + side for side in ("left", "right"))
    assert page.locator(".eqno").evaluate(number) >= page.locator("mfrac").last.evaluate(last)
    assert page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")
    page.close()
