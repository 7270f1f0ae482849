"""The report in a real browser, Chromium without a window; skipped where there is none or no selenium."""

import json
import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rasterio.io import MemoryFile

from fose.evaluation.report import write_report

from .conftest import make_pair

pytest.importorskip("selenium", reason="no selenium: pip install selenium")
BINARY, DRIVER = shutil.which("chromium") or shutil.which("google-chrome"), shutil.which("chromedriver")
if not BINARY or not DRIVER:
    pytest.skip("no browser: apt-get install chromium chromium-driver", allow_module_level=True)

from selenium import webdriver  # noqa: E402
from selenium.webdriver import ActionChains, Keys  # noqa: E402
from selenium.webdriver.chrome.service import Service  # noqa: E402
from selenium.webdriver.support.select import Select  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")

FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)
# Where each view's middle lies in the picture and how much of it the view's width shows.
SEEN = """
return [...document.querySelectorAll('.view')].map(box => {
  const m = new DOMMatrix(box.querySelector('img').style.transform);
  return [(box.clientWidth / 2 - m.e) / m.a, (box.clientHeight / 2 - m.f) / m.a, box.clientWidth / m.a];
});
"""


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report on two results with a target."""
    folder = tmp_path_factory.mktemp("page")
    pair = make_pair(folder, height=256, width=384)
    pair.sharpen("brovey")
    pair.sharpen("exp", "a name as long as those that people give to their files, with_version_2.final.tif")
    out = folder / "report.html"
    write_report(pair.pan, [pair.ms], pair.sharps, out, pair.target)
    return out


class Browser(webdriver.Chrome):
    """Chromium with a profile of its own, and what the tests ask it."""

    def __init__(self, profile: Path) -> None:
        options = webdriver.ChromeOptions()
        options.binary_location = str(BINARY)
        for flag in (*FLAGS, f"--user-data-dir={profile}"):
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})  # type: ignore[no-untyped-call]
        super().__init__(options=options, service=Service(str(DRIVER)))

    def size(self, width: int, height: int, mobile: bool = False) -> None:
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": mobile}
        self.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)

    def show(self, page: Path) -> None:
        self.get(page.as_uri())
        self.settle()

    def settle(self) -> None:
        """Wait for the next painted frame, and for the position to be said."""
        self.execute_async_script("requestAnimationFrame(() => requestAnimationFrame(arguments[0]))")
        time.sleep(0.25)

    def on(self, name: str) -> Any:
        return self.find_element("id", name)

    def seen(self) -> np.ndarray:
        self.settle()
        return np.array(self.execute_script(SEEN))

    def linked(self) -> np.ndarray:
        """What the stage shows, after checking that every other view shows the same."""
        seen = self.seen()
        np.testing.assert_allclose(seen, np.broadcast_to(seen[0], seen.shape), atol=0.51)
        return np.asarray(seen[0])

    def picture(self, name: str) -> np.ndarray:
        """Screen pixels of an element, (H, W, 3), without the tags at its top and the round corners."""
        self.settle()
        with MemoryFile(self.on(name).screenshot_as_png) as memory, memory.open() as file:
            return np.moveaxis(file.read([1, 2, 3]), 0, -1)[60:-20, 20:-20].astype(int)

    def press(self, group: str, text: str) -> None:
        self.on(group).find_element("xpath", f".//button[text()='{text}']").click()
        self.settle()


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    browser = Browser(tmp_path_factory.mktemp("profile"))
    yield browser
    browser.quit()


@pytest.fixture
def browser(chromium: Browser, page: Path) -> Iterator[Browser]:
    """The page, freshly opened; afterwards nothing may have been logged or asked of the network."""
    chromium.size(1280, 900)
    for kind in ("browser", "performance"):
        chromium.get_log(kind)
    chromium.show(page)
    yield chromium
    assert chromium.get_log("browser") == []
    asked = [json.loads(entry["message"])["message"] for entry in chromium.get_log("performance")]
    urls = {event["params"]["request"]["url"] for event in asked if event["method"] == "Network.requestWillBeSent"}
    assert {url for url in urls if not url.startswith("data:")} == {page.as_uri()}


def put(browser: Browser, share: int) -> None:
    slider = browser.on("slider")
    browser.execute_script(
        "arguments[0].value = arguments[1]; arguments[0].dispatchEvent(new Event('input'))", slider, share
    )


class TestSlider:
    def test_reveals_one_image_at_the_cost_of_the_other(self, browser: Browser) -> None:
        left, right = Select(browser.on("left")), Select(browser.on("right"))
        left.select_by_value("pan")
        right.select_by_value("sharp1")
        put(browser, 30)
        both = browser.picture("stage")
        right.select_by_value("pan")
        only_pan = browser.picture("stage")
        left.select_by_value("sharp1")
        right.select_by_value("sharp1")
        only_sharp = browser.picture("stage")
        cut = int(0.3 * both.shape[1])
        assert (both[:, : cut - 30] == only_pan[:, : cut - 30]).all()
        assert (both[:, cut + 30 :] == only_sharp[:, cut + 30 :]).all()
        assert np.abs(only_pan - only_sharp).mean() > 5

    def test_follows_arrow_keys_and_says_so(self, browser: Browser) -> None:
        slider = browser.on("slider")
        slider.send_keys(Keys.ARROW_RIGHT * 3)
        assert slider.get_attribute("value") == "53"
        assert slider.get_attribute("aria-valuetext") == "MS, interpolated 53 %, brovey 47 %"
        slider.send_keys(Keys.HOME)
        assert browser.on("clip").value_of_css_property("clip-path").endswith(" 0%)")

    def test_is_dragged_by_its_divider(self, browser: Browser) -> None:
        before = browser.linked()
        ActionChains(browser).drag_and_drop_by_offset(browser.on("divider"), 200, 0).perform()
        assert 64 < int(browser.on("slider").get_attribute("value")) < 70
        np.testing.assert_allclose(browser.linked(), before)  # the image stays


class TestZoomAndPan:
    def test_buttons_zoom_all_views(self, browser: Browser) -> None:
        x, y, width = browser.linked()
        browser.on("in").click()
        assert browser.linked() == pytest.approx([x, y, width / 1.5], abs=0.6)
        browser.on("out").click()
        assert browser.linked() == pytest.approx([x, y, width], abs=0.6)
        browser.on("full").click()
        stage = browser.execute_script("return document.getElementById('stage').clientWidth")
        assert browser.linked()[2] == pytest.approx(min(stage, 384 * stage / 256), rel=0.01)

    @pytest.mark.parametrize("view", [0, 3])
    def test_dragging_any_view_moves_all(self, browser: Browser, view: int) -> None:
        browser.on("in").click()
        browser.on("in").click()
        x, y, width = browser.linked()
        box = browser.find_elements("class name", "view")[view]
        browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", box)
        ActionChains(browser).move_to_element_with_offset(box, -60, 10).click_and_hold().move_by_offset(
            30, -20
        ).release().perform()
        shown = width / box.size["width"]
        assert browser.linked() == pytest.approx([x - 30 * shown, y + 20 * shown, width], abs=0.8)

    def test_keys_move_and_zoom(self, browser: Browser) -> None:
        stage = browser.on("stage")
        stage.send_keys("++")
        x, y, width = browser.linked()
        stage.send_keys(Keys.ARROW_RIGHT, Keys.ARROW_UP)
        moved = browser.linked()
        assert moved[0] == pytest.approx(x + width / 8, abs=0.8)
        assert moved[1] < y
        stage.send_keys("-")
        assert browser.linked()[2] == pytest.approx(width * 1.5, rel=0.01)
        stage.send_keys("0")
        assert browser.linked()[2] == pytest.approx(width * 2.25, rel=0.01)

    def test_wheel_zooms_about_the_pointer_only_where_asked(self, browser: Browser) -> None:
        stage = browser.on("stage")
        before = browser.linked()
        origin = webdriver.common.actions.wheel_input.ScrollOrigin.from_element(stage, 100, 0)
        ActionChains(browser).scroll_from_origin(origin, 0, 40).perform()
        np.testing.assert_allclose(browser.linked(), before)  # the page scrolled
        stage.click()
        ActionChains(browser).scroll_from_origin(origin, 0, -100).perform()
        x, _, width = browser.linked()
        assert width < before[2]
        per = before[2] / stage.size["width"], width / stage.size["width"]
        assert x + 100 * per[1] == pytest.approx(before[0] + 100 * per[0], abs=0.8)

    def test_two_fingers_pinch(self, browser: Browser) -> None:
        frame = browser.on("stage").rect
        middle = frame["x"] + frame["width"] / 2, 500
        before = browser.linked()
        for kind, apart in (("touchStart", 40), ("touchMove", 60), ("touchMove", 80), ("touchEnd", None)):
            points = [] if apart is None else [
                {"x": middle[0] + side * apart, "y": middle[1], "id": side + 1} for side in (-1, 1)
            ]  # fmt: skip
            browser.execute_cdp_cmd("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
        assert browser.linked()[2] == pytest.approx(before[2] / 2, rel=0.05)

    def test_never_leaves_the_image(self, browser: Browser) -> None:
        stage = browser.on("stage")
        stage.send_keys("+" * 3, Keys.ARROW_LEFT * 40, Keys.ARROW_UP * 40)
        x, _, width = browser.linked()
        assert x == pytest.approx(width / 2, abs=0.6)
        stage.send_keys("+" * 30)
        assert browser.linked()[2] > 10
        stage.send_keys("-" * 60)
        assert browser.linked()[2] >= 384


class TestChoices:
    def test_starts_with_the_result_against_ms_on_a_detail(self, browser: Browser) -> None:
        assert browser.on("left").get_attribute("value") == "ms"
        assert browser.on("right").get_attribute("value") == "sharp1"
        assert browser.on("places").find_element("css selector", "[aria-pressed=true]").text == "Detail 1"
        assert browser.on("colours").find_element("css selector", "[aria-pressed=true]").text == "True colour"
        assert browser.on("image-right").get_attribute("alt") == "brovey, true colour, detail 1"
        assert all(image.get_attribute("naturalWidth") == "384" for image in browser.find_elements("tag name", "img"))

    def test_colours_and_places_change_what_is_seen(self, browser: Browser) -> None:
        before, detail = browser.picture("stage"), browser.linked()
        browser.press("colours", "False colour")
        assert np.abs(browser.picture("stage") - before).mean() > 2
        np.testing.assert_allclose(browser.linked(), detail)  # the same pixels
        assert "false colour" in browser.on("image-left").get_attribute("alt")
        browser.press("places", "Whole scene")
        assert browser.linked()[2] >= 384
        assert re.fullmatch(r"Row \d+, column \d+, zoom \d+ %", browser.on("status").text)

    def test_error_map_brings_its_scale(self, browser: Browser) -> None:
        assert not browser.on("error-scale").is_displayed()
        Select(browser.on("right")).select_by_value("error-sharp1")
        assert browser.on("error-scale").is_displayed()
        assert browser.on("image-right").get_attribute("alt") == "Error of brovey, detail 1"
        browser.on("swap").click()
        assert browser.on("left").get_attribute("value") == "error-sharp1"

    def test_tab_reaches_every_control_in_order(self, browser: Browser) -> None:
        reached = []
        for _ in range(24):
            ActionChains(browser).send_keys(Keys.TAB).perform()
            reached.append(browser.execute_script("return document.activeElement.id || document.activeElement.text"))
        wanted = ["left", "swap", "right", "stage", "slider", "out", "in", "fit", "full"]
        assert [name for name in reached if name in wanted] == wanted
        browser.on("swap").send_keys(Keys.TAB)
        assert browser.execute_script("return getComputedStyle(document.activeElement).outlineStyle") == "solid"


class TestScreens:
    @pytest.mark.parametrize("width", [320, 390, 768])
    def test_narrow_screens_do_not_scroll_sideways(self, browser: Browser, width: int) -> None:
        browser.size(width, 800, mobile=True)
        browser.settle()
        assert browser.execute_script("return document.documentElement.scrollWidth") <= width
        seen = browser.linked()
        assert 0 < seen[2] < 1000
        sizes = [button.size["height"] for button in browser.find_elements("tag name", "button")]
        assert min(sizes) >= (44 if width < 640 else 36)

    def test_turning_the_phone_keeps_the_place(self, browser: Browser) -> None:
        before = browser.linked()
        browser.size(800, 390, mobile=True)
        assert browser.linked()[0] == pytest.approx(before[0], abs=1)

    @pytest.mark.parametrize("scheme", ["light", "dark"])
    def test_follows_the_colour_scheme(self, browser: Browser, scheme: str) -> None:
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
        paper, ink = (
            sum(map(int, re.findall(r"\d+", browser.find_element("tag name", "body").value_of_css_property(name))[:3]))
            for name in ("background-color", "color")
        )
        assert (paper > ink) == (scheme == "light")
