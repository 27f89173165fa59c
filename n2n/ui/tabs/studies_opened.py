"""The study that is open on the Studies tab: what is stored, a live run over it, files."""

from dataclasses import dataclass
from typing import Any

import gradio as gr

from n2n.ui.handlers import studies_pictures, studies_words
from n2n.ui.handlers.studies import Seen, Update
from n2n.ui.handlers.train_view import RUNNING, WAITING
from n2n.ui.limits import is_zero_gpu, limits
from n2n.ui.tabs.downloads import hidden

EVERY_SECONDS = 0.5  # a look at the run
FILE = "study-file"
DOWNLOADS = {
    "figure": "Download figure (PNG)",
    "stored": "Download data (.jsonl)",
    "live": "Download live data (.jsonl)",
}


@dataclass(frozen=True)
class Opened:
    """All that shows one study."""

    column: gr.Column
    back: gr.Button
    heading: gr.HTML
    run: gr.Button
    stop: gr.Button
    line: gr.Markdown
    figure: gr.HTML
    downloads: dict[str, gr.Button]
    facts: gr.HTML
    file: gr.DownloadButton
    timer: gr.Timer
    seen: gr.State

    @property
    def texts(self) -> list[gr.components.Component]:
        """What `texts_of` speaks of, in its order."""
        return [self.column, self.heading, self.facts]

    @property
    def outputs(self) -> list[gr.components.Component]:
        """What `updates` speaks of, in its order."""
        return [
            self.seen, self.timer, self.line, self.run, self.stop, self.figure,
            *self.downloads.values(),
        ]  # fmt: skip

    def updates(self, update: Update | None, name: str, attends: bool) -> list[Any]:
        """Gradio's updates of `outputs`; what the update leaves open stays.

        `attends`: whether a run of the page goes on, be it of another study than the one shown.
        Without the timer nobody would look at it, and it would be stopped.
        """
        timer = gr.Timer(active=attends and not is_zero_gpu())
        if update is None:
            return [gr.skip(), timer, *[gr.skip()] * (len(self.outputs) - 2)]
        going = update.phase in (WAITING, RUNNING)
        is_stored = studies_pictures.whole(name) is not None
        there = {"figure": is_stored or update.has_live, "stored": is_stored}
        there["live"] = update.has_live
        stop = "Leave the queue" if update.phase == WAITING else "Stop"
        return [
            update.seen,
            timer,
            update.line,
            gr.Button(studies_words.offer(name), visible=not going and limits().training),
            gr.Button(stop, visible=going),
            gr.skip() if update.figure is None else update.figure,
            *(gr.Button(visible=there[which]) for which in self.downloads),
        ]


def texts_of(name: str) -> list[Any]:
    """Gradio's updates of `Opened.texts`, for a study that opens."""
    record = studies_pictures.whole(name)
    return [
        gr.Column(visible=True),
        studies_words.heading(name, record),
        studies_words.facts(name, record),
    ]


def layout() -> Opened:
    """Build it from top to bottom, hidden."""
    with gr.Column(visible=False) as column:
        back = gr.Button("← All studies", size="sm", min_width=140, elem_id="studies-back")
        heading = gr.HTML("", elem_classes=["study", "shown"])
        with gr.Row():
            run = gr.Button("Run it live", variant="primary", size="md", elem_id="study-run")
            stop = gr.Button("Stop", variant="stop", size="md", visible=False, elem_id="study-stop")
        line = gr.Markdown("", elem_classes=["line", "status"], elem_id="study-line")
        figure = gr.HTML("", elem_classes=["study-figure"], elem_id="study-figure")
        with gr.Row(elem_classes="after"):
            downloads = {
                which: gr.Button(text, size="md", min_width=160, visible=False)
                for which, text in DOWNLOADS.items()
            }
        facts = gr.HTML("", elem_classes="study-facts")
    file = hidden(FILE)
    timer = gr.Timer(EVERY_SECONDS, active=False)
    return Opened(
        column, back, heading, run, stop, line, figure, downloads, facts, file, timer,
        gr.State(Seen()),
    )  # fmt: skip
