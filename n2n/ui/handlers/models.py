"""What the page says of the shipped models: from their cards and from this machine's own clock."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from n2n import shipped
from n2n.ui.handlers import network, own
from n2n.ui.handlers.pictures import Pixels
from n2n.ui.limits import limits

SLOW_KMACS = 1000  # thousand multiply-adds a pixel: 1 TFLOP and more for half a megapixel
USUAL_TEST = "CBSD68 gaussian:25"


def menu(runs: Sequence[str] = ()) -> list[tuple[str, str]]:
    """(text, name) of each shipped model, and of the models that these runs have left."""
    mine = [own.name(run) for run in runs if own.is_there(run)]
    return [(text(name), name) for name in [*shipped.names(), *mine]]


def text(name: str) -> str:
    """One line: what it is for, size, PSNR and speed, as far as they are known."""
    card = own.card(name)
    parts = [card.get("purpose"), file_size(name), usual_psnr(card), _work(name), _speed(name)]
    known = ", ".join(part for part in parts if part)
    return f"{own.title(name)}: {known}" if known else own.title(name)


def is_slow(name: str) -> bool:
    """Whether it never runs unasked. A model that has no card counts as quick."""
    return number(own.card(name).get("kmacs_per_pixel"), 0) > SLOW_KMACS


def check_size(name: str, noisy: Pixels) -> None:
    """Keep a slow model from a picture that would occupy it for minutes.

    Raises:
        ValueError: the model is slow, and the picture too large for it.
    """
    height, width = noisy.shape[:2]
    megapixels, most = height * width / 1e6, limits().seed_megapixels
    if is_slow(name) and megapixels > most:
        raise ValueError(
            f"{own.title(name)} is for pictures up to {most:g} megapixels here, this one has "
            f"{megapixels:.3g}; choose another model or a smaller picture"
        )


def level_megapixels(name: str) -> float:
    """How much of a picture to read the noise level off: a network runs some three times for it."""
    return 0.1 if is_slow(name) else 1.0


def milliseconds(name: str, megapixels: float) -> float | None:
    """How long it will take here: measured, or in proportion to one that was measured."""
    measured = network.milliseconds(name, megapixels)
    if measured is not None:
        return measured
    work = number(own.card(name).get("kmacs_per_pixel"))
    for other in shipped.names():
        known = network.milliseconds(other, megapixels)
        others_work = number(shipped.card(other).get("kmacs_per_pixel"))
        if known is not None and work > 0 and others_work > 0:
            return known * work / others_work
    return None


def file_size(name: str) -> str:
    """Such as "6.9 MB"."""
    path = own.weights(name) if own.is_own(name) else shipped.weights_path(name)
    return f"{path.stat().st_size / 1e6:.1f} MB"


def usual_psnr(card: Mapping[str, Any]) -> str | None:
    """The PSNR on the test that every paper has."""
    value = number(shipped.scores(card).get(USUAL_TEST))
    return None if math.isnan(value) else f"{value:.2f} dB at σ 25"


def number(value: object, missing: float = math.nan) -> float:
    """A number from a card, where there is one."""
    return float(value) if isinstance(value, int | float) else missing


def _work(name: str) -> str | None:
    """Beside the first model."""
    first = next(iter(shipped.names()), name)
    mine, others = (number(own.card(one).get("kmacs_per_pixel")) for one in (name, first))
    if name == first or not (mine > 0 and others > 0):
        return None
    if mine < others:
        return f"{others / mine:.0f} times less work than {first}"
    return f"{mine / others:.0f} times the work of {first}"


def _speed(name: str) -> str | None:
    ms = network.milliseconds(name, 1)
    return None if ms is None else f"{duration(ms / 1000)} a megapixel here"


def duration(seconds: float) -> str:
    """In words: 84 ms, 1.2 s, 12 s, 3 min."""
    if seconds < 1:
        return f"{1000 * seconds:.0f} ms"
    if seconds < 10:
        return f"{seconds:.1f} s"
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
