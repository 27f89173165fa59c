"""The view Samples of the Denoise tab: what a sample is, a button that draws, the pictures."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import gradio as gr

from n2n.ui.events import NETWORK, PRIVATE, TICK, PageImage, handler
from n2n.ui.handlers import samples
from n2n.ui.handlers.denoise import Update
from n2n.ui.handlers.samples import State
from n2n.ui.handlers.stopping import DRAWING, stop, until_stopped
from n2n.ui.handlers.store import store
from n2n.ui.handlers.views import NEWEST, Look


@dataclass(frozen=True)
class Samples:
    """`pictures` in the order of the view: the samples, then what they are compared with."""

    status: gr.Markdown
    draw: gr.Button
    stop: gr.Button
    pictures: tuple[PageImage, ...]

    @property
    def controls(self) -> list[gr.components.Component]:
        """What `updates` speaks of, in its order."""
        return [self.status, self.draw, self.stop]

    def updates(self, state: State | None) -> list[Any]:
        """Gradio's updates of `controls`."""
        if state is None:
            return [gr.skip()] * len(self.controls)
        draw = gr.Button(state.button or samples.ANOTHER, visible=state.button is not None)
        return [state.text, draw, gr.Button(visible=state.busy)]


def layout() -> Samples:
    """Nothing is drawn until the button is pressed, and no empty place is shown."""
    gr.Markdown(samples.ABOUT, elem_classes="line")
    status = gr.Markdown(elem_classes="line", elem_id="samples-status")
    with gr.Row():
        draw = gr.Button(samples.SEVERAL, visible=False, size="md")
        stop = gr.Button("Stop drawing", variant="stop", visible=False, size="md")
    names = [f"Sample {number}" for number in range(1, NEWEST + 1)]
    with gr.Row():
        drawn = [_picture(name) for name in names]
    with gr.Row():
        others = [_picture(name) for name in ("Denoised", "Clean", "Mean", "Disagreement")]
    return Samples(status, draw, stop, (*drawn, *others))


def wire(
    shown: Samples,
    inputs: list[Any],
    outputs: list[Any],
    updates: Callable[[Update], list[Any]],
) -> None:
    """Draw, and stop; `inputs` are the visitor, the model and the fields of `Look`."""

    def draw(visitor: str, model: str | None, *look: Any) -> Iterator[list[Any]]:  # noqa: ANN401
        there = Look(*look)
        drawn = samples.draw(visitor, model, there)

        def offer() -> tuple[None, samples.State]:
            return None, samples.state(store().get(visitor), model, there)

        for view, state in until_stopped((visitor, DRAWING), drawn, offer):
            yield updates(Update(shown=view, drawing=state))

    shown.draw.click(handler(draw), inputs, outputs, **PRIVATE | NETWORK)
    shown.stop.click(lambda visitor: stop((visitor, DRAWING)), inputs[0], None, **TICK)


def _picture(name: str) -> PageImage:
    return PageImage(
        label=name,
        format="png",
        buttons=["fullscreen"],
        interactive=False,
        visible=False,
        min_width=130,
        elem_classes="captioned",  # the caption has a line of its own: these pictures are small
        alt_text=f"{name} picture",
    )
