"""Passes that a GPU replays: the same steps as the network's own."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from n2n.acceleration import captured
from n2n.devices import place
from n2n.models import create_model
from n2n.runs import Run
from n2n.training import OutOfMemory
from tests.tiny import random_picture
from tests.toy_runs import CONFIG, PHOTOS

SOURCE = random_picture(2, 3, 16, 16)


def capture(name: str) -> nn.Module:
    return captured(create_model(name), SOURCE, torch.autocast("cpu", enabled=False))


def test_a_network_that_recording_would_change_is_left_as_it_is() -> None:
    assert type(capture("seed")).__name__ == "Autoencoder"


@pytest.mark.parametrize(
    ("raised", "kind", "said"),
    [
        (
            RuntimeError("CUDA out of memory. Tried to allocate memory"),
            OutOfMemory,
            "smaller batch",
        ),
        (RuntimeError("no C compiler\nand a page of reasons"), ValueError, "leave out --compile"),
    ],
)
def test_what_cannot_be_captured_is_told_in_a_line(
    raised: Exception, kind: type[Exception], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise raised

    monkeypatch.setattr(torch.cuda, "make_graphed_callables", fail)
    with pytest.raises(kind, match=said) as caught:
        capture("small")
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_replayed_steps_are_those_of_the_network() -> None:
    def losses(compiled: bool) -> list[float]:
        placement = replace(place("cuda", "fp32"), compiled=compiled)
        run = Run(replace(CONFIG, steps=12), PHOTOS, [], placement)
        return [float(step.loss) for step in run.steps()]

    assert losses(True) == pytest.approx(losses(False), rel=1e-2)
