"""The How it works tab: nothing to press."""

import gradio as gr

from n2n.ui.handlers import about


def layout() -> None:
    """Text, figure, models, device, limits."""
    gr.Markdown(about.TEXT)
    gr.HTML(about.figure())
    gr.Markdown("## Shipped models")
    gr.HTML(about.model_table())
    gr.Markdown("## Device")
    gr.Markdown(about.device_text())
    gr.Markdown("## Limits")
    gr.Markdown(about.limits_text())
