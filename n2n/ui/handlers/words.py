"""What several tabs say: of a network that will run or runs, of a place in the queue."""

from n2n.ui.handlers import models, own
from n2n.ui.handlers.network import Progress

TURN = "Waiting for a turn: another picture is being denoised."
PREPARING = "Reading photos, building a network."


def sentence(text: str) -> str:
    """With a capital, and without the full stop."""
    return (text[:1].upper() + text[1:]).rstrip(".")


def queued(what: str, place: int) -> str:
    """That a run waits for what another one is using."""
    return f"Another run is using this {what}; yours starts after it (place {place})."


def offer(model: str | None, expected_ms: float | None) -> str:
    """That a press on the button would run a model, and for how long."""
    if model is None:
        return "There are no models here: the folder of weights is empty."
    title = own.title(model)
    if expected_ms is None:
        return f"Press Denoise to run {title}."
    return f"Press Denoise to run {title}: about {models.duration(expected_ms / 1000)} here."


def waiting(model: str, megapixels: float, event: Progress) -> str:
    """How far it is with a picture of so many megapixels."""
    part, title = event.part, own.title(model)
    if part is None:
        return TURN
    if part == 1:
        return "Measuring the result."
    if part > 0.02:
        left = models.duration(event.seconds_left())
        return f"Denoising with {title}: {100 * part:.0f} %, about {left} left."
    expected = models.milliseconds(model, megapixels)
    about = "" if expected is None else f", about {models.duration(expected / 1000)}"
    return f"Denoising {megapixels:.3g} MP with {title}{about}."
