"""The pages as a site: built without a warning, and whole without a network."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright
from search_terms import PAGES

DOCS = Path(__file__).parents[2] / "docs"
LOADED = re.compile(r'<(?:script|img|link|iframe|source)\b[^>]*\b(?:src|href)="([^"]+)"')


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    command = ["-m", "sphinx", "--fail-on-warning", "--keep-going", "--quiet", DOCS, folder]
    done = subprocess.run([sys.executable, *command], capture_output=True, encoding="utf-8", check=False)
    assert done.returncode == 0 and done.stderr == "", done.stderr
    return folder


def test_every_page_is_built_and_needs_nothing_from_elsewhere(site: Path) -> None:
    pages = [page.relative_to(DOCS).with_suffix(".html") for page in DOCS.rglob("*.md")]
    assert [page for page in pages if not (site / page).is_file()] == []
    assert 'src="../live/play.html#story=momentum"' in (site / "derivations" / "optimizers.html").read_text("utf-8")
    for page in site.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        offered = re.findall(r'href="([^"]+)" download>', text)
        assert [file for file in offered if not (page.parent / file).is_file()] == [], page.name
        for address in LOADED.findall(text):
            if address.startswith("data:"):
                continue
            assert not re.match(r"(?:\w+:)?//", address), f"{page.name} loads {address}"
            assert (page.parent / address.partition("?")[0].partition("#")[0]).exists(), f"{page.name} loads {address}"


def test_search_puts_the_page_that_answers_first(site: Path) -> None:
    index = json.loads((site / "searchindex.js").read_text(encoding="utf-8").partition("(")[2].rpartition(")")[0])
    for term, page in PAGES.items():
        main = [number for number, _, is_main in index["indexentries"][term] if is_main]
        assert [index["docnames"][number] for number in main] == [page], term


QUESTIONS = {
    "relu at a kink": "derivations/activations",
    "dropout scaling": "derivations/dropout",
    "save and load": "how-to/resume-a-run",
    "class imbalance": "how-to/class-imbalance",
    "resume": "how-to/resume-a-run",
    "onnx": "how-to/a-table-of-your-own",
    "learning curve": "how-to/look-at-a-run",
    "not learning": "reference/why-not-learning",
    "batch norm backward": "derivations/batch-norm",
    "comparing two optimizers over many seeds": "how-to/compare-two-optimizers",
    "gradient check": "how-to/check-your-own-code",
    "momentum formula": "derivations/optimizers",
    "softmax derivative": "derivations/softmax",
    "weight decay": "derivations/penalties",
    "chain rule": "learn/2-node",
    "grid search": "how-to/moving-from-scikit-learn",
    "hyperparameter search": "how-to/moving-from-scikit-learn",
    "early stopping": "how-to/moving-from-scikit-learn",
    "cross validation": "how-to/many-seeds",
    "random seed": "how-to/many-seeds",
    "confidence interval": "how-to/many-seeds",
    "custom loss": "how-to/add-an-activation",
    "missing values": "how-to/a-table-of-your-own",
    "data leakage": "how-to/a-table-of-your-own",
    "feature importance": "how-to/a-table-of-your-own",
    "confusion matrix": "how-to/a-table-of-your-own",
    "plot loss": "how-to/look-at-a-run",
    "decision boundary": "how-to/look-at-a-run",
    "xavier initialization": "derivations/initial-weights",
    "learning rate schedule": "derivations/schedules",
    "adam formula": "derivations/optimizers",
    "vanishing gradient": "reference/why-not-learning",
    "exploding gradient": "reference/why-not-learning",
    "numerical gradient": "how-to/check-your-own-code",
    "learning rate finder": "reference/cli",
}
"""What people type, and the page whose answer should come first."""


def test_the_first_hit_of_a_search_answers(site: Path) -> None:
    path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)
    if path is None and "CI" not in os.environ:
        pytest.skip("there is no Chromium or Chrome here; CI has one, and fails without")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(args=["--no-sandbox"], executable_path=path)
        page, first = browser.new_page(), {}
        for question in QUESTIONS:
            page.goto(f"{(site / 'search.html').as_uri()}?q={question.replace(' ', '+')}")
            hit = page.locator("ul.search > li > a").first
            hit.wait_for()
            page.wait_for_function(
                "/found|finished|did not/i.test(document.querySelector('.search-summary').textContent)"
            )
            first[question] = str(hit.get_attribute("href")).partition(".html")[0]
        browser.close()
    assert first == QUESTIONS


def test_formulas_are_drawn_without_scripts(site: Path) -> None:
    written = sum(len(re.findall(r"^\$\$", page.read_text(encoding="utf-8"), re.M)) // 2 for page in DOCS.rglob("*.md"))
    html = "".join(page.read_text(encoding="utf-8") for page in site.rglob("*.html"))
    drawn = re.findall(r'<math [^>]*display="block".*?</math>', html)
    assert len(drawn) == written
    assert not any("\\" in formula for formula in drawn), "a command of LaTeX was not understood"


def test_an_id_stands_once_on_a_page(site: Path) -> None:
    for page in site.rglob("*.html"):
        ids = Counter(re.findall(r'\bid="([^"]+)"', page.read_text(encoding="utf-8")))
        assert [one for one, times in ids.items() if times > 1] == [], page.name


def test_side_columns_and_captions_are_told_apart_by_a_screen_reader(site: Path) -> None:
    html = (site / "index.html").read_text(encoding="utf-8")
    assert len(set(re.findall(r'<aside class="[\w-]+" aria-label="([^"]+)">', html))) == html.count("<aside") == 2
    assert html.count('role="heading"') == html.count('role="heading" aria-level="2"') > 0


def test_what_is_quoted_as_wrong_has_no_number_of_ours(site: Path) -> None:
    html = (site / "derivations" / "two-layer-network.html").read_text(encoding="utf-8")
    assert re.findall(r'class="eqno">\((\d+)\)', html) == ["1", "2", "3", "4"] and 'id="equation-wrong-7"' in html


def test_what_a_notebook_shows_slides_where_it_is_wider_than_the_page(site: Path) -> None:
    for name in ("encoder", "a-table-of-your-own"):
        html = (site / "notebooks" / f"{name}.html").read_text(encoding="utf-8")
        assert '<div style="overflow-x: auto">' in html


def test_every_source_page_links_back_to_what_it_is_of(site: Path) -> None:
    backs = 0
    for page in (site / "_modules").rglob("*.html"):
        for address in re.findall(r'class="viewcode-back" href="([^"]+)"', page.read_text(encoding="utf-8")):
            name, _, fragment = address.partition("#")
            assert f'id="{fragment}"' in (page.parent / name).read_text(encoding="utf-8"), f"{page.name}: {address}"
            backs += 1
    assert backs > 100
