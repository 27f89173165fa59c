"""The right side of the Denoise tab: views, numbers, strength, download, comparison."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import gradio as gr

from n2n.ui.events import NETWORK, PRIVATE, TICK, PageImage, PageImageSlider, handler
from n2n.ui.handlers import compare, denoise
from n2n.ui.handlers.stopping import COMPARING, stop, until_stopped
from n2n.ui.handlers.views import (
    DETAIL_PX,
    DETAIL_SCALE,
    LEFT,
    REMOVED,
    SAMPLES,
    VIEWS,
    Look,
    Shown,
)
from n2n.ui.tabs import denoise_samples, downloads

FILE = "download-file"


@dataclass(frozen=True)
class Result:
    """All that shows a result. `tabs` and `pictures` are in the order of VIEWS."""

    tabs: tuple[gr.Tab, ...]
    slider: PageImageSlider
    beside: tuple[PageImage, ...]
    detail: tuple[PageImage, ...]
    across: gr.Slider
    down: gr.Slider
    difference: PageImage
    kind: gr.Radio
    samples: denoise_samples.Samples
    note: gr.Markdown
    numbers: gr.HTML
    strength: gr.Slider
    downloads: dict[str, gr.Button]
    file: gr.DownloadButton
    compare: gr.Button
    stop_comparing: gr.Button
    comparing: gr.Markdown
    table: gr.HTML

    @property
    def views(self) -> list[gr.components.Component]:
        """What `updates` speaks of, in its order."""
        samples = self.samples.pictures
        return [self.slider, *self.beside, *self.detail, self.difference, *samples, self.note]

    def updates(self, shown: Shown | None) -> list[Any]:
        """Gradio's updates of `views`: the open view is filled, the others stay."""
        if shown is None:
            return [gr.skip()] * len(self.views)
        parts: dict[str, list[Any]] = {
            VIEWS[0]: [gr.skip()],
            VIEWS[1]: [gr.skip()] * len(self.beside),
            VIEWS[2]: [gr.skip()] * len(self.detail),
            VIEWS[3]: [gr.skip()],
            SAMPLES: [gr.skip()] * len(self.samples.pictures),
        }
        if shown.view == VIEWS[0]:
            label = " | ".join(shown.captions)
            parts[VIEWS[0]] = [PageImageSlider(value=shown.pictures, label=label)]
        else:
            pairs = zip(shown.pictures, shown.captions, strict=True)
            hides = shown.view == SAMPLES  # elsewhere an empty place stays in sight
            parts[shown.view] = [
                PageImage(value=p, label=c, visible=p is not None or not hides) for p, c in pairs
            ]
        return [*(update for part in parts.values() for update in part), shown.note]


def layout() -> Result:
    """Build it from top to bottom."""
    gr.Markdown("## Result", elem_classes="heading")
    with gr.Tabs(overflow_behavior="wrap"):
        with gr.Tab(VIEWS[0]) as slider_tab:
            slider = PageImageSlider(
                label="Noisy | denoised", format="png", buttons=[], max_height=540
            )
        with gr.Tab(VIEWS[1]) as beside_tab, gr.Row():
            beside = tuple(_picture(name) for name in ("Noisy", "Denoised", "Clean"))
        with gr.Tab(VIEWS[2]) as detail_tab:
            detail, across, down = _detail()
        with gr.Tab(VIEWS[3]) as difference_tab:
            kind = gr.Radio([LEFT, REMOVED], value=LEFT, label="Difference")
            difference = _picture("Difference")
        with gr.Tab(SAMPLES) as samples_tab:
            samples = denoise_samples.layout()
    note = gr.Markdown(elem_classes="line")
    numbers = gr.HTML(padding=False)
    strength = gr.Slider(
        0, 100, value=100, step=1, label="Strength (%)", info="0: the noisy picture · 100: denoised"
    )
    with gr.Row():
        names = ("denoised", "noisy", "clean")
        buttons = {n: gr.Button(f"Download {n} PNG", size="sm", min_width=160) for n in names}
    file = downloads.hidden(FILE)
    with gr.Row():
        compare = gr.Button("Compare models", size="md")
        stop_comparing = gr.Button("Stop comparing", variant="stop", size="md", visible=False)
    comparing = gr.Markdown(elem_classes="line")
    table = gr.HTML(padding=False)
    tabs = (slider_tab, beside_tab, detail_tab, difference_tab, samples_tab)
    return Result(
        tabs, slider, beside, detail, across, down, difference, kind, samples, note, numbers,
        strength, buttons, file, compare, stop_comparing, comparing, table,
    )  # fmt: skip


def wire_downloads(shown: Result, visitor: gr.State) -> None:
    """The three pictures in full size, denoised ones at the strength that is set."""

    def full_size(visitor: str, strength: float, name: str) -> tuple[bytes, str]:
        return denoise.full_size(visitor, name, strength)

    downloads.wire(shown.downloads, shown.file, full_size, [visitor, shown.strength])


def wire_compare(shown: Result, visitor: gr.State, look: list[Any]) -> None:
    """Fill the table, method by method; Stop ends it."""

    def run(visitor: str, *look: Any) -> Iterator[list[Any]]:  # noqa: ANN401
        rows = compare.compare(visitor, Look(*look))
        for row in until_stopped((visitor, COMPARING), rows, lambda: None):
            if row is None:  # the table stays as it is
                yield [gr.skip(), "Stopped.", gr.Button(visible=False)]
            else:
                yield [*row, gr.Button(visible=bool(row[1]))]

    outputs = [shown.table, shown.comparing, shown.stop_comparing]
    shown.compare.click(handler(run), [visitor, *look], outputs, **PRIVATE | NETWORK)
    shown.stop_comparing.click(lambda visitor: stop((visitor, COMPARING)), visitor, None, **TICK)


def _detail() -> tuple[tuple[PageImage, ...], gr.Slider, gr.Slider]:
    """A map to click on, two sliders that do the same, and the three crops."""
    with gr.Row():
        with gr.Column(scale=1, min_width=260):
            chart = _picture("Where", height=220)
        with gr.Column(scale=1, min_width=260):
            across = gr.Slider(0, 100, value=50, step=0.5, label="Across (%)")
            down = gr.Slider(0, 100, value=50, step=0.5, label="Down (%)")
    with gr.Row():
        side = DETAIL_PX * DETAIL_SCALE
        names = ("Noisy", "Denoised", "Clean")
        crops = [_picture(name, "exact detail", min_width=190, height=side) for name in names]
    return (chart, *crops), across, down


def _picture(name: str, classes: str = "exact", **options: Any) -> PageImage:  # noqa: ANN401  gr.Image's own
    return PageImage(
        label=name,
        format="png",
        buttons=["fullscreen"],
        interactive=False,
        elem_classes=classes.split(),
        alt_text=f"{name} picture",
        **options,
    )
