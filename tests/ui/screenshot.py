"""Photograph the app for the README: `python tests/ui/screenshot.py URL assets/app.png`."""

import io
import shutil
import sys

from PIL import Image
from playwright.sync_api import sync_playwright

SIZE = {"width": 1440, "height": 1000}


def main(url: str, target: str) -> None:
    """Open the page, wait for its first result, and write what is seen, in 256 colours."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"),
            args=["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"],
        )
        page = browser.new_page(viewport=SIZE)
        page.goto(f"{url}?__theme=light")
        page.get_by_text("PSNR, noisy → denoised").wait_for()
        page.get_by_text("a megapixel here").first.wait_for()
        page.wait_for_timeout(500)
        shot = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
        browser.close()
    shot.quantize(256, kmeans=2, dither=Image.Dither.FLOYDSTEINBERG).save(target, optimize=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
