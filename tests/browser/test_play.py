"""The workbench in a real browser: what it shows is what the engine computes, and every control does what it says."""

import base64
import itertools
import json
import os
import re
import subprocess
import sys
import tempfile
from contextlib import contextmanager, nullcontext
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image
from playground_examples import recipe_of

from deltarule.engines.reference import ReferenceEngine
from deltarule.playground.own_page import write_page
from deltarule.playground.page_bundle import bundle, layout, page_file
from deltarule.playground.play import answer, recipe_to_play
from deltarule.playground.population import population_of
from deltarule.playground.server import PlayServer
from deltarule.playground.session import Session
from deltarule.problem.state import initial_state
from deltarule.recipes import dataset_of, with_settings

PATIENCE = 120_000
"""Milliseconds for what takes a fraction of a second: other work may have the processors."""
WIDE, NARROW = {"width": 1280, "height": 800}, {"width": 390, "height": 844}
LOOKS = [("light", WIDE), ("dark", NARROW)]


def session_of(**sections):
    return Session(recipe_of(run={"seeds": 6, "engine": "reference"}, **sections), tempfile.TemporaryDirectory())


@pytest.fixture
def played(browser):
    """Open a page of a session: the page, the session, and what the page complained of or asked from elsewhere."""
    opened = []

    def open_page(viewport=WIDE, session=None, server=None, hash="", **options):
        server = server or PlayServer(session or session_of())
        if not any(server is one for one, _ in opened):
            server.start()
        context = browser.new_context(
            viewport=viewport, accept_downloads=True, **{"reduced_motion": "reduce", **options}
        )
        opened.append((server, context))
        context.set_default_timeout(PATIENCE)
        page, complaints = context.new_page(), []
        page.on("console", lambda message: complaints.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        own = (server.url, "blob:", "data:")
        page.on("request", lambda request: request.url.startswith(own) or complaints.append(request.url))
        page.goto(server.url + hash)
        page.locator(".multiples button").first.wait_for()
        return page, server.session, complaints

    yield open_page
    for _, context in opened:
        context.close()
    for server in {id(server): server for server, _ in opened}.values():
        server.shutdown()
        server.server_close()
        server.session.close()


def clock(page):
    return int(page.locator("[data-role=clock]").inner_text().split()[1].replace(",", ""))


def wait_for_step(page, step):
    page.get_by_text(f"update {step:,} ·").wait_for()


def wait_until(page, condition):
    """Wait until a condition of ours holds; the page may evaluate no code of a text."""
    for _ in range(PATIENCE // 20):
        if condition():
            return
        page.wait_for_timeout(20)
    raise AssertionError("it did not happen in time")


def control(page, key):
    """A control by its key, shown in its groups."""
    page.locator("details").evaluate_all("all => all.forEach(one => one.open = true)")
    return page.locator(f"[data-key='{key}']")


def image(page, role="plane"):
    return page.locator(f"[data-role={role}]").evaluate("canvas => canvas.toDataURL()")


def set_number(page, key, number):
    control(page, key).fill(str(number))
    control(page, key).press("Enter")


def go_to(page, share):
    """Click on the curves at a share of their time."""
    box = page.locator("[data-role=time]").bounding_box()
    page.mouse.click(box["x"] + 54 + share * (box["width"] - 62), box["y"] + box["height"] / 2)


def wait_for_axes(page, names):
    page.locator(f"[data-role=plane][aria-label*='over {names}']").wait_for()


def test_play_pause_step_epoch_and_reset(played):
    page, session, complaints = played()
    page.get_by_role("button", name="Step").click()
    wait_for_step(page, 1)
    page.get_by_role("button", name="Epoch").click()
    wait_for_step(page, 4)  # 40 points in batches of 10
    page.get_by_role("button", name="▶ Play").click()
    wait_until(page, lambda: clock(page) > 30)
    page.get_by_role("button", name="Pause").click()
    page.get_by_role("button", name="▶ Play").wait_for()
    page.get_by_role("button", name="Reset").click()
    wait_for_step(page, 0)
    assert session.workbench.moment.state.step == 0
    assert complaints == []


def test_explained_unit(played):
    page, session, _ = played()
    session.command("step", {"updates": 25})
    wait_for_step(page, 25)
    page.locator("button.unit").nth(1).click()  # unit 2 of layer 1
    aside = page.get_by_role("complementary")
    aside.get_by_text("Unit 2 of layer 1, point 0").wait_for()
    weights = session.workbench.moment.state.theta[0, : 2 * 4].reshape(2, 4)[:, 1]
    shown = [float(one.input_value()) for one in aside.get_by_role("textbox", name="W1").all()]
    np.testing.assert_allclose(shown, weights, rtol=5e-3)
    explained = session.command("explain", {"sample": 0, "quantity": "z1", "index": [0, 1]})
    assert explained["numbers"] in aside.inner_text()
    aside.locator("li button").first.click()
    aside.get_by_text("Weight W1[0, 1] in the next update").wait_for()
    expected = session.command("explain", {"quantity": "W1_new", "index": [0, 1]})
    assert expected["numbers"] in aside.inner_text()


def test_curves_are_the_slider_of_time(played):
    page, session, _ = played()
    session.command("step", {"updates": 60})
    wait_for_step(page, 60)
    picture = image(page)
    go_to(page, 0.5)
    wait_for_step(page, 30)
    page.locator("[data-role=time]").press("Home")
    wait_for_step(page, 0)
    assert image(page) != picture
    page.locator("[data-role=time]").press("ArrowRight")
    wait_for_step(page, 1)
    page.get_by_role("button", name="Back to now").click()
    wait_for_step(page, 60)
    assert image(page) == picture


def test_members_are_a_matrix_and_all_of_many_are_dots(played):
    page, session, _ = played(session=session_of(grid={"optimizer.learning_rate": [0.01, 0.1, 1.0, 3.0, 10.0]}))
    small = page.locator(".multiples button")
    assert small.count() == 24
    lines = page.locator(".members")
    assert lines.locator("> span").all_inner_texts() == [f"{value} 0 of 6" for value in ("0.01", "0.1", "1.0", "3.0")]
    assert [line.locator("button").count() for line in lines.all()] == [6] * 4, "a line for each value"
    page.locator("[data-role=dots]").click(position={"x": 4, "y": 4 * 9 + 4})
    page.get_by_role("button", name="Member 24 with 10.0").wait_for()
    page.get_by_text("member 24 ·").wait_for()
    assert small.count() == 6


def test_training_stops_when_all_have_solved_it(played):
    page, session, _ = played(session=session_of(data={"name": {"name": "clusters", "noise": 0.0}}))
    page.locator("[data-role=stop]").check()
    page.get_by_role("button", name="▶ Play").click()
    page.get_by_role("button", name="▶ Play").wait_for()
    wait_until(page, lambda: not session.workbench.is_playing)
    assert session.workbench.moment.is_solved.all() and session.workbench.moment.state.step > 0


def test_weights_are_edited_and_locked(played):
    page, session, _ = played()
    page.locator("line.target").nth(2).dispatch_event("click")
    page.get_by_role("textbox", name="W1[0, 2]").fill("1.25")
    page.get_by_role("textbox", name="W1[0, 2]").press("Enter")
    wait_until(page, lambda: session.workbench.moment.state.theta[0, 2] == 1.25)
    page.get_by_role("complementary").get_by_label("locked").check()
    wait_until(page, lambda: session.workbench.moment.locked == (2,))
    page.get_by_role("button", name="Epoch").click()
    wait_for_step(page, 4)
    assert session.workbench.moment.state.theta[0, 2] == 1.25


def test_settings_change_the_training(played):
    page, session, complaints = played()

    def configuration():
        return session.workbench.moment.recipe.configuration

    set_number(page, "optimizer.learning_rate", 0.1)
    wait_until(page, lambda: configuration().optimizer.learning_rate == 0.1)
    control(page, "optimizer.name").select_option("momentum")
    set_number(page, "optimizer.name.momentum", 0.4)
    wait_until(page, lambda: session.workbench.moment.problem.numbers.get("momentum", np.zeros(1))[0] == 0.4)
    page.get_by_role("button", name="About: Momentum").click()
    page.get_by_role("complementary").get_by_text("optimizer.name.momentum").wait_for()
    page.keyboard.press("Escape")
    control(page, "optimizer.schedule").select_option("step")
    set_number(page, "optimizer.schedule.every", 7)
    wait_until(page, lambda: session.workbench.moment.problem.schedule_numbers.get("every", np.zeros(1))[0] == 7)
    control(page, "network.activation").select_option("relu")
    wait_until(page, lambda: session.workbench.moment.problem.network.activations[1].name == "relu")
    control(page, "network.batch_norm").check()
    wait_until(page, lambda: configuration().network.batch_norm)
    control(page, "loss.penalty").select_option("l2")
    wait_until(page, lambda: configuration().loss.penalty == "l2" and configuration().loss.strength > 0)
    page.get_by_role("button", name="iris").click()
    wait_until(page, lambda: session.workbench.moment.dataset.name == "iris")
    wait_for_axes(page, "component 1 and component 2")
    control(page, "axis").select_option("petal length (cm)")
    wait_for_axes(page, "petal length (cm) and")
    assert complaints == []


def test_edit_layers(played):
    page, session, _ = played()

    def wait_for_sizes(*sizes):
        wait_until(page, lambda: session.workbench.moment.problem.network.sizes == sizes)
        wait_until(page, lambda: page.locator("button.unit").count() == sum(sizes[1:]))

    control(page, "more-0").click()
    wait_for_sizes(2, 5, 2)
    control(page, "insert-1").press("Enter")
    wait_for_sizes(2, 5, 5, 2)
    for left in (4, 3, 2, 1):
        page.get_by_role("button", name="One unit less in layer 1").press("Enter")
        wait_for_sizes(2, left, 5, 2)
    page.get_by_role("button", name="Remove layer 1").click()
    wait_for_sizes(2, 5, 2)
    set_number(page, "network.layers", "3, 4")
    wait_for_sizes(2, 3, 4, 2)


@pytest.mark.parametrize("device", ["mouse", "keys"])
def test_drawn_points(played, device):
    page, session, _ = played()
    canvas = page.locator("[data-role=plane]")
    control(page, "draw").click()
    box = canvas.bounding_box()
    for label, place in ((0, 0.3), (1, 0.7)):
        control(page, f"draw-{label}").click()
        if device == "mouse":
            page.mouse.move(box["x"] + place * box["width"], box["y"] + 60)
            page.mouse.down()
            page.mouse.move(box["x"] + place * box["width"], box["y"] + 200, steps=12)
            page.mouse.up()
        else:
            canvas.focus()
            for _ in range(3):
                page.keyboard.press("ArrowRight" if label else "ArrowLeft")
                page.keyboard.press("Enter")
    wait_until(
        page,
        lambda: (
            session.workbench.moment.dataset.features == ("x0", "x1")
            and len(session.workbench.moment.dataset.train) < 40
        ),
    )
    dataset = session.workbench.moment.dataset
    assert dataset.classes == ("class 0", "class 1") and len(dataset.train) >= 2
    control(page, "draw-done").click()
    session.command("step", {})
    wait_for_step(page, 1)


def test_pasted_and_opened_tables(played, tmp_path):
    page, session, _ = played()
    control(page, "paste").click()
    rows = "\n".join(f"{n},{n % 3},{'a' if n % 2 else 'b'}" for n in range(20))
    page.get_by_label("Rows of a table").fill(f"height,width,kind\n{rows}")
    control(page, "use-rows").click()
    wait_for_axes(page, "height and width")
    file = tmp_path / "mine.csv"
    file.write_text("length,weight\n" + "\n".join(f"{n},{n * n}" for n in range(30)), encoding="utf-8")
    control(page, "file").set_input_files(file)
    wait_for_axes(page, "length")
    assert session.workbench.moment.problem.network.output.name == "identity"


def test_another_address_asks_before_it_ends_a_training(played):
    page, session, _ = played()
    address = "#" + page.url.partition("#")[2].replace("0.03", "0.25")
    page.get_by_role("button", name="Step").click()
    wait_until(page, lambda: session.workbench.moment.state.step > 0)
    second, _, _ = played(session=session, hash=address)
    second.get_by_role("button", name="Keep training").wait_for()
    assert session.workbench.moment.recipe.configuration.optimizer.learning_rate == 0.03
    second.get_by_role("button", name="End it, and open the address").click()
    wait_until(second, lambda: session.workbench.moment.recipe.configuration.optimizer.learning_rate == 0.25)


def test_reload_and_second_tab_go_on(played):
    page, session, _ = played()
    set_number(page, "optimizer.learning_rate", 0.25)
    wait_until(page, lambda: "0.25" in page.url)
    session.command("step", {"updates": 25})
    wait_for_step(page, 25)
    other = page.context.new_page()
    for tab, open_again in ((page, page.reload), (other, lambda: other.goto(page.url))):
        open_again()
        wait_for_step(tab, 25)
    assert session.workbench.moment.state.step == 25


@contextmanager
def opened_elsewhere(page, played, browser, tmp_path, link):
    """A link of one host, opened in the other one, which begins with another experiment."""
    if page.url.startswith("file:"):
        yield played(hash=link)[0]
        return
    with own_page(browser, write_page(recipe_of(run={"seeds": 2}), tmp_path / "other.html"), link) as other:
        yield other


def test_a_copied_link_shows_the_same_moment_in_the_other_host(hosted, played, browser, tmp_path):
    page = hosted
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    set_number(page, "optimizer.learning_rate", 0.25)
    page.get_by_role("button", name="Step").click()
    wait_for_step(page, 1)
    page.locator(".multiples button").nth(2).click()
    page.get_by_text("member 2 ·").wait_for()
    page.locator("line.target").nth(2).dispatch_event("click")
    page.get_by_role("textbox", name="W1[0, 2]").fill("1.25")
    page.get_by_role("textbox", name="W1[0, 2]").press("Enter")
    wait_until(page, lambda: "edits=1%2C2%2C2%2C1.25%2C" in page.url)
    page.keyboard.press("Escape")
    page.locator("[data-role=speed]").select_option("300")
    page.get_by_role("button", name="Epoch").click()
    wait_for_step(page, 30)  # 300 points in batches of 10
    widths = first_widths(page)
    page.get_by_role("button", name="Numbers", exact=True).click()
    control(page, "copy-link").click()
    page.get_by_role("status").get_by_text("The link is copied. It stands behind the address of a page").wait_for()
    link = page.evaluate("navigator.clipboard.readText()")
    assert link.startswith("#from=two-spirals") and "127.0.0.1" not in link
    with opened_elsewhere(page, played, browser, tmp_path, link) as other:
        wait_for_step(other, 30)
        other.get_by_text("member 2 ·").wait_for()
        assert control(other, "optimizer.learning_rate").input_value() == "0.25"
        assert other.locator("[data-role=speed]").input_value() == "300"
        assert other.locator("[data-role=details]").is_visible()
        other.get_by_role("button", name="Network", exact=True).click()
        np.testing.assert_allclose(first_widths(other), widths, atol=0.006)
        other.wait_for_timeout(300)
        assert clock(other) == 30, "it shows that moment, and waits"
    with opened_elsewhere(page, played, browser, tmp_path, link.replace("1.25%2C", "1.5%2C")) as other:
        other.get_by_role("status").get_by_text("its edited weights are of other networks").wait_for()
        wait_for_step(other, 0)


def download(page, file):
    with page.expect_download() as waiting:
        control(page, f"take-{file}").click()
    return waiting.value


def test_take_along(played):
    page, _, _ = played()
    saved = download(page, "weights")
    assert saved.suggested_filename == "weights.json"
    assert set(json.loads(saved.path().read_text(encoding="utf-8"))["parameters"]) == {"W1", "b1", "W2", "b2"}
    box = page.locator("[data-role=network]").bounding_box()
    with Image.open(download(page, "network.png").path()) as picture:
        np.testing.assert_allclose(picture.size, [3 * box["width"], 3 * box["height"]], atol=12)
        assert len(picture.convert("RGB").getcolors(10**6)) > 10
    drawing = ElementTree.parse(download(page, "network.svg").path())
    svg = "{http://www.w3.org/2000/svg}"
    assert [len(list(drawing.iter(svg + tag))) for tag in ("line", "image")] == [2 * 4 + 4 * 2, 2 + 4 + 2]


def test_story_asks_first_and_says_when_its_point_is_reached(played):
    page, session, _ = played()
    strip = page.locator("[data-role=story]")
    control(page, "story").select_option(label="Why exclusive or needs a hidden layer")
    strip.get_by_text("These networks have no hidden layer").wait_for()
    assert session.workbench.moment.problem.members == 6 and not session.workbench.is_playing
    control(page, "answer-0").click()
    strip.get_by_text("You said “All”. None: without a hidden layer the boundary is a line").wait_for()
    wait_until(page, lambda: not session.workbench.is_playing)
    assert session.workbench.moment.state.step >= 200 and not session.workbench.moment.is_solved.any()
    control(page, "next-part").click()
    strip.get_by_text("All 6: each hidden unit").wait_for()
    assert session.workbench.moment.is_solved.all()
    control(page, "next-story").click()
    strip.get_by_text("Which network is first?").wait_for()
    page.get_by_role("button", name="circles").click()
    strip.wait_for(state="hidden")


@pytest.fixture(params=[True, False], ids=["served", "alone"])
def hosted(request, played, browser, tmp_path):
    """A page of six networks on clusters, which they solve, in each host."""
    sections = {"data": {"name": {"name": "clusters", "noise": 0.3}}, "run": {"seeds": 6, "engine": "reference"}}
    if request.param:
        yield played(session=Session(recipe_of(**sections), tempfile.TemporaryDirectory()))[0]
        return
    sections["run"].pop("engine")
    with own_page(browser, write_page(recipe_of(**sections), tmp_path / "play.html")) as page:
        yield page


def train_until_solved(page):
    page.get_by_role("button", name="▶ Play").click()
    page.get_by_text("6 of 6 solved").wait_for()
    wait_until(page, lambda: clock(page) > 100)
    page.get_by_role("button", name="Pause").click()
    page.get_by_role("button", name="▶ Play").wait_for()
    page.wait_for_timeout(300)  # what was asked before
    return clock(page)


def test_a_story_asks_first_whatever_ran_before(hosted):
    page = hosted
    page.locator("[data-role=speed]").select_option("")
    page.get_by_role("button", name="▶ Play").click()
    wait_until(page, lambda: clock(page) > 500)
    for title, question in (
        ("Why exclusive or needs a hidden layer", "These networks have no"),
        ("Momentum", "What will"),
    ):
        control(page, "story").select_option(label=title)
        strip = page.locator("[data-role=story]")
        strip.get_by_text(question).wait_for()
        wait_for_step(page, 0)
        page.wait_for_timeout(300)
        assert strip.get_by_text(question).is_visible() and control(page, "answer-0").is_visible()
        control(page, "answer-1").click()
        strip.get_by_text("You said").wait_for()


def test_the_past_is_of_then_and_asks_before_it_acts_on_now(hosted):
    page = hosted
    page.locator("[data-role=question]").get_by_text("Which of these will solve it first?").wait_for()
    now = train_until_solved(page)
    page.locator("[data-role=question]").get_by_text("was first, at update").wait_for()
    page.locator("[data-role=time]").press("Home")
    wait_for_step(page, 0)
    solved = page.locator(".multiples button.solved").count()
    assert page.locator("[data-role=solved]").inner_text() == f"{solved} of 6 solved (95 % of the points right)"
    assert solved < 6
    assert page.locator("[data-role=question]").inner_text() == "", "nobody was first yet"
    step = page.get_by_role("button", name="Step")
    step.click()
    page.get_by_text(f"This is update 0, in the past; what you do acts on now, update {now}").wait_for()
    page.get_by_role("button", name="Stay in the past").click()
    set_number(page, "optimizer.learning_rate", 0.25)
    page.get_by_role("button", name="Stay in the past").click()
    wait_until(page, lambda: control(page, "optimizer.learning_rate").input_value() == "0.03")
    page.locator("line.target").first.dispatch_event("click")
    weight = page.get_by_role("complementary").get_by_role("textbox").first
    before = weight.input_value()
    weight.fill("7")
    weight.press("Enter")
    page.get_by_role("button", name="Stay in the past").click()
    wait_until(page, lambda: weight.input_value() == before)
    assert clock(page) == 0
    page.keyboard.press("Escape")
    step.click()
    page.get_by_role("button", name="Do it now").click()
    wait_for_step(page, now + 1)
    page.get_by_text("6 of 6 solved").wait_for()
    assert not page.get_by_role("button", name="Do it now").is_visible()


def test_other_data_begin_anew_unless_the_weights_are_kept(hosted):
    page = hosted
    train_until_solved(page)
    page.locator("[data-role=question]").get_by_text("was first, at update").wait_for()
    page.get_by_role("button", name="circles").click()
    wait_for_step(page, 0)
    page.locator("[data-role=question]").get_by_text("Which of these will solve it first?").wait_for()
    page.get_by_role("button", name="Step").click()
    wait_for_step(page, 1)
    widths = first_widths(page)
    control(page, "keep").check()
    page.get_by_role("button", name="spirals").click()
    wait_for_step(page, 0)
    wait_until(page, lambda: first_widths(page) == widths)


@pytest.mark.parametrize("has_python", [True, False])
def test_one_sign_is_wrong(played, browser, tmp_path, has_python):
    """Two derivatives train beside each other up to where they part, and the address brings them back."""
    alone = write_page(recipe_to_play(), tmp_path / "play.html")
    with nullcontext(played()[0]) if has_python else own_page(browser, alone) as page:
        control(page, "story").select_option(label="One sign is wrong")
        page.locator("[data-role=speed]").select_option("300")
        control(page, "answer-2").click()
        strip = page.locator("[data-role=story]")
        strip.get_by_text("You were right. None: with the wrong sign").wait_for()
        assert page.locator(".members > span").all_inner_texts() == ["right 6 of 6", "yours 0 of 6"]
        page.get_by_label("da/dz =").fill("1 - a^3")
        page.get_by_label("da/dz =").press("Enter")
        strip.get_by_text("Wrong at 25 of 25 points").wait_for()
        wait_until(page, lambda: clock(page) > 40)
        control(page, "parting").click()
        wait_until(page, lambda: 1 < clock(page) < 40)
        wait_until(page, lambda: "1+-+a%5E3" in page.url)
        again = page.context.new_page()
        again.goto(page.url)
        again.get_by_label("da/dz =").wait_for()
        assert again.get_by_label("da/dz =").input_value() == "1 - a^3"
        again.get_by_label("da/dz =").fill("1 - a^2")
        control(again, "train-both").click()
        again.get_by_text("Right: the derivative agrees").wait_for()
        control(again, "parting").click()
        again.get_by_text("The two have not parted").wait_for()


@pytest.mark.parametrize("has_python", [True, False])
def test_map_of_what_can_be_trained(browser, tmp_path, has_python, axe_violations):
    """The map begins with its address; a place that is chosen trains again, and its past can be seen."""
    recipe = with_settings(recipe_to_play("what-can-be-trained"), {"run.engine": "reference"})
    if has_python:
        server = PlayServer(Session(recipe, tempfile.TemporaryDirectory()), hash="#map=")
        server.start()
    address = server.url + server.hash if has_python else write_page(recipe, tmp_path / "m.html", "map=").as_uri()
    page = browser.new_page(viewport=WIDE, reduced_motion="reduce")
    page.set_default_timeout(PATIENCE)
    page.goto(address)
    page.locator(".map-legend").get_by_text("diverged").wait_for()
    wait_until(page, lambda: sum(int(one.split()[1]) for one in legend(page) if " " in one) >= 98)
    assert clock(page) == 0, "the networks of the map train beside the one that is shown"
    page.locator(".map canvas").focus()
    for _ in range(40):
        page.keyboard.press("ArrowRight")
    page.get_by_text("diverged after 200 updates").wait_for()
    assert axe_violations(page) == []
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("+")
    wait_until(page, lambda: page.url.endswith("%2C0.5") and "diverged" in page.locator(".map p").inner_text())
    page.keyboard.press("Enter")
    wait_until(page, lambda: clock(page) == 200)
    page.get_by_role("status").get_by_text("Member 0 is not finite since update").wait_for()
    page.get_by_role("button", name="Network").click()
    go_to(page, 0.5)
    wait_for_step(page, 100)
    page.close()
    if has_python:
        server.shutdown()
        server.server_close()
        server.session.close()


def legend(page):
    return page.locator(".map-legend span").all_inner_texts()


def test_a_page_trains_when_it_opens_and_asks_who_is_first(browser, tmp_path):
    file = write_page(recipe_to_play(), tmp_path / "play.html")
    with own_page(browser, file, reduced_motion="no-preference") as page:
        page.get_by_text("Which of these will solve it first?").wait_for()
        page.locator(".multiples button").nth(3).click()
        page.get_by_text("Your guess: member 3.").wait_for()
        page.locator("[data-role=question]").get_by_text("was first, at update").wait_for()
        assert not page.get_by_text(re.compile(r"\b0 of 24 solved")).is_visible()
    with own_page(browser, file) as page:
        page.wait_for_timeout(300)
        assert clock(page) == 0, "those who asked for less motion press Play"


@pytest.mark.parametrize(("scheme", "viewport"), LOOKS, ids=["light, wide", "dark, narrow"])
def test_accessibility(played, scheme, viewport, axe_violations):
    page, session, complaints = played(viewport, color_scheme=scheme)
    session.command("step", {"updates": 3})
    wait_for_step(page, 3)
    page.locator("details").evaluate_all("all => all.forEach(one => one.open = true)")
    page.locator("button.unit").first.click()
    page.get_by_role("complementary").get_by_role("heading").first.wait_for()
    assert complaints == []
    assert axe_violations(page) == []
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Numbers", exact=True).click()
    assert axe_violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")


def test_no_scrolling(played):
    page, _, _ = played({"width": 1366, "height": 768}, session_of(network={"layers": ["auto", 8, 8, "auto"]}))
    shown = ["plane", "multiples", "time"]
    for tab, more in (("Network", ["network"]), ("Numbers", ["confusion", "hidden", "histograms"])):
        page.get_by_role("button", name=tab, exact=True).click()
        assert page.evaluate("document.documentElement.scrollHeight <= innerHeight")
        for role in shown + more:
            box = page.locator(f"[data-role={role}]").bounding_box()
            assert box["y"] >= 0 and box["y"] + box["height"] <= 769 and box["width"] > 0, role
    assert page.locator("[data-role=plane]").bounding_box()["width"] == pytest.approx(430, abs=2)
    page.get_by_role("button", name="Network", exact=True).click()
    network = page.locator(".scroll").bounding_box()
    for box in (unit.bounding_box() for unit in page.locator(".unit").all()):
        assert box["y"] + box["height"] <= network["y"] + network["height"]


def test_phone_layout(played):
    page, _, _ = played(NARROW)
    boxes = [section.bounding_box() for section in page.locator("main > section").all()]
    boxes.sort(key=lambda box: box["y"])
    assert all(above["y"] + above["height"] <= below["y"] for above, below in itertools.pairwise(boxes))
    assert all(box["height"] > 60 for box in boxes)


def test_keyboard(played):
    page, session, _ = played()
    page.locator("body").press("Space")
    wait_until(page, lambda: session.workbench.is_playing)
    page.locator("body").press("Space")
    wait_until(page, lambda: not session.workbench.is_playing)
    stops, reached = 0, set()
    while stops < 40:
        page.keyboard.press("Tab")
        element = page.locator(":focus")
        if not element.count():
            break  # all are behind
        stops += 1
        reached.update(filter(None, (element.get_attribute(name) for name in ("data-role", "data-key", "class"))))
        if element.get_attribute("data-key") in ("data-spirals", "insert-0"):  # arrow keys go on in a group
            page.keyboard.press("ArrowRight")
            reached |= {page.locator(":focus").get_attribute(name) for name in ("data-key", "class")}
    expected = {"play", "step", "time", "draw", "optimizer.learning_rate", "unit", "plane", "data-circles"}
    assert expected <= reached and stops < 40, stops


@contextmanager
def program(*options):
    """`deltarule play` as a program of its own: its address, and the process."""
    command = [sys.executable, "-m", "deltarule", "play", "--no-browser", *options]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        try:
            yield process.stdout.readline().split()[2], process
        finally:
            process.kill()


def test_ended_program(browser):
    page = browser.new_page(reduced_motion="reduce")
    page.set_default_timeout(PATIENCE)
    with program() as (address, process):
        page.goto(address)
        page.locator(".multiples button").first.wait_for()
        process.kill()
        page.get_by_role("status").get_by_text("start deltarule play again").wait_for()
    with program("--port", address.split(":")[2].partition("/")[0]) as (again, _):
        page.get_by_role("status").get_by_text("the address lacks its secret part").wait_for()
        page.goto(again)
        page.get_by_role("button", name="Step").click()
        wait_for_step(page, 1)
    page.close()


def test_a_notebook_shows_the_page_and_its_kernel_answers(browser):
    """The widget's module with a model that hands messages to the function that answers them in a kernel."""
    session = session_of()
    page, complaints = browser.new_page(viewport=WIDE), []
    page.set_default_timeout(PATIENCE)
    page.on("pageerror", lambda error: complaints.append(str(error)))

    def ask(message):
        reply, buffers = answer(session, message)
        return {"reply": reply, "buffers": [base64.b64encode(buffer).decode() for buffer in buffers]}

    page.expose_function("askKernel", ask)
    module = bundle("notebook.js") + "\nexport default { render };\n"
    page.evaluate(
        """async ([source, style, html]) => {
        document.head.appendChild(document.createElement("style")).textContent = style;
        const widget = await import(URL.createObjectURL(new Blob([source], { type: "text/javascript" })));
        let hear;
        const model = {
            on: (event, handler) => { hear = handler; },
            get: (name) => ({ html })[name],
            send: async (message) => {
                const { reply, buffers } = await window.askKernel(message);
                const bytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
                hear(reply, buffers.map((text) => new DataView(bytes(text).buffer)));
            },
        };
        widget.default.render({ model, el: document.body.appendChild(document.createElement("div")) });
    }""",
        [module, page_file("style.css"), layout()],
    )
    page.get_by_role("button", name="Step").click()
    wait_for_step(page, 1)
    set_number(page, "optimizer.learning_rate", -1)
    page.get_by_role("status").get_by_text("optimizer.learning_rate is -1").wait_for()
    page.get_by_role("button", name="▶ Play").click()
    wait_until(page, lambda: clock(page) > 20)
    assert complaints == [] and "#" not in page.url
    page.close()
    session.close()


@contextmanager
def own_page(browser, file, hash="", **options):
    """A page that trains by itself, from disk and offline, and what it complained of."""
    context = browser.new_context(viewport=WIDE, offline=True, **{"reduced_motion": "reduce", **options})
    context.set_default_timeout(PATIENCE)
    page, complaints = context.new_page(), []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(file.as_uri() + hash)
    page.locator(".multiples button").first.wait_for()
    yield page
    assert complaints == []
    context.close()


def first_widths(page):
    """The widths of the first eight lines, which are those of the weights."""
    lines = page.locator("[data-role=network] line:not(.target)").evaluate_all(
        "all => all.map(one => +one.getAttribute('stroke-width'))"
    )
    return lines[:8]


def test_page_without_python_trains_as_python_does(browser, tmp_path):
    recipe = recipe_of(run={"seeds": 6})
    file = write_page(recipe, tmp_path / "pages" / "spirals.html")
    assert file.stat().st_size < 480_000
    problem = population_of(recipe, dataset_of(recipe))
    with own_page(browser, file) as page:
        for step in (1, 2, 3):
            page.get_by_role("button", name="Step").click()
            wait_for_step(page, step)
        page.get_by_role("button", name="▶ Play").click()
        wait_until(page, lambda: clock(page) > 30)
        page.get_by_role("button", name="Pause").click()
        page.get_by_role("button", name="▶ Play").wait_for()
        now = clock(page)
        for step in (now, round(now / 2)):
            go_to(page, step / now)
            wait_for_step(page, step)
            state, _ = ReferenceEngine().advance(problem, initial_state(problem).take([0]), step)
            weights = np.abs(state.theta[0, :8])
            np.testing.assert_allclose(first_widths(page), 0.4 + 3.6 * weights / weights.max(), atol=0.006)


def test_units_weights_and_curves_answer_to_the_pointer(browser, tmp_path):
    with own_page(browser, write_page(recipe_of(), tmp_path / "play.html")) as page:
        for step in range(1, 13):
            page.get_by_role("button", name="Step").click()
            wait_for_step(page, step)
        answer = image(page)
        page.locator("button.unit").nth(1).hover()
        page.get_by_text("unit 2 of layer 1").wait_for()
        assert image(page) != answer
        page.locator("line.target").nth(2).dispatch_event("pointerenter")
        wait_until(page, lambda: "W1[0, 2] = " in page.locator("[data-role=network-note]").inner_text())
        page.locator("[data-role=discrete]").check()
        wait_until(page, lambda: image(page) != answer)
        go_to(page, 1 / 4)
        wait_for_step(page, 3)
        assert "update 3: objective" in page.locator("[data-role=curves-note]").inner_text()
        assert points_right(page) > 0
        page.locator("button.unit").nth(1).click()
        page.get_by_role("complementary").get_by_text("z1[i, j] = Σ_d x[i, d] · W1[d, j] + b1[j]").wait_for()
        page.locator("line.target").nth(2).dispatch_event("click")
        page.get_by_role("complementary").get_by_text("W1_new[0, 2] = ").wait_for()
        page.keyboard.press("Escape")
        page.get_by_role("button", name="Back to now").click()
        wait_for_step(page, 12)
        page.locator("line.target").nth(2).dispatch_event("click")
        page.get_by_role("complementary").get_by_label("locked").check()
        page.get_by_role("textbox", name="W1[0, 2]").fill("9")
        page.get_by_role("textbox", name="W1[0, 2]").press("Enter")
        page.get_by_role("button", name="Epoch").click()
        wait_until(page, lambda: first_widths(page)[2] == 4)


def points_right(page):
    return int(page.locator("[data-role=plane-note]").inner_text().split()[0])


def test_first_minute_of_a_newcomer_without_python(browser, tmp_path):
    file = write_page(recipe_to_play(), tmp_path / "play.html")
    with own_page(browser, file) as page:
        before = points_right(page)
        page.get_by_role("button", name="▶ Play").click()
        wait_until(page, lambda: points_right(page) > max(before, 270))
        control(page, "story").select_option(label="Momentum")
        page.get_by_text("What will momentum 0.99 do?").wait_for()
        recipe = download(page, "recipe").path().read_text(encoding="utf-8")
        assert '"optimizer.momentum" = [0, 0.5, 0.9, 0.99]' in recipe
        page.get_by_text("need Python: in a copy of deltarule").wait_for()
        page.get_by_role("button", name="Step").click()
        page.get_by_role("button", name="Why not learning?").click()
        page.get_by_role("complementary").get_by_text("Examined 1 of 4 members").wait_for()
        page.keyboard.press("Escape")
        page.get_by_role("button", name="hills").click()
        set_number(page, "optimizer.learning_rate", 0.25)
        wait_until(page, lambda: "0.25" in page.url and "hills" in page.url)
        set_number(page, "optimizer.learning_rate", -1)
        page.get_by_role("status").get_by_text("optimizer.learning_rate is -1").wait_for()
        address = page.url.partition("#")[2]
    with own_page(browser, file, "#" + address) as page:
        assert control(page, "optimizer.learning_rate").input_value() == "0.25"
        assert control(page, "loss.name").input_value() == "squared_error"
    with own_page(browser, file, "#story=momentum") as page:
        page.get_by_text("What will momentum 0.99 do?").wait_for()


def test_a_table_is_opened_dropped_and_pasted_without_python(browser, tmp_path):
    rows = [f"{n},{n % 3},{'a' if n % 2 else 'b'}" for n in range(20)]
    with own_page(browser, write_page(recipe_to_play(), tmp_path / "play.html")) as page:
        control(page, "paste").click()
        page.get_by_label("Rows of a table").fill("\n".join(["height;width;kind", *rows]).replace(",", ";"))
        control(page, "use-rows").click()
        wait_for_axes(page, "height and width")
        page.get_by_role("status").get_by_text("separated by ';'").wait_for()
        wait_until(page, lambda: "points=" in page.url)
        control(page, "file").set_input_files(
            {"name": "mine.csv", "mimeType": "text/csv", "buffer": "\n".join(["length,mass,y", *rows]).encode()}
        )
        wait_for_axes(page, "length and mass")
        address = page.url.partition("#")[2]
    with own_page(browser, tmp_path / "play.html", "#" + address) as page:
        wait_for_axes(page, "length and mass")


def test_typed_formula_without_python(browser, tmp_path):
    with own_page(browser, write_page(recipe_to_play(), tmp_path / "play.html")) as page:
        for derivative, verdict in (("1 - a^2", "Right"), ("a^2 - 1", "Wrong")):
            control(page, "activation-derivative").fill(derivative)
            control(page, "use-activation").click()
            page.get_by_role("status").get_by_text(verdict).wait_for()
        control(page, "activation-function").fill("tanh(fetch)")
        control(page, "use-activation").click()
        page.get_by_role("status").get_by_text('"fetch" cannot stand in a formula').wait_for()


def test_a_changed_address_and_what_is_typed_are_read(browser, tmp_path):
    file = write_page(recipe_to_play(), tmp_path / "play.html")
    with own_page(browser, file) as page:
        page.evaluate("location.hash = 'story=momentum'")
        page.get_by_text("What will momentum 0.99 do?").wait_for()
        set_number(page, "optimizer.learning_rate", "0,5")
        wait_until(page, lambda: "story=momentum" in page.url and "learning_rate=0.5" in page.url)
        set_number(page, "optimizer.learning_rate", "fast")
        page.get_by_role("status").get_by_text(
            'optimizer.learning_rate is "fast"; give a number of 0 or more'
        ).wait_for()
        set_number(page, "optimizer.learning_rate", "")
        page.get_by_role("status").get_by_text('optimizer.learning_rate is ""; give a number').wait_for()
        wait_until(page, lambda: control(page, "optimizer.learning_rate").input_value() == "0.5")
        page.evaluate("location.hash = 'optimizer.learning_rate=-1'")
        page.get_by_role("status").get_by_text("The address cannot be used: optimizer.learning_rate is -1").wait_for()
        control(page, "vary").select_option("optimizer.learning_rate")
        wait_until(page, lambda: control(page, "grid").input_value() == "0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3")

        def weight():
            page.locator("line.target").first.dispatch_event("click")
            return page.get_by_role("complementary").get_by_role("textbox").first

        weight().fill("0,25")
        page.keyboard.press("Enter")
        wait_until(page, lambda: weight().input_value() == "0.25")
        weight().fill("much")
        page.keyboard.press("Enter")
        page.get_by_role("status").get_by_text('value is "much"; give a finite number').wait_for()


def test_a_teachers_address_has_a_text_and_hides_settings(browser, tmp_path):
    file = write_page(recipe_to_play(), tmp_path / "play.html")
    address = "#text=Which+rate+wins%3F&hide=Network,Take+along,loss.penalty&optimizer.learning_rate=0.5"
    with own_page(browser, file, address) as page:
        page.get_by_text("Which rate wins?").wait_for()
        assert control(page, "network.output").count() == control(page, "loss.penalty").count() == 0
        assert control(page, "loss.name").count() == 1
        set_number(page, "optimizer.learning_rate", 0.25)
        wait_until(page, lambda: "learning_rate=0.25" in page.url and "text=Which" in page.url and "hide=" in page.url)


def test_varied_networks_are_counted_by_value(browser, tmp_path):
    with own_page(browser, write_page(recipe_of(run={"seeds": 2}), tmp_path / "play.html")) as page:
        note = page.locator("[data-role=solved]")
        assert "95 % interval" in note.get_attribute("title")
        control(page, "vary").select_option("network.initial_scale")
        counts = page.locator(".members > span")
        wait_until(page, lambda: counts.all_inner_texts()[:3] == ["0 0 of 2", "0.01 0 of 2", "0.1 0 of 2"])
        assert note.get_attribute("title") == "", "an interval over networks of different settings is of no population"


@pytest.mark.parametrize(
    "lacking, sentence",
    [
        ("window.Worker", "This page trains in a worker, which this browser does not start"),
        ("WebAssembly.compile", "This page computes in WebAssembly with SIMD, which this browser does not run"),
    ],
)
def test_a_page_says_what_its_browser_lacks(browser, tmp_path, lacking, sentence):
    file = write_page(recipe_to_play(), tmp_path / "play.html")
    context = browser.new_context(offline=True)
    context.add_init_script(f"delete {lacking}")
    page = context.new_page()
    page.goto(file.as_uri())
    page.get_by_text(sentence).wait_for()
    context.close()
