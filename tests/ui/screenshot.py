"""Photograph a running app for the README, and time what a visitor waits for.

`python -m tests.ui.screenshot URL assets/app.png`
"""

import io
import shutil
import sys
import tempfile
import time
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

from n2n import images
from n2n.data.samples import sample

SIZE = {"width": 1440, "height": 1000}
RESULT = "PSNR, noisy → denoised"


def main(url: str, target: str) -> None:
    """Open the page, wait for its first result, and write what is seen, in 256 colours."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"),
            args=["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"],
        )
        page = browser.new_page(viewport=SIZE)
        start = time.perf_counter()
        page.goto(f"{url}?__theme=light")
        page.get_by_role("button", name="Denoise", exact=True).wait_for()
        print(f"page ready {time.perf_counter() - start:.1f} s after it was asked for")
        page.get_by_text(RESULT).wait_for()
        print(f"first result {time.perf_counter() - start:.1f} s after the page was asked for")
        page.get_by_text("a megapixel here").first.wait_for()
        page.wait_for_timeout(500)
        shot = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
        shot.quantize(256, kmeans=2, dither=Image.Dither.FLOYDSTEINBERG).save(target, optimize=True)
        _time_an_upload(page)
        browser.close()


def _time_an_upload(page: Page) -> None:
    """From choosing a file of 512 × 512 px to its denoised picture, the upload included."""
    with tempfile.TemporaryDirectory() as folder:
        photo = Path(folder) / "photo.png"
        images.write(photo, sample("astronaut"))
        start = time.perf_counter()
        page.set_input_files("input[type=file] >> nth=0", photo)
        page.get_by_text("picture: 512 × 512 px, colour").wait_for()
        page.get_by_text(RESULT).wait_for(state="detached")
        page.get_by_text(RESULT).wait_for()
        print(f"512 × 512 px denoised {time.perf_counter() - start:.1f} s after it was chosen")


if __name__ == "__main__":
    main(*sys.argv[1:])
