"""The lessons' worksheets in a browser, as learners use them.

An independent calculation says what is right and what slips give.
"""

import math
import random
import re
import time
from collections import Counter
from pathlib import Path

import pytest
from lessons_by_hand import BY_HAND, NETWORK, rounded

from deltarule.learn.pages import FOLDER, LESSONS, file_name, lesson_data, lesson_title, write_lessons
from deltarule.stats.intervals import share_interval

SEEDS = range(1, 51)
SITE = Path(__file__).parents[2] / "docs" / "learn"
WIDTHS = (320, 390, 768, 1280)
EMPTY_SHEET = "sheet.blanks = {}; for (const name of BLANKS) rows[name].input.value = ''; drawSheet()"
DRAW = "((window.drawn ??= {})[seed] ??= drawExercise(seed))"
"""An exercise, drawn once: most of the time goes by looking for one without coincidences."""


def wait_until(page, condition: str) -> None:
    """Wait for what a page's script computes; the page itself may not evaluate text, as `wait_for_function` does."""
    limit = time.monotonic() + 60
    while not page.evaluate(condition):
        assert time.monotonic() < limit, condition
        page.wait_for_timeout(20)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("learn")
    write_lessons(folder)
    return folder


@pytest.fixture(scope="module")
def open_lesson(browser, folder):
    """Return a function that opens a lesson; what it asked for and what failed is checked at the end."""
    requests, errors = [], []

    def opened(name, address="#1", **options):
        settings = {"viewport": {"width": 1280, "height": 720}, "reduced_motion": "reduce", **options}
        page = browser.new_context(**settings).new_page()
        page.on("request", lambda request: requests.append(request.url))
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
        page.goto((folder / file_name(name)).as_uri() + address)
        wait_until(page, "sheet !== null")
        return page

    yield opened
    assert not errors
    assert {url.partition("#")[0] for url in requests} <= {(folder / file_name(name)).as_uri() for name in LESSONS}


@pytest.fixture(scope="module")
def pages(open_lesson):
    return {name: open_lesson(name) for name in LESSONS}


def as_typed(text):
    """A number on the page, as one types it into a calculator: −8.1·10⁻⁵ is −8.1e-5."""
    power = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹−", "0123456789-")
    return float(text.replace("·10⁻", "e-").translate(power))


def judged(page, seed, answers):
    """The page's judgments of (blank, text), a number or a formula."""
    return page.evaluate(
        """([seed, answers]) => {
          const exercise = DRAW;
          return answers.map(([name, text]) => {
            const value = evaluate(parse(text), exercise.values);
            return judge(exercise, name, value, {}, text);
          });
        }""".replace("DRAW", DRAW),
        [seed, answers],
    )


def given_numbers(page, seed):
    return page.evaluate(f"(seed) => JSON.parse(JSON.stringify({DRAW}.given))", seed)


def enter(page, blank, text):
    field = page.get_by_role("textbox").nth(list(page.evaluate("BLANKS")).index(blank))
    field.fill(text)
    field.press("Enter")
    return page.evaluate(
        """(name) => [sheet.blanks[name].state,
          new DOMParser().parseFromString(sheet.blanks[name].say, "text/html").body.textContent]""",
        blank,
    )


@pytest.mark.parametrize("name", LESSONS)
def test_right_answers_are_accepted(pages, name):
    """As numbers rounded in four ways, rounded along the way, and as formulas."""
    lesson, generator, count = BY_HAND[name], random.Random(1), 0
    for seed in SEEDS:
        given = given_numbers(pages[name], seed)
        assert all(abs(value * 20 - round(value * 20)) < 1e-9 for value in given.values())
        ways = (lambda v: v, rounded, lambda v: rounded(v, generator.choice((3, 4, 5))), lambda v: rounded(v, 4))
        values, digits = lesson.compute(given, ways[seed % 4]), (6, 3, 5, 3)[seed % 4]
        numbers = [(blank, f"{values[blank]:.{digits}g}") for blank in lesson.blanks]
        if seed % 5 == 0:
            numbers = [(blank, text.replace(".", ",").replace("-", "−")) for blank, text in numbers]
        formulas = [(blank, texts[seed % len(texts)]) for blank, texts in lesson.spellings.items()]
        for answer, judgment in zip(numbers + formulas, judged(pages[name], seed, numbers + formulas), strict=True):
            assert judgment["kind"] == "right", (seed, answer, judgment)
            count += 1
    assert count == 100 * len(lesson.blanks)


@pytest.mark.parametrize("name", LESSONS)
def test_slips_are_named(pages, name):
    """Each of the table by its own words, on most of fifty sheets, as numbers of four digits; another name is rare."""
    lesson, named, misnamed, total = BY_HAND[name], Counter(), [], Counter()
    for seed in SEEDS:
        v = lesson.compute(given_numbers(pages[name], seed), float)
        cases = [
            (index, (blank, f"{wrong(v):#.4g}"), words)
            for index, (_, blank, wrong, words) in enumerate(lesson.slips)
            if f"{wrong(v):.3g}" != f"{v[blank]:.3g}"  # as δ = p for y = 0
        ]
        judgments = judged(pages[name], seed, [answer for _, answer, _ in cases])
        for (index, answer, words), judgment in zip(cases, judgments, strict=True):
            total[index] += 1
            named[index] += words in judgment.get("sentence", "")
            if judgment["kind"] == "right" or (judgment["kind"] == "slip" and words not in judgment["sentence"]):
                misnamed.append((seed, answer, words, judgment))
    assert not [lesson.slips[index] for index in total if named[index] < 0.6 * total[index]]
    assert named.total() >= 0.95 * total.total() and len(misnamed) <= 0.02 * total.total(), misnamed


def test_random_numbers_of_four_digits_seldom_get_a_name(pages):
    generator, tried, named = random.Random(2), 0, 0
    for name, page in pages.items():
        lesson = BY_HAND[name]
        for seed in SEEDS:
            values = lesson.compute(given_numbers(page, seed), float)
            answers = [
                (
                    blank,
                    f"{values[blank] * generator.uniform(0.3, 1.7) if i % 2 else generator.uniform(-1.5, 1.5):#.4g}",
                )
                for blank in lesson.blanks
                for i in range(6)
            ]
            for (blank, text), judgment in zip(answers, judged(page, seed, answers), strict=True):
                tried, named = tried + 1, named + (judgment["kind"] == "slip")
                is_off = abs(float(text) - values[blank]) > 0.02 * abs(values[blank])
                assert judgment["kind"] != "right" or not is_off, (seed, blank, text)
    assert named <= 0.011 * tried


@pytest.mark.parametrize("name", LESSONS)
def test_no_likely_slip_is_as_good_as_right(pages, name):
    found = pages[name].evaluate(f"Array.from({{length: 50}}, (_, i) => i + 1).map((seed) => coincidences({DRAW}))")
    assert None not in found  # infinity


@pytest.mark.parametrize("name", LESSONS)
def test_numbers_rounded_too_early_are_called_so(pages, name):
    """With two decimals on the way: right, or close, and hardly ever a slip."""
    lesson, kinds = BY_HAND[name], Counter()
    for seed in SEEDS:
        given = given_numbers(pages[name], seed)
        values, early = lesson.compute(given, float), lesson.compute(given, lambda value: round(value + 1e-9, 2))
        answers = [
            (blank, f"{early[blank]:.2f}")
            for blank in lesson.blanks
            if 0.02 < abs(early[blank] - values[blank]) < 0.1 * abs(values[blank])
        ]
        kinds.update(judgment["kind"] for judgment in judged(pages[name], seed, answers))
    assert kinds["unknown"] + kinds["slip"] <= 0.1 * kinds.total(), kinds


@pytest.mark.parametrize("name", LESSONS)
def test_a_worksheet_is_filled_by_keyboard_alone_and_kept(open_lesson, name):
    page = open_lesson(name, "#7")
    lesson, values = BY_HAND[name], BY_HAND[name].compute(given_numbers(page, 7), float)
    page.get_by_role("textbox").first.focus()
    done = []
    for _ in lesson.blanks:
        blank = page.evaluate("Object.keys(rows).find((name) => rows[name].input === document.activeElement) ?? ''")
        if not blank:
            break
        done.append(blank)
        page.keyboard.type(f"{values[blank]:.3g}")
        page.keyboard.press("Enter")
    assert page.locator(".bar output").inner_text() == f"{len(done)} of {len(done)} filled"
    assert page.evaluate("document.activeElement.closest('.code') !== null")
    code = page.locator(".code input").input_value()
    assert code.startswith(f"{LESSONS.index(name) + 1}-7-")
    page.reload()
    wait_until(page, "sheet !== null")
    assert page.locator(".blank.right").count() == len(done) and page.locator(".code input").input_value() == code


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("z1", "looking for"),
        ("2 +", "missing"),
        ("(1", "bracket"),
        ("foo(3)", "no “foo”"),
        ("constructor", "no “constructor”"),
        ("__proto__", "no “"),
        ("a1*2", "not known"),
        ("<img src=x onerror=1>", "can’t read"),
        ("1/0", "no number"),
        ("sigmoid", "brackets"),
        ("mean(z2, z3)", "no function mean"),
        ("(1, z2)", "comma"),
        ("max(1)", "two numbers"),
        ("z1; 3", "can’t read"),
        ("1" * 300, ""),
    ],
)
def test_what_cannot_be_read_is_explained(pages, text, words):
    page = pages["network"]
    page.evaluate(EMPTY_SHEET)
    state, said = enter(page, "z1", text)
    assert state == "wrong" and words in said
    assert page.locator(".tasks img").count() == 0


def test_messages_write_what_a_keyboard_has(pages):
    for name in LESSONS:
        pages[name].evaluate(EMPTY_SHEET)
        _, said = enter(pages[name], BY_HAND[name].blanks[0], "foo")
        listed = said.partition("write ")[2].rstrip(".")
        assert listed.isascii() and len(listed.split(", ")) > 3, said
        for word in listed.split(", "):
            assert pages[name].evaluate("(word) => namesIn(parse(word)).has(word)", word), (name, word)


@pytest.mark.parametrize("name", LESSONS)
def test_nothing_is_marked_before_a_try(open_lesson, name):
    page, blanks = open_lesson(name, "#2"), BY_HAND[name].blanks
    marked = page.locator(".beside .num.from")
    for index in range(len(blanks)):
        page.get_by_role("textbox").nth(index).focus()
        assert marked.count() == 0, blanks[index]
    enter(page, blanks[0], "0.98765")
    assert marked.count() > 0


FORMS = {
    7.2e-5: "7.2E-5; 7.2e-05; 7,2E−5; 7.2 e-5; 7.2·10⁻⁵; 7.2×10⁻⁵; 7.2 x 10^-5; 7.2*10**-5; 7,2 ∙ 10^(−5); 7.2·10^{-5}",
    -7.2e-5: r"−7.2\cdot10^{-5}; -7.2 \times 10^{-5}; –7,2E–5; −7,2·10⁻⁵",
    0.001: "1E-3; 1e-3; 10⁻³; 1/1000; 0,1 %; .001",
    1.5: "1.5E+0; 1½; 1 ½; 3/2; 3:2; 150 %; 1,50; 15·10⁻¹",
    0.25: "1/4; 1 / 4; 1⁄4; 1÷4; 1∕4; ¼; √(0,0625); 2⁻²; ½²; |−¼|; 25 percent; 25 per cent",
    0.52: "0,52; ,52; .52; 0.52.; ５２/１００;  0.52\u202f; +0.52; (0.52); [0.52]; 52 %; 52%; 52,0 %",
    -0.52: "−0.52; –0.52; —0,52; ‑0.52; －0.52; - 0.52; −,52; −52 %; (−0.52)",
    math.sqrt(2): "√2; √(2); √ 2; sqrt(2); 2^0,5; 2**½",
    math.exp(-1): "e⁻¹; e^-1; e^(−1); exp(−1); 1/e",
}


def test_numbers_are_read_as_people_write_them(pages):
    forms = {text: value for value, texts in FORMS.items() for text in texts.split(";")}
    read = pages["seeds"].evaluate("(texts) => texts.map((text) => evaluate(parse(text), {}))", list(forms))
    assert dict(zip(forms, read, strict=True)) == pytest.approx(forms)


WAYS = (
    lambda text: f"{float(text):.2E}",
    lambda text: f"{float(text):.2e}".replace("e-0", "·10^-").replace("e+0", "×10^"),
    lambda text: f"{float(text):.2e}".replace(".", ",").replace("e", " e").replace("-", "−"),
    lambda text: "= " + text,
    lambda text: f"≈{text.replace('0.', '.', 1)}",
    lambda text: f"{float(text) * 100:.6g} %",
    lambda text: f"{float(text) * 1000:.6g}/1000",
    lambda text: f"{float(text) * 1000:.6g} · 10⁻³".replace(".", ","),
)


@pytest.mark.parametrize("name", LESSONS)
def test_right_numbers_are_accepted_in_every_way_of_writing(open_lesson, name):
    page, lesson = open_lesson(name, "#4"), BY_HAND[name]
    values = lesson.compute(given_numbers(page, 4), float)
    for blank in lesson.blanks:
        for way in WAYS:
            page.evaluate(EMPTY_SHEET)
            text = way(f"{values[blank]:.3g}")
            said = page.evaluate(
                "([name, text]) => { rows[name].input.value = text; check(name); return sheet.blanks[name]; }",
                [blank, text],
            )
            assert said["state"] == "right", (blank, text, said)


def test_a_small_number_is_short_only_if_it_is(pages):
    """Of 0.0001234 two digits are too few, and three are enough."""
    read = pages["steps"].evaluate(
        """() => {
          const exercise = { values: { s: 0.0001234 }, rounded: {}, tolerance: { s: 5.5e-7 }, early: { s: 0 } };
          return ["1.2E-4", "1.2·10⁻⁴", "0.00012", "1.23E-4"].map((text) => {
            const value = evaluate(parse(text), {});
            return judge(exercise, "s", value, {}, text).kind;
          }); }"""
    )
    assert read == ["short", "short", "short", "right"]


@pytest.mark.parametrize("name", LESSONS)
def test_no_two_given_numbers_of_a_sheet_are_alike(pages, name):
    """With two equal biases the wrong one would be right, and with a factor of 1 its lack."""
    kinds = {key: spec[2:] for key, spec in lesson_data(name)["given"].items()}
    for seed in SEEDS:
        given = given_numbers(pages[name], seed)
        sizes = [abs(value) for key, value in given.items() if kinds.get(key) != ["binary"] and value is not None]
        assert len({*sizes, 1}) == len(sizes) + 1, (seed, given)


def test_the_verdict_of_page_9_is_explained_as_it_is(pages):
    found = set()
    for seed in range(1, 61):
        v = BY_HAND["seeds"].compute(given_numbers(pages["seeds"], seed), float)
        others = [verdict for verdict in (-1, 0, 1) if verdict != v["d"]]
        for other, judgment in zip(
            others, judged(pages["seeds"], seed, [("d", str(other)) for other in others]), strict=True
        ):
            words = {
                True: "g is inside the interval",
                False: "whole interval is on one side" if other == 0 else "other way round",
            }[v["d"] == 0]
            assert judgment["kind"] == "slip" and words in judgment["sentence"], (seed, v, other, judgment)
            found.add((v["d"], other))
    assert len(found) == 6


def test_a_teachers_link_asks_for_some_blanks(open_lesson):
    page = open_lesson("network", "#3;d1,d2,dw1")
    assert page.locator(".blank:visible").count() == 3 and page.locator(".task:visible").count() == 2
    assert page.locator(".bar output").inner_text() == "0 of 3 filled"
    assert page.evaluate("handIn(0)") != open_lesson("network", "#3").evaluate("handIn(0)")
    page.get_by_role("button", name="New numbers").click()
    wait_until(page, "sheet.seed !== 3")
    assert page.locator(".blank:visible").count() == 3


def test_numbers_are_dragged_and_stepped_through(open_lesson):
    page = open_lesson("network")
    slider = page.get_by_role("slider", name="Step")
    slider.focus()
    for _ in range(11):
        page.keyboard.press("ArrowRight")
    assert "Back 6 of 6" in page.locator(".steps output").inner_text()
    number = page.locator("[data-part=figure] [data-name=w1]")
    number.scroll_into_view_if_needed()
    box = number.bounding_box()
    page.mouse.move(box["x"] + 5, box["y"] + 5)
    page.mouse.down()
    page.mouse.move(box["x"] + 55, box["y"] + 5, steps=5)
    page.mouse.up()
    assert page.evaluate("example.w1") == pytest.approx(1.35)
    page.locator("[data-part=figure] [data-name=w5]").focus()
    page.keyboard.press("ArrowUp")
    assert page.evaluate("example.w5") == pytest.approx(-0.6)


@pytest.mark.parametrize("name", LESSONS)
def test_numbers_of_the_figure_are_those_by_hand(pages, name):
    shown, by_hand = pages[name].evaluate("computeAll(EXAMPLE)"), BY_HAND[name]
    expected = by_hand.compute(
        {key: shown[key] for key in [*lesson_data(name)["given"], "rate"] if key in shown}, float
    )
    for key, value in expected.items():
        assert shown[key] == pytest.approx(value, abs=1e-12), key


@pytest.mark.parametrize("name", LESSONS)
def test_a_pocket_calculator_gives_what_worked_lines_show(pages, name):
    lines = pages[name].evaluate(
        """() => [computeAll(EXAMPLE), ...[1, 2, 3, 4].map((seed) => drawExercise(seed).values)].flatMap((values) =>
          QUANTITIES.map(({ name, formula: tree }) =>
            [tree, shownIn(tree, values, name), show(values[name], name), name]))"""
    )
    for tree, texts, shown, quantity in lines:
        seen = {part: as_typed(text) for part, text in texts.items()}
        value = pages[name].evaluate("([tree, seen]) => evaluate(tree, seen)", [tree, seen])
        whole = quantity in lesson_data(name).get("whole", [])
        assert as_typed(shown) == (value if whole else rounded(value)), (quantity, texts, shown)


def test_ties_are_rounded_as_in_school(pages):
    texts = pages["network"].evaluate("[-2.255, 0.1 + 0.035, 1.005, 8.125e-5, 999.5, -1234.5, 0].map((v) => show(v))")
    assert texts == ["−2.26", "0.135", "1.01", "8.13·10⁻⁵", "1000", "−1235", "0"]
    assert pages["network"].evaluate("[show(0.125, 'w1'), show(-1, 'w1')]") == ["0.13", "−1.00"]


@pytest.mark.parametrize("name", LESSONS)
def test_every_button_breaks_the_figure_and_says_why(open_lesson, name):
    page = open_lesson(name)
    before = page.evaluate("example")
    for spec in lesson_data(name)["breaks"]:
        page.get_by_role("button", name=re.sub(r"\s+", " ", spec["title"])).or_(
            page.locator("[data-part=breaks] button").nth(lesson_data(name)["breaks"].index(spec))
        ).last.click()
        said = page.locator(".broken").inner_text()
        assert "{" not in said and "?" not in said and bool(said) == bool(spec.get("text", "after another"))
    assert page.evaluate("example") == before


@pytest.mark.parametrize("name", LESSONS)
def test_no_word_of_a_sentence_becomes_a_symbol(pages, name):
    """As “a rate α”, where the rate is a name too."""
    texts = pages[name].evaluate(
        """() => [...LESSON.captions, ...BLANKS.flatMap(slipsOf).map(({ sentence }) => sentence)]
          .map((text) => new DOMParser().parseFromString(typeset(text), "text/html").body.textContent)"""
    )
    assert texts and not [text for text in texts if "α α" in text or re.search(r"\b(a|the|The|no) α\b", text)]


def test_what_breaking_says_holds(open_lesson):
    """The texts have numbers that the lesson's data do not compute."""
    graph = open_lesson("graph")
    graph.locator("[data-part=breaks] button").first.click()
    assert graph.evaluate("[example.J, computeAll(EXAMPLE).J, computeAll(EXAMPLE).dx]") == pytest.approx(
        [0.81, 0.6, 1.95]
    )
    softmax = open_lesson("softmax")
    softmax.locator("[data-part=breaks] button").first.click()
    assert softmax.evaluate("[1, 2, 3].map((i) => example[`p${i}`] - computeAll(EXAMPLE)[`p${i}`])") == pytest.approx(
        [0] * 3
    )
    for name, button, holds in (
        ("stuck", 2, "example.z2 < 0 && example.d4 > 0 && [1, 2, 3].every((i) => example[`d${i}`] === 0)"),
        ("stuck", 3, "example.z3 > 0 && example.d3 !== 0"),
        ("steps", 0, "Math.abs(Math.abs(example.wa - example.w) - 0.1) < 1e-12 && Math.abs(example.v1) > 10"),
        ("steps", 1, "Math.abs(example.dw - 0.3 * example.w) < 1e-12 && example.v1 !== 0"),
        ("steps", 2, "Math.abs(example.n - computeAll(EXAMPLE).n) < 1e-12"),
        ("seeds", 0, "example.d === 1 && 3 * (example.high - example.low) < 2 * computeAll(EXAMPLE).h"),
        ("seeds", 2, "example.d === -1"),
        ("seeds", 3, "example.t < 0.05 && computeAll(EXAMPLE).t === 0.0625"),
    ):
        page = open_lesson(name)
        page.locator("[data-part=breaks] button").nth(button).click()
        assert page.evaluate(holds), (name, button)
    batch = open_lesson("batch")
    batch.locator("[data-part=breaks] button").first.click()
    assert batch.evaluate("example.dw - (example.p1 - example.y1) * example.x1") == pytest.approx(0, abs=1e-15)
    network = open_lesson("network")
    for button, holds in (
        (0, "example.dw1 === 0 && example.dw4 === 0 && example.dw5 === example.dw6 && example.dw5 !== 0"),
        (2, "example.w5 !== 0"),
        (2, "example.w1 === example.w2 && example.w1 !== 0"),
        (1, "Math.abs(example.d1) < 1e-12"),
        (3, "example.w1 === EXAMPLE.w1"),
    ):
        network.locator("[data-part=breaks] button").nth(button).click()
        assert network.evaluate(holds), button


def test_answers_of_the_guesses_hold():
    start = BY_HAND["slope"].compute(lesson_data("slope")["example"], float)
    assert (start["J"], round(start["J1"], 3), start["dw"]) == (pytest.approx(1.44), 0.666, pytest.approx(-1.92))
    longer = BY_HAND["slope"].compute(lesson_data("slope")["example"] | {"rate": 2.0}, float)
    assert f"{longer['J1']:.2f}" == "3.50" and f"{longer['new'] - 0.5:.2f}" == "3.84"
    graph = BY_HAND["graph"].compute(lesson_data("graph")["example"], float)
    assert [graph["dm"] * graph["s"], graph["ds"], graph["dx"]] == pytest.approx([0.75, 1.2, 1.95])
    batch = BY_HAND["batch"].compute(lesson_data("batch")["example"], float)
    alone = [2 * batch["d1"] * batch["x1"], 2 * batch["d2"] * batch["x2"]]
    assert [f"{each:.3f}" for each in (*alone, batch["dw"])] == ["-0.355", "-0.210", "-0.282"]
    assert f"{0.25**9:.6f}" == "0.000004"
    assert [round(end, 2) for end in share_interval(9, 10)[:2]] == [0.6, 0.98]
    network = NETWORK.compute(lesson_data("network")["example"], float)
    moved = {w: abs(network[f"new{w}"] - network[f"w{w}"]) for w in range(1, 7)}
    assert max(moved, key=moved.get) == 6 and f"{network['new6']:.3f}" == "0.413"
    assert min(abs(network[f"w{w}"]) for w in range(1, 7)) == abs(network["w6"])


@pytest.mark.parametrize("name", LESSONS)
def test_a_lesson_fits_every_width_and_does_not_jump(open_lesson, axe_violations, name):
    page = open_lesson(name, "#7")
    values = BY_HAND[name].compute(given_numbers(page, 7), float)
    answers = [
        (blank, text)
        for blank in BY_HAND[name].blanks
        for text in ("0.987654", f"{-values[blank] or 8:.3g}", f"{values[blank]:.3g}")
    ]
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 844})
        page.evaluate(EMPTY_SHEET)
        jumps = page.evaluate(
            """(answers) => {
              const { scrollHeight } = document.documentElement;
              return answers.filter(([blank, text]) => {
                const { input } = rows[blank];
                input.focus();
                input.value = text;
                input.dispatchEvent(new Event("change"));
                return document.documentElement.scrollHeight !== scrollHeight;
              });
            }""",
            answers,
        )
        assert (jumps, page.locator(".blank.right").count()) == ([], len(BY_HAND[name].blanks)), width
        assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, width
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        assert axe_violations(page) == [], scheme


@pytest.mark.parametrize("name", LESSONS)
def test_a_screen_reader_finds_names_landmarks_and_what_changes(pages, name):
    """What Chromium's accessibility tree has, which is all that a screen reader is given."""
    page = pages[name]
    tree = page.context.new_cdp_session(page).send("Accessibility.getFullAXTree")["nodes"]
    nodes = [
        (node["role"]["value"], node.get("name", {}).get("value", ""), node) for node in tree if not node["ignored"]
    ]
    roles = ("image", "slider", "button", "link", "textbox", "radio", "progressbar", "navigation")
    assert [(role, node["nodeId"]) for role, said, node in nodes if role in roles and not said.strip()] == []
    assert [role for role, _, _ in nodes].count("main") == 1
    levels = [each["value"]["value"] for _, _, node in nodes for each in node["properties"] if each["name"] == "level"]
    assert levels[:2] == [1, 2] and page.locator("nav a[aria-current=page]").count() == 1
    assert not page.locator("main nav").count()
    live = page.locator("[role=status], output").count()  # the guess, the step, what is filled, each task, what broke
    assert sum(role == "status" for role, _, _ in nodes) == live - page.locator(".task[hidden]").count() >= 5
    number = page.locator("[data-part=breaks] .num[role=img]").first
    number.evaluate("(made) => made.focus()")
    told = page.locator(f"[id='{number.get_attribute('aria-describedby')}']").inner_text()
    assert "=" in told and page.locator("[data-part=breaks] .num[role=slider]").first.get_attribute("aria-valuetext")


@pytest.mark.parametrize("suffix", [".py", ".ipynb"])
def test_opening_an_exercise_leaves_the_lesson_and_its_answers(open_lesson, suffix):
    """A browser shows a file of a folder in place of saving it."""
    page = open_lesson("slope", "#3")
    page.get_by_role("textbox").first.fill("12")
    page.get_by_role("link", name=file_name("slope").replace(".html", suffix)).click()
    page.wait_for_timeout(500)
    assert page.url.endswith("1-slope.html#3") and page.get_by_role("textbox").first.input_value() == "12"


@pytest.mark.parametrize("name", LESSONS)
def test_a_lesson_is_short_and_in_order(name):
    text = (FOLDER / "lessons" / f"{name}.md").read_text(encoding="utf-8")
    headings = re.findall(r"^## (.*)$", text, re.MULTILINE)
    assert (
        headings[:-7] == (["What a network is for"] if name == "slope" else [])
        and headings[-7] == "Guess first"
        and headings[-4:] == ["Your turn", "Fill in Python", "Break it", "What a framework does"]
    )
    page = (SITE / file_name(name)).with_suffix(".md").read_text(encoding="utf-8")  # it includes the text
    assert len(re.findall(r"[^\W\d_]{2,}", re.sub(r"<[^>]+>", " ", text + page))) <= 900
    assert re.findall(r'data-part="(\w+)"', text) == ["guess", "figure", "worksheet", "breaks"]
    assert lesson_data(name)["page"] == LESSONS.index(name) + 1 and lesson_title(name)
    assert "!" not in re.sub(r"```.*?```", "", text, flags=re.DOTALL)


def test_one_script_of_all_lessons_is_at_most_1150_lines():
    lines = [
        line.strip()
        for file in (FOLDER / "page").glob("*.js")
        for line in file.read_text(encoding="utf-8").splitlines()
    ]
    assert len([line for line in lines if line and not line.startswith(("//", "/*", "*"))]) <= 1150
