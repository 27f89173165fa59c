"""The page in Chromium, as a visitor uses it."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import n2n
from n2n import images
from n2n.data.samples import sample
from n2n.noise import create_noise
from n2n.ui.handlers.pictures import add_noise
from tests.ui.page import DONE_MS, Page

pytestmark = pytest.mark.browser


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "photo.png"
    images.write(path, sample("astronaut")[:256, 100:400])
    return path


def test_it_opens_with_a_denoised_sample(visit: Callable[..., Page]) -> None:
    page = visit()
    before, after = page.psnr()
    assert before == pytest.approx(20.2, abs=0.3)  # σ 25, clipped
    assert after > before
    assert "averaged frames" in page.numbers()
    assert page.page.get_by_test_id("imageslider-image").count() == 2


def test_the_noise_follows_the_slider_and_the_last_value_wins(page: Page, tmp_path: Path) -> None:
    images.write(tmp_path / "cat.png", sample("chelsea")[:200])
    page.upload(tmp_path / "cat.png")
    page.page.get_by_text("picture: 451 × 200 px, colour").wait_for()
    page.set_level(25)
    slider = page.page.get_by_label("range slider for σ (8-bit units)")
    slider.focus()
    for _ in range(20):
        slider.press("ArrowRight")
    page.page.get_by_text(re.compile("Noisy, 15")).first.wait_for(timeout=DONE_MS)
    page.wait_for_result()
    page.page.wait_for_timeout(1500)  # nothing that was overtaken may come after
    noisy, clean = page.download("noisy", tmp_path), page.download("clean", tmp_path)
    direct = float(n2n.psnr_db(images.to_tensor(noisy), images.to_tensor(clean)))
    assert page.psnr()[0] == pytest.approx(direct, abs=0.051)
    expected = add_noise(clean, create_noise("gaussian", 45), 0)
    np.testing.assert_array_equal(noisy, expected)


def test_a_photo_is_noised_denoised_and_measured_as_shown(
    page: Page, photo: Path, tmp_path: Path
) -> None:
    """What the page states is what the core finds on the files that the visitor takes away."""
    page.upload(photo)
    page.page.get_by_text("picture: 300 × 256 px, colour").wait_for()
    page.set_level(40)
    page.page.get_by_text("PSNR, noisy → denoised").wait_for(state="detached", timeout=DONE_MS)
    page.wait_for_result()
    noisy, denoised, clean = (
        page.download(name, tmp_path) for name in ("noisy", "denoised", "clean")
    )
    np.testing.assert_array_equal(clean, images.read(photo).pixels)
    reference = images.to_tensor(clean)
    found = [float(n2n.psnr_db(images.to_tensor(x), reference)) for x in (noisy, denoised)]
    assert page.psnr() == pytest.approx(found, abs=0.051)
    text = page.numbers()
    for pixels in (noisy, denoised):
        assert f"{n2n.ssim(pixels, clean):.3f}" in text
    model = page.page.get_by_role("radio", checked=True).last.get_attribute("value")
    np.testing.assert_array_equal(denoised, n2n.load(model)(noisy))


def test_two_visitors_at_once_do_not_mix(
    visit: Callable[..., Page], page: Page, tmp_path: Path
) -> None:
    one, other = visit(), page
    images.write(tmp_path / "photo.png", sample("coffee")[:200, :280])
    other.upload(tmp_path / "photo.png")
    other.page.get_by_text("picture: 280 × 200 px").wait_for()
    one.page.get_by_role("button", name="Denoise", exact=True).click()
    other.wait_for_result()
    one.wait_for_result()
    (tmp_path / "a").mkdir()
    assert one.download("clean", tmp_path / "a").shape == sample("chelsea").shape
    assert other.download("clean", tmp_path).shape == (200, 280, 3)


def test_an_already_noisy_photo_gets_a_level(page: Page) -> None:
    page.page.get_by_label("My photo is already noisy").check()
    page.page.locator(".numbers .big").wait_for(timeout=DONE_MS)
    assert re.search(r"σ \d|No noise level|No noise found", page.numbers())
    assert not page.page.get_by_label("Seed", exact=True).is_visible()
    page.page.get_by_role("tab", name="Side by side").click()
    page.page.get_by_label("Add noise", exact=True).check()
    page.wait_for_result()


def test_views_strength_and_comparison(page: Page) -> None:
    for name in ("Side by side", "Detail", "Difference", "Slider"):
        page.page.get_by_role("tab", name=name).click()
        marks = {"Side by side": "Clean", "Detail": "4 times its size", "Difference": "Contrast ×"}
        page.page.get_by_text(marks.get(name, "shown whole")).first.wait_for()
    before, _ = page.psnr()
    box = page.page.get_by_label("number input for Strength (%)")
    box.fill("0")
    box.press("Enter")
    page.page.get_by_text(f"{before:.1f} → {before:.1f} dB").wait_for()
    page.page.get_by_role("button", name="Compare models").click()
    page.page.locator(".compare tr", has_text="non-local means").wait_for(timeout=DONE_MS)
    assert page.page.locator(".compare tbody tr").count() >= 3
    box.fill("100")
    box.press("Enter")
    page.page.get_by_text(f"{before:.1f} → {before:.1f} dB").wait_for(state="detached")


def test_a_click_on_the_map_moves_the_detail(page: Page) -> None:
    page.page.get_by_role("tab", name="Detail").click()
    chart = page.page.get_by_alt_text("Where picture")
    chart.wait_for()
    box = chart.bounding_box()
    chart.click(position={"x": box["width"] * 0.9, "y": box["height"] * 0.5})
    across = page.page.get_by_label("number input for Across (%)")
    page.page.wait_for_function("e => e.value > 60", arg=across.element_handle())


def test_a_broken_upload_says_so_and_loses_nothing(page: Page, tmp_path: Path) -> None:
    path = tmp_path / "broken.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(99))
    before = page.numbers()
    page.upload(path)
    page.page.get_by_test_id("toast-body").get_by_text("broken.png").wait_for()
    assert page.numbers() == before
    page.complaints = [c for c in page.complaints if "broken" not in c]


def test_a_tiff_is_shown_though_browsers_cannot(page: Page, tmp_path: Path) -> None:
    path = tmp_path / "scan.tif"
    images.write(path, np.full((40, 60), 30000, np.uint16))
    page.upload(path)
    page.page.get_by_text("16 bits per sample became 8").wait_for()
    picture = page.page.get_by_alt_text("the picture you added")
    page.page.wait_for_function("e => e.naturalWidth == 60", arg=picture.element_handle())
    page.wait_for_result()


def test_the_keyboard_is_enough(page: Page) -> None:
    """Tab reaches the controls in the order of the work; Enter and arrows use them."""
    page.page.get_by_role("tab", name="Slider").click()
    page.page.get_by_label("number input for σ (8-bit units)").focus()
    reached = []
    for _ in range(40):
        page.page.keyboard.press("Tab")
        reached.append(page.page.evaluate("document.activeElement.textContent.trim()"))
        if reached[-1] in ("Denoise", "Denoise again"):
            break
    assert "New seed" in reached
    page.page.keyboard.press("Enter")
    page.wait_for_result()
    page.page.get_by_role("tab", name="Slider").focus()
    page.page.keyboard.press("Tab")
    page.page.keyboard.press("Enter")
    page.page.get_by_alt_text("Denoised picture").first.wait_for()
