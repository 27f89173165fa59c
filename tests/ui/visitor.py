"""One visitor of the handlers, and a denoiser that can be watched."""

from collections.abc import Callable

import numpy as np
from torch import Tensor

from n2n.denoiser import Denoised
from n2n.ui.handlers import denoise
from n2n.ui.handlers.denoise import ADD, Settings
from n2n.ui.handlers.store import Scene, store
from n2n.ui.handlers.views import Look

GAUSSIAN = Settings(ADD, "gaussian", 25, 0, 0)
VISITOR = "visitor"
LOOK = Look()


class Spy:
    """A denoiser that gives back what it got, or a fixed answer, and remembers what it got."""

    milliseconds = 10.0

    def __init__(self, answer: np.ndarray | None = None) -> None:
        self.got, self.answer = [], answer

    def run(self, noisy: np.ndarray, *, progress: Callable[[float], None]) -> Denoised:
        self.got.append(noisy)
        progress(1.0)
        image = noisy if self.answer is None else self.answer
        return Denoised(image, self.milliseconds, noisy.shape[0] * noisy.shape[1] / 1e6, "CPU", ())

    def __call__(self, noisy: Tensor) -> Tensor:
        return noisy


def open_and_denoise(
    name: str = "astronaut", settings: Settings = GAUSSIAN, look: Look = LOOK
) -> Scene:
    list(denoise.open_sample(VISITOR, name, settings, look))
    list(denoise.denoise(VISITOR, "best", look))
    return store().get(VISITOR)
