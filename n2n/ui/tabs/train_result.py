"""The right side of the Train tab: start and stop, the state in words, plots, pictures, files."""

from dataclasses import dataclass
from typing import Any

import gradio as gr

from n2n.ui.events import PageImage
from n2n.ui.handlers import train_words
from n2n.ui.handlers.curves import Curves
from n2n.ui.handlers.train_view import RUNNING, WAITING, Picture, Seen, Update
from n2n.ui.handlers.visible_run import BY_HAND, FULL, SPEEDS
from n2n.ui.limits import is_zero_gpu
from n2n.ui.tabs.downloads import hidden

EVERY_SECONDS = 0.4  # a look at the run
FILE = "train-file"
DOWNLOADS = {
    "model": "Download model",
    "history": "Download history (CSV)",
    "plot": "Download plot",
}


@dataclass(frozen=True)
class Result:
    """All that shows a run. `pictures` are noisy, now, clean."""

    start: gr.Button
    stop: gr.Button
    step: gr.Button
    speed: gr.Radio
    line: gr.Markdown
    shown: gr.Column
    pictures: tuple[PageImage, ...]
    psnr: gr.LinePlot
    loss: gr.LinePlot
    after: gr.Row
    use: gr.Button
    go_on: gr.Button
    downloads: dict[str, gr.Button]
    file: gr.DownloadButton
    timer: gr.Timer
    seen: gr.State

    @property
    def outputs(self) -> list[gr.components.Component]:
        """What `updates` speaks of, in its order."""
        return [
            self.seen, self.timer, self.line, self.start, self.stop, self.step, self.after,
            self.shown, self.use, self.go_on, *self.downloads.values(), self.loss, self.psnr,
            *self.pictures,
        ]  # fmt: skip

    def updates(self, update: Update | None, speed: str) -> list[Any]:
        """Gradio's updates of `outputs`; what the update leaves open stays."""
        if update is None:
            return [gr.skip()] * len(self.outputs)
        going = update.phase in (WAITING, RUNNING)
        has_model = bool(update.has_model)
        stop = "Leave the queue" if update.phase == WAITING else "Stop"
        return [
            update.seen,
            gr.Timer(active=going and not is_zero_gpu()),
            update.line,
            gr.Button(visible=not going),
            gr.Button(stop, visible=going),
            gr.Button(visible=update.phase == RUNNING and speed == BY_HAND),
            gr.Row(visible=has_model or bool(update.go_on)),
            gr.skip() if update.psnr is None else gr.Column(visible=True),
            gr.Button(visible=has_model),
            gr.Button(update.go_on or "", visible=bool(update.go_on)),
            *[gr.Button(visible=has_model)] * len(self.downloads),
            _plot(update.loss),
            _plot(update.psnr),
            *(_picture(one) for one in (update.noisy, update.now, update.clean)),
        ]


def layout() -> Result:
    """Build it from top to bottom."""
    gr.Markdown("## Training", elem_classes="heading")
    with gr.Row():
        start = gr.Button("Start", variant="primary", elem_id="train-start")
        stop = gr.Button("Stop", variant="stop", visible=False, elem_id="train-stop")
        step = gr.Button("One step", visible=False)
    speed = gr.Radio(SPEEDS, value=FULL, label="Speed", visible=not is_zero_gpu())
    line = gr.Markdown("", elem_classes=["line", "status"], elem_id="train-line")
    with gr.Row(visible=False, elem_classes="after") as after:
        use = gr.Button("Try it in Denoise", size="md", min_width=160)
        go_on = gr.Button("Continue training", size="md", min_width=160)
        downloads = {n: gr.Button(text, size="md", min_width=160) for n, text in DOWNLOADS.items()}
    with gr.Column(visible=False) as shown:  # nothing empty is shown
        with gr.Row(elem_id="watched"):
            pictures = tuple(_image(name) for name in ("Noisy", "Now", "Clean"))
        psnr, loss = _chart("PSNR", "PSNR of held-out photos (dB)"), _chart("Loss", "loss")
    file = hidden(FILE)
    gr.Markdown(train_words.rule(), elem_classes="line")
    timer = gr.Timer(EVERY_SECONDS, active=False)
    return Result(
        start, stop, step, speed, line, shown, pictures, psnr, loss, after, use, go_on, downloads,
        file, timer, gr.State(Seen()),
    )  # fmt: skip


def _chart(title: str, what: str) -> gr.LinePlot:
    return gr.LinePlot(
        x="step", y="value", color="series", title=title, x_title="step", y_title=what,
        color_title=" ", buttons=["fullscreen"], elem_classes="chart",
    )  # fmt: skip


def _image(name: str) -> PageImage:
    return PageImage(
        label=name, format="png", buttons=["fullscreen"], interactive=False, min_width=150,
        height=270,
        elem_classes="exact", alt_text=f"{name} picture",
    )  # fmt: skip


def _plot(curves: Curves | None) -> Any:  # noqa: ANN401  an update of Gradio's
    """Gradio wants a DataFrame, which it turns into just this."""
    if curves is None:
        return gr.skip()
    kinds = {"step": "quantitative", "value": "quantitative", "series": "nominal"}
    data = [list(point) for point in curves.points]
    value = {"columns": list(kinds), "data": data, "datatypes": kinds, "mark": "line"}
    return gr.LinePlot(value=value, y_title=curves.what)


def _picture(picture: Picture | None) -> Any:  # noqa: ANN401
    if picture is None:
        return gr.skip()
    return PageImage(value=picture.pixels, label=picture.caption)
