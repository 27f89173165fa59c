"""All shipped models and a classical method on one picture, as a table that fills row by row."""

import base64
import functools
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from html import escape

import numpy as np
from skimage.restoration import denoise_nl_means

import n2n
from n2n import images, noise_level
from n2n.ui.handlers import models, network, numbers
from n2n.ui.handlers.network import Finished, Tell
from n2n.ui.handlers.pictures import Pixels, as_tensor, bands, middle
from n2n.ui.handlers.quality import Quality, quality
from n2n.ui.handlers.store import Scene, store
from n2n.ui.handlers.views import Look, crop_box
from n2n.ui.limits import limits

CLASSICAL = "non-local means"
PATCH_PX, REACH_PX = 5, 6  # as in scikit-image's own example
THUMBNAIL_PX = 96


@dataclass(frozen=True, eq=False)
class Row:
    """What one method made of the picture; `why` says why it did not run."""

    name: str
    pixels: Pixels | None = None
    seconds: float | None = None
    quality: Quality | None = None
    why: str = ""


def compare(visitor: str, look: Look) -> Iterator[tuple[str, str]]:
    """Yield (table as HTML, status) after every method. Closing this stops the work.

    Raises:
        ValueError: there is no picture.
    """
    scene = store().get(visitor)
    rows = [Row("noisy", scene.noisy, quality=_quality(scene, scene.noisy))]
    for name in (*n2n.shipped_models(), CLASSICAL):
        yield table(scene, rows, look), f"Running {name}."
        if name != CLASSICAL and models.is_slow(name) and _too_large(scene):
            why = f"not run: it is for pictures up to {limits().seed_megapixels:g} MP"
            rows.append(Row(name, why=why))
            continue
        for event in network.in_turn(functools.partial(_run, name, scene)):
            if isinstance(event, Finished):
                rows.append(event.value)
            else:
                yield table(scene, rows, look), f"Running {name}: {100 * (event.part or 0):.0f} %."
    yield table(scene, rows, look), ""


def table(scene: Scene, rows: list[Row], look: Look) -> str:
    """The rows as HTML, each with the same detail of the picture, in its exact pixels."""
    with_quality = scene.reference is not None
    head = ["Detail", "Method", *(["PSNR", "SSIM"] if with_quality else []), "Time"]
    body = "".join(_row(row, with_quality, scene, look) for row in rows)
    cells = "".join(f"<th scope='col'>{cell}</th>" for cell in head)
    return (
        "<div class='wide' tabindex='0' role='region' aria-label='Comparison of models'>"
        f"<table class='compare'><thead><tr>{cells}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def non_local_means(noisy: Pixels, tell: Tell = lambda part: None) -> Pixels:
    """Buades et al. 2005 as scikit-image has it, at the noise level that wavelets find.

    It works on bands with all the context that a pixel's patches need, so that it can be stopped.
    """
    sigma = noise_level.wavelet_sigma(as_tensor(middle(noisy, 1.0)))
    if not sigma > 0:
        return noisy
    result = np.empty_like(noisy)
    halo = REACH_PX + PATCH_PX
    for rows in bands(len(noisy)):
        top = max(rows.start - halo, 0)
        part = noisy[top : rows.stop + halo].astype(np.float32) / 255
        estimate = denoise_nl_means(
            part,
            h=0.6 * sigma,
            sigma=sigma,
            patch_size=PATCH_PX,
            patch_distance=REACH_PX,
            fast_mode=True,
            channel_axis=-1 if noisy.ndim == 3 else None,
        )
        kept = estimate[rows.start - top : rows.stop - top]
        result[rows] = np.rint(255 * kept.clip(0, 1)).astype(np.uint8)
        tell(rows.stop / len(noisy))
    return result


def _run(name: str, scene: Scene, tell: Tell) -> Row:
    start = time.perf_counter()
    if name == CLASSICAL:
        pixels = non_local_means(scene.noisy, tell)
        seconds = time.perf_counter() - start
    else:
        denoised = network.denoise(name, scene.noisy, tell)
        pixels, seconds = denoised.image, denoised.milliseconds / 1000
    return Row(name, pixels, seconds, _quality(scene, pixels))


def _quality(scene: Scene, pixels: Pixels) -> Quality | None:
    return None if scene.reference is None else quality(pixels, scene.reference)


def _too_large(scene: Scene) -> bool:
    return scene.megapixels > limits().seed_megapixels


def _row(row: Row, with_quality: bool, scene: Scene, look: Look) -> str:
    cells = [_thumbnail(row, scene, look), escape(row.name)]
    if row.why:
        span = 3 if with_quality else 1
        return f"<tr><td></td><td>{escape(row.name)}</td><td colspan='{span}'>{row.why}</td></tr>"
    if with_quality:
        found = row.quality or Quality(math.nan)
        cells += [f"{numbers.decibel(found.psnr_db)} dB", numbers.similarity(found.ssim)]
    cells.append("" if row.seconds is None else models.duration(row.seconds))
    return "<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"


def _thumbnail(row: Row, scene: Scene, look: Look) -> str:
    if row.pixels is None:
        return ""
    detail = row.pixels[crop_box(scene.noisy, look, THUMBNAIL_PX)]
    data = base64.b64encode(images.png_bytes(np.ascontiguousarray(detail))).decode()
    height, width = detail.shape[:2]
    name = escape(row.name, quote=True)
    return (
        f"<img alt='detail, {name}' width='{width}' height='{height}' "
        f"src='data:image/png;base64,{data}'>"
    )
