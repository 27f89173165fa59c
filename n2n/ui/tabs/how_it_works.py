"""The How it works tab: nothing to press."""

from typing import Any

import gradio as gr

from n2n.ui.events import PRIVATE, handler
from n2n.ui.handlers import about


def layout(item: gr.Tab) -> None:
    """Text, figure, models, device, limits. `item` is the tab they lie in."""
    gr.Markdown(about.TEXT)
    figure, is_drawn = gr.HTML(), gr.State(False)
    gr.Markdown("## Shipped models")
    gr.HTML(about.model_table())
    gr.Markdown("## Device")
    gr.Markdown(about.device_text())
    gr.Markdown("## Limits")
    gr.Markdown(about.limits_text())

    def draw(is_drawn: bool) -> list[Any]:
        return [gr.skip() if is_drawn else about.figure(), True]

    # When it is first seen: it is larger than the rest of the page.
    item.select(handler(draw), is_drawn, [figure, is_drawn], **PRIVATE)
