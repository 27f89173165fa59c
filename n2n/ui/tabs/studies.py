"""The Studies tab: cards of all studies, or the one that is open; and their events."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import gradio as gr

from n2n.studies import STUDIES
from n2n.ui.events import NETWORK, PRIVATE, SPARE_SECONDS, TICK, handler, on_gpu
from n2n.ui.handlers import studies, studies_words
from n2n.ui.handlers.run_files import run_files
from n2n.ui.handlers.runs import new_run, own_runs
from n2n.ui.handlers.studies import NOTHING, Seen, Update
from n2n.ui.handlers.train import wait_for_end
from n2n.ui.handlers.train_view import RUNNING
from n2n.ui.limits import is_zero_gpu, limits
from n2n.ui.tabs import downloads
from n2n.ui.tabs import studies_opened as opened

STORAGE_KEY = "n2n-studies"
WITH_WIDTH = "(mine, _) => [mine, window.innerWidth]"
TO_THE_TOP = "() => window.scrollTo({ top: 0 })"

Start = Callable[..., Any]  # binds what follows a press, as `Button.click` does
Look = Callable[[Any, str, Seen, float], list[Any]]


@dataclass(frozen=True)
class Card:
    """A study at a glance."""

    shown: gr.HTML
    open: gr.Button
    run: gr.Button


@dataclass(frozen=True)
class StudiesTab:
    """Cards in a grid, or the study that is open.

    Attributes:
        name: of the study that is open; empty where the grid is shown.
        width: of the page, in px.
        filled: whether the cards have been drawn.
        mine: the ids of the visitor's live runs, in their browser.
    """

    item: gr.Tab
    grid: gr.Column
    cards: dict[str, Card]
    opened: opened.Opened
    name: gr.State
    width: gr.Number
    filled: gr.State
    mine: gr.BrowserState

    @property
    def drawn(self) -> list[gr.components.Component]:
        """What `_fill` speaks of, in its order."""
        shown = [card.shown for card in self.cards.values()]
        return [self.filled, *shown, *(card.run for card in self.cards.values())]

    @property
    def looking(self) -> list[gr.components.Component]:
        """What a look at a run goes by."""
        return [self.mine, self.name, self.opened.seen, self.width]

    @property
    def outputs(self) -> list[gr.components.Component]:
        """What `_opening` speaks of, in its order."""
        return [self.name, self.grid, *self.opened.texts, *self.opened.outputs]


def remembered_runs() -> gr.BrowserState:
    """The ids of the visitor's live runs, in their browser. Not in a tab, where it would sleep."""
    return gr.BrowserState([], storage_key=STORAGE_KEY, secret=run_files().secret())


def layout(item: gr.Tab, mine: gr.BrowserState) -> StudiesTab:
    """Build both; one of them is shown. `item` is the tab they lie in."""
    with gr.Column() as grid:
        gr.Markdown(studies_words.INTRODUCTION, elem_classes="line")
        with gr.Row(elem_classes="studies"):
            cards = {name: _card(name) for name in STUDIES}
    return StudiesTab(
        item, grid, cards, opened.layout(), gr.State(""), gr.Number(0, visible=False),
        gr.State(False), mine,
    )  # fmt: skip


def wire(tab: StudiesTab, app: gr.Blocks) -> None:
    """Bind all events; they use what one visitor owns, so they are private."""
    tab.item.select(handler(_fill), tab.filled, tab.drawn, **PRIVATE)

    def look(mine: Any, name: str, seen: Seen, width: float) -> list[Any]:  # noqa: ANN401
        # A run is attended to while its cards are shown, or another study.
        attended = studies.going(mine)
        name = name or attended
        update = studies.look(mine, name, seen, studies.layout_of(width))
        return tab.opened.updates(update, name, bool(attended))

    tab.opened.timer.tick(handler(look), tab.looking, tab.opened.outputs, **TICK)
    starts = _wire_opening(tab, app)
    if is_zero_gpu():
        _wire_inline(tab, starts, look)
    else:
        _wire_jobs(tab, starts)
    downloads.wire(tab.opened.downloads, tab.opened.file, studies.download, [tab.mine, tab.name])


def _card(name: str) -> Card:
    """Without its picture, which is drawn when the tab is first seen."""
    study = STUDIES[name]
    with gr.Column(elem_classes="study", min_width=0):
        shown = gr.HTML(studies_words.unread(name), elem_classes="shown")
        with gr.Row(elem_classes="actions"):
            open_it = gr.Button("Open", size="sm", min_width=90, elem_id=f"open-{study.name}")
            run = gr.Button(
                studies_words.offer(name), size="sm", min_width=180, visible=limits().training,
                elem_id=f"run-{study.name}",
            )  # fmt: skip
    return Card(shown, open_it, run)


def _fill(filled: bool) -> Iterator[list[Any]]:
    """All cards in words, then each with its picture: once for each page."""
    buttons = [gr.Button(studies_words.offer(name)) for name in STUDIES]
    if filled:
        yield [True, *[gr.skip()] * len(STUDIES), *buttons]
        return
    for found in studies.cards():
        yield [True, *(found.get(name, gr.skip()) for name in STUDIES), *buttons]


def _opening(tab: StudiesTab, mine: Any, name: str, width: float) -> list[Any]:  # noqa: ANN401
    """The grid goes, the study comes."""
    layout = studies.layout_of(width)
    return [
        name,
        gr.Column(visible=False),
        *opened.texts_of(name),
        *tab.opened.updates(
            studies.look(mine, name, NOTHING, layout), name, bool(studies.going(mine))
        ),
    ]


def _closing() -> list[Any]:
    """The study goes, the grid comes."""
    return ["", gr.Column(visible=True), gr.Column(visible=False)]


def _wire_opening(tab: StudiesTab, app: gr.Blocks) -> list[Start]:
    """Cards open their study, and a reload the one that is live. Returns what starts a run."""

    def attach(mine: Any, width: float) -> list[Any]:  # noqa: ANN401  what a browser stored
        name = studies.going(mine)
        opened = _opening(tab, mine, name, width) if name else [gr.skip()] * len(tab.outputs)
        return [width, *opened]

    app.load(
        handler(attach), [tab.mine, tab.width], [tab.width, *tab.outputs], js=WITH_WIDTH, **TICK
    )
    starts = [tab.opened.run.click]
    for name, card in tab.cards.items():

        def open_it(mine: Any, width: float, name: str = name) -> list[Any]:  # noqa: ANN401
            return _opening(tab, mine, name, width)

        clicked = [
            button.click(handler(open_it), [tab.mine, tab.width], tab.outputs, **PRIVATE)
            for button in (card.open, card.run)
        ]
        for event in clicked:
            event.then(None, None, None, js=TO_THE_TOP)
        starts.append(clicked[1].success)
    tab.opened.back.click(_closing, None, [tab.name, tab.grid, tab.opened.column], **PRIVATE)
    return starts


def _wire_jobs(tab: StudiesTab, starts: list[Start]) -> None:
    """Runs that outlive the page: a start queues one, the timer looks at it."""

    def begin(mine: Any, name: str, width: float) -> list[Any]:  # noqa: ANN401
        mine = studies.begin(mine, name)
        update = studies.look(mine, name, NOTHING, studies.layout_of(width))
        return [mine, *tab.opened.updates(update, name, True)]

    for start in starts:
        start(
            handler(begin),
            [tab.mine, tab.name, tab.width],
            [tab.mine, *tab.opened.outputs],
            **PRIVATE,
        )
    tab.opened.stop.click(handler(studies.stop), tab.mine, None, **TICK)


def _wire_inline(tab: StudiesTab, starts: list[Start], look: Look) -> None:
    """Runs inside one event, where the GPU is lent to it (ZeroGPU): no thread, no timer."""
    shown = tab.opened

    def prepare(mine: Any, name: str) -> list[Any]:  # noqa: ANN401
        studies.order_of(name)  # refused before anything on the page changes
        started = shown.updates(Update(NOTHING, RUNNING, "Starting."), name, False)
        return [[new_run(), *own_runs(mine)], *started]

    def stream(mine: Any, name: str, width: float) -> Iterator[list[Any]]:  # noqa: ANN401
        for update in studies.inline(own_runs(mine)[0], name, studies.layout_of(width)):
            yield shown.updates(update, name, False)

    lent = on_gpu(handler(stream), limits().gpu_seconds + SPARE_SECONDS)
    inputs = [tab.mine, tab.name, tab.width]
    running = [
        start(handler(prepare), inputs[:2], [tab.mine, *shown.outputs], **PRIVATE).success(
            lent, inputs, shown.outputs, **PRIVATE | NETWORK
        )
        for start in starts
    ]
    shown.stop.click(lambda: "Stopping.", None, shown.line, cancels=running, **PRIVATE).then(
        wait_for_end, tab.mine, None, **PRIVATE
    ).then(handler(look), tab.looking, shown.outputs, **PRIVATE)
