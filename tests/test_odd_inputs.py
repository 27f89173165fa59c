"""Odd and broken files: each gives the right pixels or one line, soon, and never a traceback.

The folder in the environment variable N2N_ODD_INPUTS, such as the test files of Pillow,
libjpeg-turbo and PngSuite, where it is set; else files made and damaged here.
"""

from __future__ import annotations

import io
import os
import random
import time
import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms, ImageOps

from n2n import images
from tests.picture_files import pattern, png16, saved

FOLDER = os.environ.get("N2N_ODD_INPUTS")
SECONDS = 2


def whole_files() -> dict[str, bytes]:
    colour = Image.fromarray(pattern(41, 53))
    with_alpha = Image.fromarray(pattern(41, 53, 4))
    files = {f"{mode}.png": saved(colour.convert(mode), "PNG") for mode in ("1", "L", "P", "RGB")}
    files |= {f"{kind}.{kind}": saved(colour, kind) for kind in ("JPEG", "GIF", "BMP", "WEBP")}
    for compression in ("raw", "tiff_lzw", "tiff_adobe_deflate", "packbits"):
        files[f"{compression}.tif"] = saved(colour, "TIFF", compression=compression)
    files["alpha.png"], files["alpha.webp"] = saved(with_alpha, "PNG"), saved(with_alpha, "WEBP")
    files["progressive.jpg"] = saved(colour, "JPEG", progressive=True)
    files["cmyk.jpg"] = saved(colour.convert("CMYK"), "JPEG")
    files["deep.png"] = png16(pattern(41, 53, 3, 16))
    files["deep-interlaced-alpha.png"] = png16(pattern(41, 53, 4, 16), interlaced=True)
    files["grey16.png"] = png16(pattern(41, 53, 1, 16))
    return files


def damaged(files: dict[str, bytes]) -> Iterator[tuple[str, bytes]]:
    """Each file cut short at several points, and with bytes changed by a keyed seed."""
    for name, data in files.items():
        for share in (0.01, 0.1, 0.5, 0.9, 0.99):
            yield f"cut at {share} {name}", data[: int(share * len(data))]
        for seed in range(12):
            rng, changed = random.Random(f"{name} {seed}"), bytearray(data)
            for _ in range(rng.choice((1, 3, 20))):
                changed[rng.randrange(min(len(data), rng.choice((64, 4000))))] = rng.randrange(256)
            yield f"seed {seed} {name}", bytes(changed)


def odd_files() -> list[tuple[str, bytes]]:
    if FOLDER:
        return [(path.name, path.read_bytes()) for path in sorted(Path(FOLDER).iterdir())]
    files = whole_files()
    return [*files.items(), *damaged(files)]


def by_pillow(data: bytes) -> np.ndarray:
    """The same rules with Pillow alone, at 8 bits: (H, W, 3) float, 0 to 255."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        image = Image.open(io.BytesIO(data))
        image.load()
        profile = image.info.get("icc_profile")
        image = ImageOps.exif_transpose(image)
        if image.mode.startswith("I"):
            return np.stack([np.asarray(image).astype(np.uint16) / 257] * 3, -1)
        if image.has_transparency_data:
            image = image.convert("RGBA")
            white = Image.new("RGBA", image.size, "white")
            image = Image.alpha_composite(white, image)
        image = image.convert("RGB")
        if profile:
            image = ImageCms.profileToProfile(
                image, ImageCms.ImageCmsProfile(io.BytesIO(profile)), ImageCms.createProfile("sRGB")
            )
        return np.asarray(image).astype(float)


def outcome(data: bytes) -> str:
    """Read one file: "read", "refused", or what is wrong with how we did it."""
    start = time.perf_counter()
    try:
        pixels, text = images.read(data).pixels, ""
    except images.ImageError as error:
        pixels, text = None, str(error)
    seconds = time.perf_counter() - start
    if seconds > SECONDS:
        return f"took {seconds:.1f} s"
    if pixels is not None:
        return compared(pixels, data)
    return "refused" if "\n" not in text and 10 < len(text) < 300 else f"says {text!r}"


def compared(pixels: np.ndarray, data: bytes) -> str:
    unit = pixels / (257 if pixels.dtype == np.uint16 else 1)
    colour = unit if unit.ndim == 3 else np.stack([unit] * 3, -1)
    try:
        wanted = by_pillow(data)
    except Exception as error:
        return f"read, but Pillow cannot: {error!r}"
    if colour.shape != wanted.shape:
        return f"shape {colour.shape}, not {wanted.shape}"
    # Pillow drops the low byte of 16 bits, then divides by alpha, composites and converts at 8.
    worst = np.abs(colour - wanted).max()
    return "read" if worst <= 2.5 else f"off by {worst} levels"


def test_odd_files_give_right_pixels_or_one_line() -> None:
    outcomes = {name: outcome(data) for name, data in odd_files()}
    counts = Counter(outcomes.values())
    assert {name: says for name, says in outcomes.items() if says not in ("read", "refused")} == {}
    assert counts["read"] > 20
    assert counts["refused"] > 20
    broken_by_design = [name for name in outcomes if name.startswith("pngsuite_x")]
    assert all(outcomes[name] == "refused" for name in broken_by_design)


@pytest.mark.skipif(bool(FOLDER), reason="the folder says nothing of what is whole")
def test_whole_files_are_read() -> None:
    assert {outcome(data) for data in whole_files().values()} == {"read"}
