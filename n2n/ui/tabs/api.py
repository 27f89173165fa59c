"""The endpoints for programs: each can be called alone, by name, and remembers nothing."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import gradio as gr
from gradio.processing_utils import save_bytes_to_cache
from gradio.utils import get_upload_folder

from n2n.ui.events import NETWORK_API, SPARE_SECONDS, Upload, Uploads, handler, on_gpu, upload
from n2n.ui.handlers import api, train_api
from n2n.ui.limits import limits

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
    images: Uploads
    trained: gr.Textbox
    seconds: gr.Number
    targets: gr.Textbox
    event: gr.JSON
    weights: gr.File


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
            images=Uploads(label="images", file_count="multiple"),
            trained=gr.Textbox("fast", label="model"),
            seconds=gr.Number(30, label="seconds"),
            targets=gr.Textbox("noisy", label="targets"),
            event=gr.JSON(label="event"),
            weights=gr.File(label="weights"),
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
    press(
        on_gpu(handler(_train, quote=str), limits().gpu_seconds + SPARE_SECONDS),
        [
            widgets.images, widgets.noise, widgets.level, widgets.trained, widgets.seconds,
            widgets.targets,
        ],
        [widgets.event, widgets.weights],
        api_name="train",
        api_description=train_api.train_model.__doc__,
        concurrency_limit=1 + limits().waiting_runs,
    )  # fmt: skip


def _train(
    images: list[str], noise: str, level: float, model: str, seconds: float, targets: str
) -> Iterator[tuple[Any, str | None]]:
    """The stream, its file where Gradio hands files out from."""
    name, folder = f"{model}.safetensors", get_upload_folder()
    stream = train_api.train_model(images, noise, level, model, seconds, targets)
    with closing(stream) as events:
        for event, weights in events:
            yield event, weights and save_bytes_to_cache(weights, name, folder)
