"""The left side of the Train tab: photos, noise, model, and all else in a fold."""

from dataclasses import dataclass, fields
from html import escape
from typing import Any

import gradio as gr

from n2n.noise import NOISES, Parameter
from n2n.recipes import PRESETS
from n2n.ui.events import Uploads
from n2n.ui.handlers import photos, speed, train_form
from n2n.ui.handlers.train_form import CHOICES, FIXED, FRESH, FROZEN, MOST, RANGE, Form
from n2n.ui.limits import limits
from n2n.ui.tabs import denoise_controls

FIRST = next(iter(PRESETS))
LEVELS = ("level", "second", "low", "high")


@dataclass(frozen=True)
class PhotoControls:
    """What to train on."""

    source: gr.Radio
    adding: gr.Column
    files: Uploads
    clear: gr.Button
    gallery: gr.Gallery
    count: gr.HTML


@dataclass(frozen=True)
class FormControls:
    """A widget for each field of `Form`, named as it is."""

    base: gr.State
    photos: gr.Radio
    noise: gr.Dropdown
    levels: gr.Radio
    level: gr.Slider
    second: gr.Slider
    low: gr.Slider
    high: gr.Slider
    model: gr.Dropdown
    loss: gr.Dropdown
    targets: gr.Radio
    fresh: gr.Radio
    frozen: gr.Number
    optimizer: gr.Dropdown
    rate: gr.Number
    batch: gr.Number
    crop_px: gr.Number
    initialization: gr.Dropdown
    batchnorm: gr.Radio
    until: gr.Radio
    seconds: gr.Number
    steps: gr.Number
    seed: gr.Number

    @property
    def all(self) -> list[gr.components.Component]:
        """In the order of `Form`."""
        return [getattr(self, field.name) for field in fields(Form)]

    @property
    def sliders(self) -> list[gr.components.Component]:
        """In the order of LEVELS."""
        return [getattr(self, name) for name in LEVELS]


@dataclass(frozen=True)
class Controls:
    """The whole left side."""

    photos: PhotoControls
    presets: dict[str, gr.Button]
    form: FormControls
    plan: gr.Markdown


def layout() -> Controls:
    """Build it from top to bottom, filled in with the first preset."""
    form = train_form.preset(FIRST)
    gr.Markdown("## Photos", elem_classes="heading")
    brought = _photos()
    gr.Markdown("## Run", elem_classes="heading")
    with gr.Row(elem_classes="presets"):
        presets = {
            name: gr.Button(train_form.TITLES.get(name, name), size="sm", min_width=100)
            for name in PRESETS
        }
    noise = _noise(form)
    model = gr.Dropdown(_models(), value=form.model, label="Model")
    with gr.Accordion("Advanced", open=False):
        advanced = _learning(form) | _batches(form) | _length(form)
    plan = gr.Markdown("", elem_classes="line", elem_id="plan")  # needs a measurement first
    controls = FormControls(
        base=gr.State(FIRST), photos=brought.source, model=model, **noise, **advanced
    )
    return Controls(brought, presets, controls, plan)


def filled(form: Form) -> list[Any]:
    """Updates of `FormControls.all` that show a form."""
    shown = train_form.visible(form)
    parameters = dict(zip(LEVELS, sliders(form), strict=True))
    return [
        parameters.get(field.name)
        or (
            gr.update(value=getattr(form, field.name), visible=shown.get(field.name, True))
            if field.name != "base"
            else form.base
        )
        for field in fields(Form)
    ]


def sliders(form: Form) -> list[gr.Slider]:
    """Sliders over the ranges that the form's noise has."""
    first, *others = NOISES[form.noise].parameters
    shown = train_form.visible(form)
    return [
        denoise_controls.slider(first, form.level, shown["level"]),
        denoise_controls.slider(others[0] if others else first, form.second, shown["second"]),
        _end("From", first, form.low, shown["low"]),
        _end("To", first, form.high, shown["high"]),
    ]


def said(*texts: str) -> str:
    """Text as HTML: names of files in it are strangers' words."""
    return f"<p>{escape(' '.join(texts).strip())}</p>"


def _photos() -> PhotoControls:
    source = gr.Radio(
        [photos.BUILT_IN, photos.MINE], value=photos.BUILT_IN, show_label=False, container=False
    )
    with gr.Column(visible=False) as adding:
        files = Uploads(
            label="Add photos", file_count="multiple", type="filepath", height=170,
            file_types=[".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".tif", ".tiff"],
        )  # fmt: skip
        clear = gr.Button("Remove all", size="sm")
    gallery = gr.Gallery(
        photos.thumbnails("", photos.BUILT_IN), label="Photos to train on", columns=6,
        format="png", object_fit="cover", height=None, allow_preview=False, buttons=[],
        elem_classes=["samples", "small"], interactive=False,
    )  # fmt: skip
    count = gr.HTML(said(photos.count("", photos.BUILT_IN)), elem_classes="line", padding=False)
    return PhotoControls(source, adding, files, clear, gallery, count)


def _noise(form: Form) -> dict[str, Any]:
    shown = train_form.visible(form)
    names = [(family.title, name) for name, family in NOISES.items()]
    found: dict[str, Any] = {"noise": gr.Dropdown(names, value=form.noise, label="Noise")}
    found["levels"] = gr.Radio(
        [FIXED, RANGE], value=form.levels, label="Level", visible=shown["levels"]
    )
    return found | dict(zip(LEVELS, sliders(form), strict=True))


def _models() -> list[tuple[str, str]]:
    return [(f"{name} ({speed.kmacs(name):.0f} kMAC a pixel)", name) for name in CHOICES["model"]]


def _learning(form: Form) -> dict[str, Any]:
    return {
        "loss": gr.Dropdown(CHOICES["loss"], value=form.loss, label="Loss"),
        "targets": gr.Radio(CHOICES["targets"], value=form.targets, label="Targets"),
        "optimizer": gr.Dropdown(CHOICES["optimizer"], value=form.optimizer, label="Optimizer"),
        "rate": gr.Number(form.rate, label="Learning rate"),
        "initialization": gr.Dropdown(
            CHOICES["initialization"], value=form.initialization, label="Initialisation"
        ),
        "batchnorm": gr.Radio(
            CHOICES["batchnorm"],
            value=form.batchnorm,
            label="BatchNorm",
            visible=train_form.has_batchnorm(form.model),
        ),
    }


def _batches(form: Form) -> dict[str, Any]:
    with gr.Row():
        batch = _whole("batch", form.batch, "Batch (crops)")
        crop = _whole("crop_px", form.crop_px, "Crop (px)")
    fresh = gr.Radio([FRESH, FROZEN], value=form.fresh, label="Noise and crops")
    frozen = _whole("frozen", form.frozen, "Batches", visible=form.fresh == FROZEN)
    return {"batch": batch, "crop_px": crop, "fresh": fresh, "frozen": frozen}


def _length(form: Form) -> dict[str, Any]:
    shown = train_form.visible(form)
    until = gr.Radio([train_form.SECONDS, train_form.STEPS], value=form.until, label="Length in")
    most = limits().longest_run
    seconds = gr.Number(form.seconds, label=f"Seconds (at most {most:g})", visible=shown["seconds"])
    steps = _whole("steps", form.steps, "Steps", visible=shown["steps"])
    seed = gr.Number(form.seed, label="Seed", precision=0)
    return {"until": until, "seconds": seconds, "steps": steps, "seed": seed}


def _whole(name: str, value: float, label: str, visible: bool = True) -> gr.Number:
    # Limits are checked where the run is made: a widget's own would say them in Gradio's words.
    return gr.Number(value, label=label, info=f"1 to {MOST[name]}", visible=visible, min_width=120)


def _end(which: str, parameter: Parameter, value: float, visible: bool) -> gr.Slider:
    low, high = parameter.slider
    label = f"{which}: {parameter.label}"
    return gr.Slider(low, high, value=value, step=parameter.step, label=label, visible=visible)
