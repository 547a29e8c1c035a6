"""The report opened and clicked through in a browser, at the width of a desk and of a phone."""

import shutil

import pytest

from gnode.examine import analyse
from gnode.report import report

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
        card = self.page.locator("figure.card").filter(has=self.page.get_by_role("heading", name=title, exact=True))
        card.scroll_into_view_if_needed()
        if card.locator(".figure").count():
            card.locator(".figure[data-drawn]").wait_for()
        return card

    def finish(self):
        """Everything is drawn, nothing is wider than the page, and nobody complained or asked the network."""
        for box in self.page.locator(".figure, .portrait").all():
            box.scroll_into_view_if_needed()
        self.page.wait_for_function("[...document.querySelectorAll('.figure')].every(box => box.dataset.drawn)")
        assert self.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert self.troubles == []
        assert [url for url in self.requests if not url.startswith(("file:", "data:", "blob:"))] == []
        self.context.close()


@pytest.mark.slow
@pytest.mark.parametrize("size", ["desk", pytest.param("phone", marks=pytest.mark.full)])
def test_clicking_through_the_report(browser, analysed, size):
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
    flow.locator(".legendtoggle").first.click()
    page.wait_for_function("box => box.data.some(t => t.visible === 'legendonly')", arg=flow.element_handle())

    survivors = opened.card("What survives the silence, as read out").locator(".figure")
    assert "silent bins: 100" in survivors.text_content()
    rail = survivors.locator(".slider-rail-touch-rect").bounding_box()
    page.mouse.click(rail["x"] + rail["width"] - 2, rail["y"] + rail["height"] / 2)
    page.wait_for_function("box => box.textContent.includes('silent bins: 10 000')", arg=survivors.element_handle())

    film = opened.card("The birth of the attractor").locator(".figure")
    assert "epoch 2, validation loss" in film.text_content()
    film.get_by_text("▶ play").click()
    page.wait_for_function("box => box.textContent.includes('epoch 6, validation loss')", arg=film.element_handle())

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
    opened.finish()


@pytest.mark.full
def test_the_space_of_three_units_turns(browser, space_run):
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
    opened.finish()


@pytest.mark.slow
def test_several_runs_side_by_side_on_a_phone(browser, stopped_run, own_run, tmp_path):
    path = report([stopped_run, own_run], tmp_path / "side.html")
    opened = Opened(browser, path, **SIZES["phone"])
    text = opened.page.locator("main").text_content()
    assert "2 runs side by side" in text
    assert "stopped before its end" in text
    assert "own data" in text
    opened.finish()


@pytest.mark.slow
def test_predictions_of_a_run_on_own_data_on_a_phone(browser, own_run, tmp_path):
    opened = Opened(browser, report([own_run], tmp_path / "own.html"), **SIZES["phone"])
    shown = "box => box.data.map(trace => trace.visible)"
    against = opened.card("Predicted against true").locator(".figure")
    before = against.evaluate(shown)
    against.locator(".updatemenu-header").click()
    against.locator(".updatemenu-dropdown-button").nth(1).click()
    assert against.evaluate(shown) == before[::-1]  # two channels, two traces each
    sample = opened.card("Sample trials").locator(".figure")
    before = sample.evaluate(shown)
    sample.get_by_text("trial 2", exact=True).click()
    assert sample.evaluate(shown) != before
    opened.finish()
