"""The How it works tab: ten lines, a picture made on the spot, the models' cards, the limits."""

import base64
from functools import cache
from html import escape
from typing import Any

import numpy as np
import torch

import n2n
from n2n import images, shipped
from n2n.devices import place
from n2n.noise import NOISES
from n2n.randomness import keyed_rng
from n2n.ui.handlers import models, pictures
from n2n.ui.limits import limits

PICTURE_OF, CROP = "astronaut", (slice(10, 170), slice(150, 310))
SIGMA, COPIES = 50, 64

TEXT = """
**Noise2Noise trains a denoiser without one clean target.**

Take two noisy pictures of the same thing. Give the first to a network and ask it for the second.
It cannot succeed: the noise of the second is a fresh draw that nothing in the first foretells.
The best that it can do is to answer with the mean of all the noisy pictures that might have come.
Where the noise is zero on average, that mean is the clean picture.
So the network learns to denoise, though it never saw a clean target; noisy targets only make
its gradients noisier, and more pictures make up for that.
What a network answers depends on the loss: the squared error gives the mean, the absolute error
the median, which is right for noise that hits less than half of the pixels and spares the rest.
The models here were trained on photos with fresh noise of a random strength added twice at every
step; the target is always a second noisy draw, never the clean photo.

Lehtinen et al., *Noise2Noise: Learning Image Restoration without Clean Data*, ICML 2018,
[arXiv:1803.04189](https://arxiv.org/abs/1803.04189).
"""


@cache
def figure() -> str:
    """Four pictures as HTML: two noisy draws, the mean of many, the clean one."""
    clean = pictures.sample(PICTURE_OF).pixels[CROP]
    noise = NOISES["gaussian"](SIGMA)  # type: ignore[call-arg]
    draws = [noise(pictures.as_tensor(clean), keyed_rng(seed)) for seed in range(COPIES)]
    # Unclipped, as training's targets are: the mean of clipped ones would be greyish.
    source, target, mean = draws[0], draws[1], torch.stack(draws).mean(0)
    steps = (
        (images.to_uint8(source), "What the network sees", "noisy picture, the input"),
        (images.to_uint8(target), "What it is asked for", "another noisy picture, the target"),
        (
            images.to_uint8(mean),
            f"The mean of {COPIES} such targets",
            "mean of many noisy pictures",
        ),
        (clean, "The clean picture, never asked for", "clean picture"),
    )
    return "<div class='steps'>" + "".join(_step(*step) for step in steps) + "</div>"


def model_table() -> str:
    """The shipped models with what their cards say, as HTML."""
    names = shipped.names()
    if not names:
        return "<p>No models are here: the folder of weights is empty.</p>"
    cards = {name: shipped.card(name) for name in names}
    measured = [found for found in map(shipped.scores, cards.values()) if found]
    tests = [test for test in (*measured, {})[0] if all(test in each for each in measured)]
    head = ["Model", "Trained on", "Parameters", "Size", "Work per pixel"]
    head += [f"PSNR, {test}" for test in tests]
    cells = "".join(f"<th scope='col'>{escape(cell)}</th>" for cell in head)
    body = "".join(_model_row(name, card, tests) for name, card in cards.items())
    return (
        "<div class='wide' tabindex='0' role='region' aria-label='Shipped models'>"
        f"<table><thead><tr>{cells}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def limits_text() -> str:
    """What this server and these models do not do, as Markdown."""
    known = [
        f"- **{name}**: {failure}"
        for name in shipped.names()
        for failure in shipped.card(name).get("known_failures", [])
    ]
    bounds = limits()
    return "\n".join(
        [
            f"- Pictures up to {bounds.max_megapixels:g} megapixels, files up to "
            f"{bounds.max_file_megabytes:g} MB; PNG, JPEG, WebP, GIF, BMP, TIFF. None is resized.",
            "- This page works at 8 bit. PSNR is of 8-bit pictures, over all pixels and channels.",
            "- Pictures are kept on this server: in its memory until they were not used for "
            f"{bounds.session_minutes:g} minutes, and, what was uploaded or shown, as files that "
            f"are deleted when {bounds.file_minutes:g} minutes old. Each may take a minute longer.",
            _training_limits(),
            "- A denoiser guesses. Fine texture that noise has covered is smoothed or invented: "
            "never read evidence off a denoised picture.",
            "- The models know the noise that they were trained on. They remove little of another.",
            *known,
        ]
    )


def _training_limits() -> str:
    bounds = limits()
    if not bounds.training:
        return "- Training is switched off on this server."
    return (
        f"- A training run is at most {bounds.longest_run:g} seconds long. Its photos are kept in "
        "memory as long as pictures are, its model and history as files for "
        f"{bounds.run_minutes:g} minutes after its end."
    )


def device_text() -> str:
    """The device in use, and why."""
    placement = place()
    return f"{placement.label}. The device {placement.reason}."


def header() -> str:
    """The page's title line, as HTML."""
    return (
        "<header class='top'><div><h1>Noise2Noise</h1>"
        "<p>Add noise to a picture, remove it again, and see how much came back: with networks "
        "that never had a clean target.</p></div>"
        f"<span class='badge'>{escape(place().label)}</span></header>"
    )


def footer() -> str:
    """Version and licence, as HTML."""
    return f"<p class='foot'>n2n {escape(n2n.__version__)} · MIT licence</p>"


def _model_row(name: str, card: dict[str, Any], tests: list[str]) -> str:
    parameters = models.number(card.get("parameters"))
    work = models.number(card.get("kmacs_per_pixel"))
    found = [models.number(shipped.scores(card).get(test)) for test in tests]
    cells = [
        _training(card),
        _known(parameters / 1e6, "{:.2f} million"),
        models.file_size(name),
        _known(work, "{:.0f} thousand multiply-adds"),
        *(_known(value, "{:.2f} dB") for value in found),
    ]
    row = "".join(f"<td>{escape(cell)}</td>" for cell in cells)
    return f"<tr><th scope='row'>{escape(name)}</th>{row}</tr>"


def _training(card: dict[str, Any]) -> str:
    training, seen = card.get("training", {}), models.number(card.get("gigapixels"))
    parts = [training.get("noise"), training.get("targets") and f"{training['targets']} targets"]
    parts.append(f"{seen:.3g} gigapixels" if np.isfinite(seen) else None)
    return ", ".join(part for part in parts if part) or "–"


def _known(value: float, form: str) -> str:
    return form.format(value) if np.isfinite(value) else "–"


def _step(pixels: pictures.Pixels, caption: str, alt: str) -> str:
    data = base64.b64encode(images.png_bytes(np.ascontiguousarray(pixels))).decode()
    height, width = pixels.shape[:2]
    return (
        f"<figure><img alt='{escape(alt)}' width='{width}' height='{height}' "
        f"src='data:image/png;base64,{data}'><figcaption>{escape(caption)}</figcaption></figure>"
    )
