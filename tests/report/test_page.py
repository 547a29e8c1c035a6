"""The report opened and clicked through in a browser, at the width of a desk and of a phone."""

import json
import pathlib
import shutil

import pandas as pd
import pytest

from gnode.examine import analyse
from gnode.report import report, style

SIZES = {
    "desk": dict(viewport={"width": 1280, "height": 900}),
    "phone": dict(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True, color_scheme="dark"),
}


@pytest.fixture(scope="module")
def analysed(plane_run, tmp_path_factory):
    """A page with everything that a page of N = 2 can have."""
    folder = tmp_path_factory.mktemp("analysed") / "ring"
    shutil.copytree(plane_run, folder)
    analyse(folder)
    return report([folder])


class Opened:
    """A page whose complaints and requests are kept."""

    def __init__(self, browser, path, **context):
        self.context = browser.new_context(**context)
        self.page = self.context.new_page()
        self.troubles, self.requests = [], []
        self.page.on("console", lambda entry: entry.type == "error" and self.troubles.append(entry.text))
        self.page.on("pageerror", lambda error: self.troubles.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(path.resolve().as_uri())

    def card(self, title):
        """The card of that title, scrolled to and drawn."""
        titled = self.page.get_by_role("heading", name=title, exact=True)
        card = self.page.locator("figure.card").filter(has=titled).last
        card.scroll_into_view_if_needed()
        if card.locator(".figure").count():
            card.locator(".figure[data-drawn]").first.wait_for()
        return card

    def finish(self, inaccessible):
        """Everything is drawn, nothing is wider than the page, and nobody complained or asked the network."""
        for box in self.page.locator(".figure, .portrait").all():
            box.scroll_into_view_if_needed()
        self.page.wait_for_function("[...document.querySelectorAll('.figure')].every(box => box.dataset.drawn)")
        assert self.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert inaccessible(self.page) == []
        assert self.troubles == []
        assert [url for url in self.requests if not url.startswith(("file:", "data:", "blob:"))] == []
        self.context.close()


@pytest.mark.slow
@pytest.mark.parametrize("size", ["desk", pytest.param("phone", marks=pytest.mark.full)])
def test_clicking_through_the_report(browser, inaccessible, analysed, size):
    opened = Opened(browser, analysed, **SIZES[size])
    page = opened.page

    valley = opened.card("The valley of memory").locator(".figure")
    box = valley.bounding_box()
    eye = "box => Object.values(box._fullLayout.scene._scene.getCamera().eye)"
    before = valley.evaluate(eye)
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 150)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 2 + 60, box["y"] + 180, steps=4)
    page.mouse.up()
    assert valley.evaluate(eye) != pytest.approx(before, abs=1e-3)

    flow = opened.card("The flow field").locator(".figure")
    box = flow.locator(".cartesianlayer .bg, .bglayer .bg").first.bounding_box() or flow.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2 - 3, box["y"] + box["height"] / 2)
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2, steps=3)
    flow.locator(".hoverlayer .hovertext").first.wait_for()
    flow.get_by_role("switch").first.press("Enter")
    page.wait_for_function("box => box.data.some(t => t.visible === 'legendonly')", arg=flow.element_handle())
    assert flow.get_by_role("switch").first.get_attribute("aria-checked") == "false"

    survivors = opened.card("What survives the silence, as read out")
    slider = survivors.get_by_role("slider")
    assert slider.get_attribute("aria-valuetext") == "silent bins: 100"
    slider.press("End")
    assert "silent bins: 10 000" in survivors.text_content()
    shown = "box => box.data.map(trace => trace.visible !== false)"
    assert survivors.locator(".figure").evaluate(shown) == [True, False, False, False, False, True]

    film = opened.card("The birth of the attractor")
    assert "epoch 2, validation loss" in film.text_content()
    film.get_by_role("button", name="play").press("Enter")
    page.wait_for_function("box => box.textContent.includes('epoch 6, validation loss')", arg=film.element_handle())
    assert film.get_by_role("slider").get_attribute("aria-valuetext") == "epoch 6"

    stage = opened.card("A phase portrait to play with").locator(".portrait")
    canvas = stage.locator(".stage canvas")
    canvas.wait_for()
    canvas.click(position={"x": 120, "y": 90})
    portrait = stage.element_handle()
    path = page.evaluate("box => box.gnodePortrait.trajectory()", portrait)
    assert len(path) == 301
    low, high = page.evaluate("box => [box.gnodePortrait.data.low, box.gnodePortrait.data.high]", portrait)
    assert low[0] < path[0][0] < (low[0] + high[0]) / 2  # where it was clicked: left of the middle
    before = page.evaluate("box => box.gnodePortrait.points.map(p => p.point)", portrait)
    pad = stage.locator(".pad")
    pad.scroll_into_view_if_needed()
    box = pad.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + 0.9 * box["width"], box["y"] + 0.2 * box["height"], steps=3)
    page.mouse.up()
    held = page.evaluate("box => box.gnodePortrait.input", portrait)
    assert held[0] > 1 and held[1] > 0.8  # task units; pulses have a radius of two
    assert page.evaluate("box => box.gnodePortrait.points.map(p => p.point)", portrait) != before
    stage.get_by_role("button", name="flow", exact=True).click()
    stage.get_by_role("button", name="pulse", exact=True).click()
    pad.click(position={"x": 20, "y": 20})
    assert len(page.evaluate("box => box.gnodePortrait.trajectory()", portrait)) == 301
    opened.finish(inaccessible)


@pytest.mark.full
def test_the_space_of_three_units_turns(browser, inaccessible, space_run):
    opened = Opened(browser, report([space_run]), **SIZES["desk"])
    canvas = opened.card("A phase portrait to play with").locator(".stage canvas")
    canvas.wait_for()
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    place = "() => document.querySelector('.portrait').gnodePortrait.view.toPixel([1, 0, 0])"
    before = opened.page.evaluate(place)
    opened.page.mouse.move(box["x"] + 200, box["y"] + 200)
    opened.page.mouse.down()
    opened.page.mouse.move(box["x"] + 260, box["y"] + 220, steps=3)
    opened.page.mouse.up()
    assert opened.page.evaluate(place) != pytest.approx(before, abs=1)
    assert opened.page.evaluate("document.querySelector('.portrait').gnodePortrait.trajectory()") == []
    opened.finish(inaccessible)


@pytest.fixture(scope="module")
def beside(analysed, stopped_run, own_run, tmp_path_factory):
    """Two runs that have much in common, and one that has little."""
    out = tmp_path_factory.mktemp("beside") / "side.html"
    return report([analysed.parent, stopped_run, own_run], out, title="Three of <them>")


@pytest.mark.slow
def test_a_comparison_compares(browser, inaccessible, beside, tmp_path):
    opened = Opened(browser, beside, **SIZES["desk"])
    page = opened.page
    assert page.title() == "Three of <them> · gnode"
    assert page.get_by_role("heading", level=1).text_content() == "Three of <them>"
    assert page.evaluate("[...document.querySelectorAll('.scroll')].every(box => box.scrollWidth <= box.clientWidth)")

    trials = opened.card("Sample trials")  # each run in its own colour, and what is chosen for one is for all
    for at, colour in enumerate(style.RUNS[:2]):
        panel = trials.locator(".panel").nth(at)
        panel.scroll_into_view_if_needed()
        output = "box => box.figure.data.find(trace => trace.name === 'output').line.color"
        assert panel.locator(".figure").evaluate(output) == colour
        assert panel.locator(".dot").evaluate("dot => dot.style.background").replace(" ", "") == (
            f"rgb({','.join(str(int(colour[one : one + 2], 16)) for one in (1, 3, 5))})"
        )
    trials.locator(".panel").nth(1).get_by_role("button", name="trial 3").click()
    for panel in trials.locator(".panel").all():
        assert panel.get_by_role("button", name="trial 3").get_attribute("aria-pressed") == "true"

    survivors = opened.card("What survives the silence, as read out")
    assert survivors.locator("figcaption").count() == 1
    assert "Not there for own." in survivors.locator("figcaption").text_content()
    attractors = opened.card("The attractor, at three time scales").locator("tbody tr")
    assert attractors.count() == 3
    opened.finish(inaccessible)


@pytest.mark.slow
@pytest.mark.full
def test_several_runs_side_by_side_on_a_phone(browser, inaccessible, beside):
    opened = Opened(browser, beside, **SIZES["phone"])
    text = opened.page.locator("main").text_content()
    cells = opened.page.locator(".top td").all()
    assert all(cell.bounding_box()["width"] > 250 for cell in cells)  # cards, not columns
    assert "stopped before its end" in text
    assert "own data" in text
    opened.finish(inaccessible)


@pytest.mark.slow
def test_the_numbers_of_a_figure_are_downloaded(browser, beside, own_run):
    opened = Opened(browser, beside, **SIZES["desk"])
    with opened.page.expect_download() as download:
        opened.card("Loss against epoch").get_by_role("button", name="CSV").click()
    table = pd.read_csv(download.value.path())
    drawn = table[table["name"] == "own: validation"]
    metrics = [json.loads(line) for line in (own_run / "metrics.jsonl").read_text().splitlines()]
    assert download.value.suggested_filename == "loss-against-epoch.csv"
    assert drawn["x"].tolist() == [record["epoch"] for record in metrics]
    assert drawn["y"].tolist() == pytest.approx([record["val_loss"] for record in metrics], rel=1e-4)
    opened.context.close()


@pytest.mark.slow
def test_each_number_leads_to_how_it_is_computed(browser, analysed):
    opened = Opened(browser, analysed, **SIZES["desk"])
    page = opened.page
    page.get_by_role("link", name="half-life").first.press("Enter")
    assert page.locator(":target dt").text_content() == "half-life"
    assert page.evaluate("[...document.querySelectorAll('a[href^=\"#\"]')].every(a => document.querySelector(a.hash))")
    opened.context.close()


@pytest.mark.slow
@pytest.mark.full
def test_on_paper_no_figure_is_cut(browser, analysed):
    opened = Opened(browser, analysed, **SIZES["desk"])
    opened.page.evaluate("dispatchEvent(new Event('beforeprint'))")
    opened.page.emulate_media(media="print")
    opened.page.wait_for_function("[...document.querySelectorAll('.figure')].every(box => box.dataset.drawn)")
    widths = "[...document.querySelectorAll('.figure .main-svg')].map(box => box.getBoundingClientRect().width)"
    assert max(opened.page.evaluate(widths)) <= 690  # of a sheet of A4
    opened.context.close()


@pytest.mark.slow
@pytest.mark.parametrize("width", [390, *(pytest.param(wide, marks=pytest.mark.full) for wide in (820, 1280))])
def test_screenshots_are_kept(browser, beside, width):
    """In screenshots/, which git ignores, for people to look at."""
    opened = Opened(browser, beside, viewport={"width": width, "height": 900})
    folder = pathlib.Path(__file__).parents[2] / "screenshots"
    folder.mkdir(exist_ok=True)
    for name in ("top", "training"):
        place = opened.page.locator(f".{name}, #{name}")
        place.evaluate("place => place.scrollIntoView()")
        if name == "training":
            opened.page.locator("#training .figure[data-drawn]").first.wait_for()
        opened.page.screenshot(path=folder / f"comparison-{width}-{name}.png")
    opened.context.close()


@pytest.mark.slow
def test_predictions_of_a_run_on_own_data_on_a_phone(browser, inaccessible, own_run, tmp_path):
    opened = Opened(browser, report([own_run], tmp_path / "own.html"), **SIZES["phone"])
    shown = "box => box.data.map(trace => trace.visible)"
    against = opened.card("Predicted against true")
    before = against.locator(".figure").evaluate(shown)
    against.get_by_role("combobox").select_option(index=1)
    assert against.locator(".figure").evaluate(shown) == before[::-1]  # two channels, two traces each
    sample = opened.card("Sample trials")
    before = sample.locator(".figure").evaluate(shown)
    sample.get_by_role("button", name="trial 2").click()
    assert sample.locator(".figure").evaluate(shown) != before
    opened.finish(inaccessible)
