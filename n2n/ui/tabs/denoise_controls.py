"""The left side of the Denoise tab: picture, noise, model."""

from dataclasses import dataclass

import gradio as gr

from n2n.noise import NOISES, Parameter
from n2n.ui.events import PageImage, Upload, upload
from n2n.ui.handlers import models, network, pictures
from n2n.ui.handlers.denoise import ADD, ALREADY, PRESETS, parameters

FIRST_NOISE = "gaussian"
THUMBNAIL_PX = 160


@dataclass(frozen=True)
class PictureControls:
    """Where a picture comes from, and what reading it changed."""

    upload: Upload
    samples: gr.Gallery
    notes: gr.HTML


@dataclass(frozen=True)
class NoiseControls:
    """Which noise. `adding` holds all that counts only when noise is added."""

    mode: gr.Radio
    adding: gr.Column
    presets: dict[str, gr.Button]
    noise: gr.Dropdown
    level: gr.Slider
    second: gr.Slider
    seed: gr.Number
    new_seed: gr.Button
    preview: PageImage


@dataclass(frozen=True)
class DenoiseControls:
    """Which model, start and stop, and how far it is."""

    model: gr.Radio
    start: gr.Button
    stop: gr.Button
    status: gr.Markdown


def picture() -> PictureControls:
    """Upload, paste, or a sample."""
    gr.Markdown("## Picture", elem_classes="heading")
    own = upload(
        "Upload, drop or paste a picture",
        sources=["upload", "clipboard"],
        height=150,
        show_label=False,
        buttons=[],
        placeholder="Drop or choose a picture",
        alt_text="the picture you added",
    )
    thumbnails = [
        (pictures.shrunk(pictures.sample(name).pixels, THUMBNAIL_PX), name)
        for name in pictures.samples.NAMES
    ]
    samples = gr.Gallery(
        thumbnails,
        label="Or take a sample photo",
        columns=4,
        format="png",
        object_fit="cover",
        height=None,
        allow_preview=False,
        elem_classes="samples",
        buttons=[],
        interactive=False,
    )
    return PictureControls(own, samples, gr.HTML(elem_classes="line", padding=False))


def noise() -> NoiseControls:
    """Add noise, or say that the picture has its own."""
    gr.Markdown("## Noise", elem_classes="heading")
    mode = gr.Radio([ADD, ALREADY], value=ADD, show_label=False, container=False)
    with gr.Column() as adding:
        with gr.Row(elem_classes="presets"):
            presets = {name: gr.Button(name, size="sm", min_width=130) for name in PRESETS}
        kind = gr.Dropdown(
            [(family.title, name) for name, family in NOISES.items()],
            value=FIRST_NOISE,
            label="Type",
        )
        first, *others = parameters(FIRST_NOISE)
        level = slider(first)
        second = slider(others[0] if others else first, visible=bool(others))
        with gr.Row(elem_classes="seed"):
            seed = gr.Number(0, label="Seed", precision=0, min_width=120)
            new_seed = gr.Button("New seed", size="md", min_width=120, scale=0)
        preview = PageImage(
            label="Noise, in a detail",
            format="png",
            visible=False,
            height=200,
            buttons=[],
            elem_classes=["exact", "detail"],
            alt_text="detail of the noisy picture",
        )
    return NoiseControls(mode, adding, presets, kind, level, second, seed, new_seed, preview)


def slider(parameter: Parameter, value: float | None = None, visible: bool = True) -> gr.Slider:
    """A slider over the part of a parameter's range that is worth exploring."""
    low, high = parameter.slider
    return gr.Slider(
        low,
        high,
        value=parameter.default if value is None else value,
        step=parameter.step,
        label=parameter.label,
        info=parameter.meaning,
        visible=visible,
    )


def denoise() -> DenoiseControls:
    """Model, Denoise, Stop, status."""
    gr.Markdown("## Denoise", elem_classes="heading")
    model = gr.Radio(
        models.menu(), value=network.default_model(), label="Model", elem_classes="models"
    )
    with gr.Row():
        start = gr.Button("Denoise", variant="primary", elem_id="denoise")
        stop = gr.Button("Stop", variant="stop", visible=False)
    status = gr.Markdown(elem_classes=["line", "status"], elem_id="status")
    return DenoiseControls(model, start, stop, status)
