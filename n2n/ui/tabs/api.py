"""The endpoints for programs: each can be called alone, by name, and remembers nothing."""

from dataclasses import dataclass

import gradio as gr

from n2n.ui.events import NETWORK_API, Upload, handler, upload
from n2n.ui.handlers import api

# View_api shows these widgets' first values as defaults; the page never shows the widgets.


@dataclass(frozen=True)
class Api:
    """Unseen widgets that give the endpoints their types, labels and defaults."""

    image: Upload
    noise: gr.Textbox
    level: gr.Number
    seed: gr.Number
    model: gr.Textbox
    strength: gr.Number
    noisy: Upload
    denoised: Upload
    clean: Upload
    picture: gr.Image
    facts: gr.JSON
    press: gr.Button


def layout() -> Api:
    """Build the widgets out of sight."""
    with gr.Column(visible=False):
        return Api(
            image=upload("image"),
            noise=gr.Textbox("gaussian", label="noise"),
            level=gr.Number(25, label="level"),
            seed=gr.Number(0, label="seed"),
            model=gr.Textbox("best", label="model"),
            strength=gr.Number(1.0, label="strength"),
            noisy=upload("noisy"),
            denoised=upload("denoised"),
            clean=upload("clean"),
            picture=gr.Image(format="png", label="picture"),
            facts=gr.JSON(label="facts"),
            press=gr.Button(),
        )


def wire(widgets: Api) -> None:
    """Name and document the endpoints."""
    press = widgets.press.click
    press(
        handler(api.add_noise, quote=str),
        [widgets.image, widgets.noise, widgets.level, widgets.seed],
        widgets.picture,
        api_name="add_noise",
        api_description=api.add_noise.__doc__,
        concurrency_limit=2,
    )
    press(
        handler(api.denoise, quote=str),
        [widgets.image, widgets.model, widgets.strength],
        [widgets.picture, widgets.facts],
        api_name="denoise",
        api_description=api.denoise.__doc__,
        **NETWORK_API,
    )
    press(
        handler(api.compare, quote=str),
        [widgets.noisy, widgets.denoised, widgets.clean],
        widgets.facts,
        api_name="compare",
        api_description=api.compare.__doc__,
        concurrency_limit=2,
    )
