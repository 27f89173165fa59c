"""Passes that a GPU replays: the same steps as the network's own."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from n2n.acceleration import Captured, captured
from n2n.devices import place
from n2n.models import create_model
from n2n.runs import Run
from tests.tiny import CPU, random_picture
from tests.toy_runs import CONFIG, PHOTOS


def test_a_cpu_takes_the_network_itself_and_draws_no_batch() -> None:
    def batches() -> Iterator[tuple[Tensor, Tensor]]:
        raise AssertionError("a batch was drawn")
        yield

    model, autocast = create_model("small"), torch.autocast("cpu", enabled=False)
    assert captured(model, batches(), replace(CPU, compiled=True), autocast) is model


def test_batches_of_the_recorded_shape_are_replayed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Others, as the last of an epoch, go through the network itself."""

    def recorded(passes: nn.Module, _: tuple[Tensor]) -> Callable[[Tensor], Tensor]:
        return lambda source: passes(source) + 1

    monkeypatch.setattr(torch.cuda, "make_graphed_callables", recorded)
    monkeypatch.setattr(torch, "compile", lambda model, **_: model)
    model = create_model("small")
    both = Captured(model, random_picture(2, 3, 16, 16))
    for count, added in ((2, 1), (1, 0)):
        source = random_picture(count, 3, 16, 16, seed=count)
        torch.testing.assert_close(both(source), model(source) + added)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_replayed_steps_are_those_of_the_network() -> None:
    def losses(compiled: bool) -> list[float]:
        placement = replace(place("cuda", "fp32"), compiled=compiled)
        run = Run(replace(CONFIG, steps=12), PHOTOS, [], placement)
        return [float(step.loss) for step in run.steps()]

    assert losses(True) == pytest.approx(losses(False), rel=1e-2)
