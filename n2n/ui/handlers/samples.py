"""The view Samples: pictures from p(x | y), drawn one at a time around the visitor's detail.

They are drawn from the noise as it was before it was cut off to fit into 8 bit, where the page
added it: the theory wants white noise. Of a file no such thing is known, and the view says so.
"""

import functools
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from n2n import images, posterior
from n2n.noise.gaussian import Gaussian
from n2n.posterior import LAST_SIGMA_255, STEPS, Moments
from n2n.ui.handlers import models, network, own, words
from n2n.ui.handlers.network import Finished, Progress, Tell
from n2n.ui.handlers.pictures import as_tensor, unclipped
from n2n.ui.handlers.store import Box, Drawn, Scene, store
from n2n.ui.handlers.views import NEWEST, PART_PX, Look, Shown, crop_box, show

PASSES = STEPS + 1
SEVERAL, ANOTHER = f"Draw {NEWEST} samples", "Draw another"
ABOUT = (
    "A sample is one of the many sharp pictures that the noisy one leaves possible, and not the "
    "best guess: that is the denoised picture, which is their mean, so about 3 dB better, and "
    "blurred."
)


@dataclass(frozen=True)
class State:
    """What the view says, and its button: None where nothing can be drawn, or while drawing."""

    text: str
    button: str | None = None
    busy: bool = False


@dataclass(frozen=True, eq=False)
class Plan:
    """What to draw from, and the samples to go on from, if any were drawn from the same."""

    model: str
    box: Box
    sigma_255: float
    drawn: Drawn | None

    @property
    def count(self) -> int:
        """Samples to draw at a press."""
        return NEWEST if self.drawn is None else 1


def state(scene: Scene, model: str | None, look: Look) -> State:
    """What can be drawn, and how long it will take; or why nothing can."""
    try:
        plan = _plan(scene, model, look)
    except ValueError as error:
        return State(f"{words.sentence(str(error))}.")
    height, width = (side.stop - side.start for side in plan.box)
    is_part = scene.noisy.shape[:2] != (height, width)
    what, each = ("One more sample", "") if plan.drawn else (f"{NEWEST} samples", " each")
    expected = _expected_seconds(plan)
    text = (
        f"{what} of {width} × {height} px{' around the detail' if is_part else ''}, "
        f"{PASSES} passes of {own.title(plan.model)}{each}"
        f"{'' if expected is None else f': about {models.duration(expected)} here'}. "
    )
    return State(text + _cut_off(scene, plan), ANOTHER if plan.drawn else SEVERAL)


def draw(visitor: str, model: str | None, look: Look) -> Iterator[tuple[Shown | None, State]]:
    """Draw four samples, or one more, telling how far it is; closing this stops it.

    Raises:
        ValueError: no picture, or nothing can be drawn from it; the line says why.
    """
    scene = store().get(visitor)
    plan = _plan(scene, model, look)
    for _ in range(plan.count):
        for event in network.in_turn(functools.partial(_one, plan, scene)):
            if not store().is_current(visitor, scene):  # overtaken: the work stops
                yield None, State("")
                return
            if isinstance(event, Finished):
                plan = replace(plan, drawn=event.value)
                scene = store().update(visitor, scene, drawn=plan.drawn) or scene
                yield show(scene, look, None), State("", busy=True)
            else:
                yield None, State(_waiting(plan, event), busy=True)
    # Once more: an event that looked at fewer may have reached the page in between.
    yield show(scene, look, None), state(scene, plan.model, look)


def _plan(scene: Scene, model: str | None, look: Look) -> Plan:
    """Raises ValueError where nothing can be drawn."""
    if scene.noisy.ndim == 2:
        raise ValueError("samples need a colour picture: in grey, three channels share one noise")
    sigma = _sigma(scene)
    if sigma <= LAST_SIGMA_255:
        raise ValueError(
            f"noise of σ {sigma:.2g} leaves no choice: the denoised picture is all there is"
        )
    if model is None:
        raise ValueError("choose a model first")
    trained = own.card(model).get("training", {}).get("noise", "")
    posterior.require_trained(own.title(model), trained, sigma)
    box, drawn = crop_box(scene.noisy, look, PART_PX), scene.drawn
    if drawn is not None and (drawn.model, drawn.box, drawn.sigma_255) != (model, box, sigma):
        drawn = None
    return Plan(model, box, sigma, drawn)


def _sigma(scene: Scene) -> float:
    """The level of the noise in 8-bit units: that of the page, or what a denoiser found."""
    if isinstance(scene.noise, Gaussian):
        return float(scene.noise.sigma_255)
    if scene.noise is not None:
        raise ValueError(
            f"samples need white Gaussian noise, this is {scene.noise.title}; choose Gaussian noise"
        )
    level = None if scene.result is None else scene.result.level
    if level is None:
        raise ValueError("denoise the picture first: samples need to know how strong its noise is")
    if level.doubt is not None:
        raise ValueError(f"samples need to know how strong the noise is, but {level.doubt}")
    return level.sigma_255


def _expected_seconds(plan: Plan) -> float | None:
    if plan.drawn is not None:
        return plan.drawn.seconds
    height, width = (side.stop - side.start for side in plan.box)
    ms = models.milliseconds(plan.model, height * width / 1e6)
    return None if ms is None else plan.count * PASSES * ms / 1000


def _cut_off(scene: Scene, plan: Plan) -> str:
    """What clipping to 8 bit means for these samples."""
    if scene.noise is not None:
        return "They start from the noise as it was before the 8-bit picture cut it off."
    part = scene.noisy[plan.box]
    share = float(((part == 0) | (part == 255)).mean())
    if share < 0.01:
        return ""
    return (
        f"The file has cut off the noise of {100 * share:.0f} % of its values here, those that are "
        "black or white; there samples err more."
    )


def _waiting(plan: Plan, event: Progress) -> str:
    if event.part is None:
        return words.TURN
    number = 1 if plan.drawn is None else plan.drawn.moments.count + 1
    left = f", about {models.duration(event.seconds_left())} left" if event.part > 0.02 else ""
    return f"Drawing sample {number}: {100 * event.part:.0f} %{left}."


@torch.inference_mode()
def _one(plan: Plan, scene: Scene, tell: Tell) -> Drawn:
    """One sample more; beside the first the estimate that it is compared with."""
    denoise, before = network.load(plan.model), plan.drawn
    noisy = _unclipped(scene, plan.box)
    start = time.perf_counter()
    sample = posterior.draw(
        denoise,
        noisy,
        plan.sigma_255,
        seed=scene.seed,
        number=0 if before is None else before.moments.count,
        progress=tell,
    )
    seconds = time.perf_counter() - start
    pixels = images.to_uint8(sample)
    if before is not None:
        newest = (*before.newest, pixels)[-NEWEST:]
        moments = before.moments.and_of(sample)
        return replace(before, newest=newest, moments=moments, seconds=seconds)
    return Drawn(
        model=plan.model,
        box=plan.box,
        sigma_255=plan.sigma_255,
        denoised=images.to_uint8(denoise(noisy)),
        newest=(pixels,),
        moments=Moments.of(sample),
        seconds=seconds,
    )


def _unclipped(scene: Scene, box: Box) -> Tensor:
    """Float (1, 3, h, w): the noise of the page drawn again, from the same keys, and not clipped.

    Of a picture that came noisy the file is all there is.
    """
    rows, columns = box
    if scene.noise is None:
        return as_tensor(scene.noisy[box])
    return unclipped(scene.picture.pixels, scene.noise, scene.seed, rows)[..., columns]
