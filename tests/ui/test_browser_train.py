"""A run in Chromium: watched, stopped, used, found again, and nobody else's."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

import n2n
from n2n import images
from n2n.data.samples import sample
from n2n.history import History
from tests.conftest import Server
from tests.tiny import photo
from tests.ui.page import DONE_MS, Page
from tests.ui.train_page import ENDED, UNDER_WAY, TrainTab

pytestmark = pytest.mark.browser
LONG = 100_000  # steps: until it is stopped
NAME_OF_FOCUS = """() => {
  const e = document.activeElement;
  return (e.ariaLabel || e.labels?.[0]?.innerText || e.innerText || "").trim().split("\\n")[0];
}"""


@pytest.fixture
def tab(page: Page) -> Iterator[TrainTab]:
    """Set to small runs, for tests that do not mind an earlier run on the page."""
    found = TrainTab(page.page)
    found.make_small()
    yield found
    if found.stop.is_visible():  # the test failed, which must not be the next one's trouble
        found.stop.click()
        found.wait_for(ENDED)


def test_train_stop_and_use(visit: Callable[..., Page], tmp_path: Path) -> None:
    """What the page trained denoises on the page, and is what the visitor takes away."""
    page = visit()
    tab = TrainTab(page.page)
    tab.start.click()
    tab.wait_for(UNDER_WAY)
    assert not tab.start.is_visible()
    page.page.get_by_alt_text("Now picture").wait_for(timeout=DONE_MS)
    page.page.get_by_alt_text("Noisy picture").last.wait_for(timeout=DONE_MS)
    np.testing.assert_array_equal(clean_picture(page, tmp_path), middle_of_chelsea())
    tab.wait_for_more(tab.step())
    tab.stop.click()
    assert "on photos that it never saw" in tab.wait_for(ENDED)
    assert not tab.stop.is_visible()

    weights = tab.download("Download model", tmp_path)
    rows = History.read_csv(tab.download("Download history", tmp_path)).rows
    plot = images.read(tab.download("Download plot", tmp_path)).pixels
    assert rows[-1].step > 0
    assert plot.shape[2] == 3

    page.page.get_by_role("button", name="Try it in Denoise").click()
    mine = page.page.get_by_role("radio", name=re.compile(r"^my run of \d\d:\d\d"))
    mine.wait_for(timeout=DONE_MS)
    assert mine.is_checked()
    page.page.locator(".numbers .how", has_text="my run of").wait_for(timeout=DONE_MS)
    noisy, denoised = (page.download(name, tmp_path) for name in ("noisy", "denoised"))
    np.testing.assert_array_equal(denoised, n2n.load(str(weights))(noisy))


def clean_picture(page: Page, folder: Path) -> np.ndarray:
    """The watched photo as the page has it."""
    shown = page.page.get_by_alt_text("Clean picture").last
    shown.wait_for(timeout=DONE_MS)
    path = folder / "shown.png"
    path.write_bytes(page.context.request.get(shown.get_attribute("src")).body())
    return images.read(path).pixels


def middle_of_chelsea() -> np.ndarray:
    height, width = sample("chelsea").shape[:2]
    top, left = (height - 256) // 2, (width - 256) // 2
    return sample("chelsea")[top : top + 256, left : left + 256]


def test_a_reload_finds_the_run_where_it_is_now(visit: Callable[..., Page], server: Server) -> None:
    page = visit()
    tab = TrainTab(page.page)
    tab.make_small(LONG)
    tab.start.click()
    tab.wait_for(UNDER_WAY)
    step = tab.step()
    page.page.reload()
    again = TrainTab(page.page)
    assert again.step() > step
    page.page.get_by_alt_text("Now picture").wait_for(timeout=DONE_MS)
    step = again.step()
    page.page.close()  # and the browser is closed and opened again
    page.page = page.context.new_page()
    page.page.goto(server.url)
    later = TrainTab(page.page)
    assert later.step() > step
    later.stop.click()
    later.wait_for(ENDED)
    page.page.reload()
    assert TrainTab(page.page).wait_for(ENDED)
    page.page.get_by_role("tab", name="Denoise", exact=True).click()
    page.page.get_by_role("radio", name=re.compile("^my run of")).wait_for(timeout=DONE_MS)


def test_another_browser_neither_sees_nor_stops_it(visit: Callable[..., Page]) -> None:
    one, other = visit(), visit()
    mine, theirs = TrainTab(one.page), TrainTab(other.page)
    mine.make_small(LONG)
    theirs.make_small(20)
    mine.start.click()
    mine.wait_for(UNDER_WAY)
    assert not theirs.stop.is_visible()
    assert theirs.line.inner_text() == "Press Start and watch a network learn."
    theirs.start.click()
    said = theirs.wait_for(re.compile("^Another run is using this"))
    assert said.endswith("(place 1).")
    theirs.stop.click()  # leaves the queue
    theirs.wait_for(re.compile("^Left the queue"))
    mine.wait_for_more(mine.step())
    theirs.start.click()
    mine.stop.click()
    mine.wait_for(ENDED)
    theirs.wait_for(ENDED)
    one.page.get_by_role("tab", name="Denoise", exact=True).click()
    one.page.get_by_role("radio", name=re.compile("^my run of")).wait_for(timeout=DONE_MS)
    assert one.page.get_by_role("radio", name=re.compile("^my run of")).count() == 1


def test_start_and_stop_pressed_again_and_again(tab: TrainTab) -> None:
    tab.fill("Steps", LONG)
    for _ in range(2):
        tab.start.click()
        tab.stop.click(timeout=DONE_MS)
        tab.start.wait_for(timeout=DONE_MS)
    tab.start.click()
    tab.wait_for(UNDER_WAY)
    tab.stop.click()
    tab.wait_for(ENDED)


def test_one_step_at_a_time(tab: TrainTab) -> None:
    page = tab.page
    tab.fill("Steps", LONG)
    page.get_by_role("radio", name="One step at a time").check()
    tab.start.click()
    tab.wait_for(re.compile("^Step 1 .*press of One step"))
    page.get_by_role("button", name="One step", exact=True).click()
    tab.wait_for(re.compile("^Step 2 .*press of One step"))
    page.get_by_role("radio", name="Full speed").check()
    tab.wait_for(re.compile(r"^Step \d{2,} .*left"))
    assert not page.get_by_role("button", name="One step", exact=True).is_visible()
    tab.stop.click()
    tab.wait_for(ENDED)


def test_continue_goes_on_from_where_it_was(tab: TrainTab) -> None:
    assert tab.run().startswith("Done after 20 steps")
    tab.page.get_by_role("button", name="Continue training").click()
    tab.wait_for(re.compile(r"^Done after 3\d steps"))


def test_what_cannot_start_is_said_before_and_loses_nothing(tab: TrainTab, page: Page) -> None:
    tab.fill("Learning rate", 0)
    tab.page.locator("#plan").get_by_text("This cannot start: the learning rate").wait_for()
    tab.start.click()
    tab.page.get_by_test_id("toast-body").get_by_text("The learning rate must be").wait_for()
    assert tab.start.is_visible()
    tab.fill("Learning rate", 0.001)
    assert tab.run().startswith("Done after 20 steps")
    page.complaints = [c for c in page.complaints if "learning rate" not in c]


def test_the_keyboard_is_enough(tab: TrainTab) -> None:
    """Tab reaches the controls in the order of the work; Enter starts, stops and uses a run."""
    page, reached = tab.page, []
    tab.fill("Steps", LONG)
    page.get_by_role("radio", name="Built-in photos").focus()
    for _ in range(60):
        page.keyboard.press("Tab")
        reached.append(page.evaluate(NAME_OF_FOCUS))
        if reached[-1] == "Start":
            break
    expected = ["30 seconds", "Noise", "Model", "Advanced", "Learning rate", "Seed", "Start"]
    assert [name for name in reached if name in expected] == expected
    page.keyboard.press("Enter")
    tab.wait_for(UNDER_WAY)
    tab.stop.focus()
    page.keyboard.press("Enter")
    tab.wait_for(ENDED)
    page.get_by_role("button", name="Try it in Denoise").focus()
    page.keyboard.press("Enter")
    mine = page.get_by_role("radio", name=re.compile("^my run of")).first
    mine.wait_for(timeout=DONE_MS)
    assert mine.is_checked()


def test_my_photos(tab: TrainTab, tmp_path: Path) -> None:
    page = tab.page
    page.get_by_role("radio", name="My photos").check()
    paths = [tmp_path / f"photo-{index}.png" for index in range(3)]
    for index, path in enumerate(paths):
        images.write(path, photo(70, 90, index))
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(99))
    page.locator("input[type=file][multiple]").set_input_files([*paths, broken])
    page.get_by_text(re.compile("3 photos, .*Left out: broken.png")).wait_for(timeout=DONE_MS)
    tab.run()
    page.get_by_text(re.compile(r"Clean: photo-\d.png")).wait_for(timeout=DONE_MS)


def test_presets_fill_the_form_and_hide_what_does_nothing(tab: TrainTab, page: Page) -> None:
    assert not page.page.get_by_text("BatchNorm").is_visible()
    page.page.get_by_role("button", name="The report's recipe").click()
    page.page.locator("#plan").get_by_text("of the report's 100 samples a step").wait_for(
        timeout=DONE_MS
    )
    page.page.get_by_text("BatchNorm").first.wait_for()
    assert not page.page.get_by_text("A range of levels").is_visible()
    page.page.get_by_role("button", name="2 minutes").click()
    page.page.get_by_text("A range of levels").wait_for()
    page.page.get_by_text("A range of levels").click()
    page.page.get_by_label(re.compile("^range slider for From: σ")).wait_for()
