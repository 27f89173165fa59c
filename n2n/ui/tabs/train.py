"""The Train tab: both sides side by side, and their events."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import gradio as gr

from n2n.jobs import State
from n2n.ui.events import LATEST, NETWORK, PRIVATE, SPARE_SECONDS, TICK, handler, on_gpu
from n2n.ui.handlers import models, photos, train, train_form, train_words
from n2n.ui.handlers.photos import MINE
from n2n.ui.handlers.run_files import run_files
from n2n.ui.handlers.runs import new_run, own_runs
from n2n.ui.handlers.train_form import Form
from n2n.ui.handlers.train_view import ENDED, RUNNING, Seen, Update
from n2n.ui.handlers.visible_run import BY_HAND, Order
from n2n.ui.limits import is_zero_gpu, limits
from n2n.ui.tabs import denoise as denoise_tab
from n2n.ui.tabs import downloads
from n2n.ui.tabs import train_controls as controls
from n2n.ui.tabs import train_result as result

STORAGE_KEY = "n2n-runs"
MINUTES_WEST = "() => new Date().getTimezoneOffset()"
NOTHING = Seen("nothing")  # is shown yet
CONDITIONAL = (
    "levels",
    "level",
    "second",
    "low",
    "high",
    "frozen",
    "batchnorm",
    "seconds",
    "steps",
)


@dataclass(frozen=True)
class TrainTab:
    """Both sides; `west` is where the page is, in minutes west of Greenwich."""

    left: controls.Controls
    right: result.Result
    west: gr.Number

    @property
    def conditional(self) -> list[gr.components.Component]:
        """Those that are hidden where they do nothing, in the order of CONDITIONAL."""
        return [getattr(self.left.form, name) for name in CONDITIONAL]


@dataclass(frozen=True)
class Neighbours:
    """What the events of this tab touch outside it: who looks, their runs, the Denoise tab."""

    visitor: gr.State
    mine: gr.BrowserState
    denoise: denoise_tab.DenoiseTab
    tabs: gr.Tabs


def remembered_runs() -> gr.BrowserState:
    """The ids of the visitor's runs, in their browser: what a reload finds its run by."""
    return gr.BrowserState([], storage_key=STORAGE_KEY, secret=run_files().secret())


def layout() -> TrainTab:
    """Controls to the left, the run to the right; below each other where it is narrow."""
    with gr.Row():
        with gr.Column(scale=1, min_width=320):
            left = controls.layout()
        with gr.Column(scale=2, min_width=320):
            right = result.layout()
    return TrainTab(left, right, gr.Number(0, visible=False))


def wire(tab: TrainTab, app: gr.Blocks, beside: Neighbours) -> None:
    """Bind all events; they use what one visitor owns, so they are private."""
    app.load(None, None, tab.west, js=MINUTES_WEST)
    _wire_photos(tab, beside)
    _wire_form(tab, app)
    _wire_run(tab, app, beside)
    _wire_speed(tab, beside)
    _wire_use(tab, beside)
    downloads.wire(tab.right.downloads, tab.right.file, train.download, [beside.mine])


def _wire_photos(tab: TrainTab, beside: Neighbours) -> None:
    shown, visitor = tab.left.photos, beside.visitor
    outputs = [shown.gallery, shown.count]

    def album(visitor: str, source: str) -> list[Any]:
        return [photos.thumbnails(visitor, source), controls.said(photos.count(visitor, source))]

    def add(visitor: str, source: str, paths: list[str]) -> list[Any]:
        left_out = photos.add(visitor, paths)
        count = photos.count(visitor, source)
        return [photos.thumbnails(visitor, source), controls.said(count, left_out), None]

    def clear(visitor: str, source: str) -> list[Any]:
        photos.clear(visitor)
        return album(visitor, source)

    inputs = [visitor, shown.source]
    shown.source.input(
        lambda source: gr.Column(visible=source == MINE), shown.source, shown.adding, **PRIVATE
    ).then(handler(album), inputs, outputs, **PRIVATE)
    shown.files.upload(
        handler(add), [*inputs, shown.files], [*outputs, shown.files], **PRIVATE
    ).failure(lambda: None, None, shown.files, **PRIVATE)
    shown.clear.click(handler(clear), inputs, outputs, **PRIVATE)


def _wire_form(tab: TrainTab, app: gr.Blocks) -> None:
    form, plan = tab.left.form, tab.left.plan

    def changed(*values: Any) -> list[Any]:  # noqa: ANN401  what stands in the controls
        found = Form(*values)
        visible = train_form.visible(found)
        return [train_words.plan(found), *(gr.update(visible=visible[n]) for n in CONDITIONAL)]

    def other_noise(*values: Any) -> list[Any]:  # noqa: ANN401
        found = train_form.with_defaults(Form(*values))
        return [*controls.sliders(found), found.rate]

    numbers = [*form.sliders, form.rate]
    form.noise.input(handler(other_noise), form.all, numbers, **PRIVATE).then(
        changed, form.all, [plan, *tab.conditional], **LATEST
    )
    app.load(changed, form.all, [plan, *tab.conditional], **PRIVATE)
    # One event for all of them, so that an older answer never comes after a newer one.
    widgets = [w for w in form.all if w not in (form.base, form.noise, form.photos)]
    gr.on([w.input for w in widgets], changed, form.all, [plan, *tab.conditional], **LATEST)
    for name, button in tab.left.presets.items():

        def fill(source: str, name: str = name) -> list[Any]:
            found = train_form.preset(name, source)
            return [train_words.plan(found), *controls.filled(found)]

        button.click(handler(fill), form.photos, [plan, *form.all], **PRIVATE)


MakeOrder = Callable[[str, Any, Form, str], Order]
Look = Callable[[Any, Seen, str], list[Any]]


def _wire_run(tab: TrainTab, app: gr.Blocks, beside: Neighbours) -> None:
    right = tab.right

    def look(mine: Any, seen: Seen, speed: str) -> list[Any]:  # noqa: ANN401  what a browser stored
        update = train.look(mine, seen)
        ended = update is not None and update.phase == ENDED
        menu = gr.Radio(models.menu(own_runs(mine))) if ended else gr.skip()
        return [menu, *right.updates(update, speed)]

    def attach(mine: Any, speed: str) -> list[Any]:  # noqa: ANN401  the page has just come
        return look(mine, NOTHING, speed)

    def stop(mine: Any, seen: Seen, speed: str) -> list[Any]:  # noqa: ANN401
        train.stop(mine)
        return look(mine, seen, speed)

    outputs = [beside.denoise.run.model, *right.outputs]
    app.load(handler(attach), [beside.mine, right.speed], outputs, **TICK)
    right.timer.tick(handler(look), [beside.mine, right.seen, right.speed], outputs, **TICK)
    begin = _wire_inline if is_zero_gpu() else _wire_job
    begun = [
        begin(tab, beside, button, make, look)
        for button, make in ((right.start, train.order), (right.go_on, train.continuation))
    ]
    if not is_zero_gpu():
        right.stop.click(handler(stop), [beside.mine, right.seen, right.speed], outputs, **TICK)
        return
    right.stop.click(lambda: "Stopping softly.", None, right.line, cancels=begun, **PRIVATE).then(
        train.wait_for_end, beside.mine, None, **PRIVATE
    ).then(handler(attach), [beside.mine, right.speed], outputs, **PRIVATE)


def _wire_job(
    tab: TrainTab, beside: Neighbours, button: gr.Button, make: MakeOrder, look: Look
) -> Any:  # noqa: ANN401  Gradio's Dependency
    """A run that outlives the page: the button queues it, the timer looks at it."""

    def begin(visitor: str, mine: Any, west: float, speed: str, *values: Any) -> list[Any]:  # noqa: ANN401
        order = make(visitor, mine, Form(*values), speed)
        remembered = train.begin(mine, order, west)
        return [remembered, *look(remembered, NOTHING, speed)]

    return button.click(
        handler(begin),
        [beside.visitor, beside.mine, tab.west, tab.right.speed, *tab.left.form.all],
        [beside.mine, beside.denoise.run.model, *tab.right.outputs],
        **PRIVATE,
    )


def _wire_inline(
    tab: TrainTab, beside: Neighbours, button: gr.Button, make: MakeOrder, look: Look
) -> Any:  # noqa: ANN401
    """A run inside one event, where the GPU is lent to it (ZeroGPU): no thread, no timer."""
    right = tab.right
    inputs = [beside.visitor, beside.mine, tab.west, right.speed, *tab.left.form.all]

    def prepare(visitor: str, mine: Any, west: float, speed: str, *values: Any) -> list[Any]:  # noqa: ANN401
        make(visitor, mine, Form(*values), speed)  # refused before anything on the page changes
        started = Update(NOTHING, RUNNING, "Starting.", go_on="")
        return [[new_run(), *own_runs(mine)], *right.updates(started, speed)]

    def stream(
        visitor: str,
        mine: Any,  # noqa: ANN401
        west: float,
        speed: str,
        *values: Any,  # noqa: ANN401
    ) -> Iterator[list[Any]]:
        run, *earlier = own_runs(mine)
        order = make(visitor, earlier, Form(*values), speed)
        for update in train.inline(run, order, west):
            yield right.updates(update, speed)

    prepared = button.click(handler(prepare), inputs, [beside.mine, *right.outputs], **PRIVATE)
    lent = on_gpu(handler(stream), limits().gpu_seconds + SPARE_SECONDS)
    running = prepared.success(lent, inputs, right.outputs, **PRIVATE | NETWORK)
    running.then(
        lambda mine: gr.Radio(models.menu(own_runs(mine))),
        beside.mine,
        beside.denoise.run.model,
        **PRIVATE,
    )
    return running


def _wire_speed(tab: TrainTab, beside: Neighbours) -> None:
    right = tab.right

    def set_speed(mine: Any, seen: Seen, speed: str) -> Any:  # noqa: ANN401
        train.set_speed(mine, speed)
        return gr.Button(visible=speed == BY_HAND and seen.phase == State.RUNNING)

    right.speed.input(
        handler(set_speed), [beside.mine, right.seen, right.speed], right.step, **LATEST
    )
    right.step.click(handler(train.press), beside.mine, None, **TICK)


def _wire_use(tab: TrainTab, beside: Neighbours) -> None:
    """Choose the run's model in the Denoise tab, go there, and denoise what is there."""
    denoise = beside.denoise

    def choose(mine: Any) -> list[Any]:  # noqa: ANN401
        name = train.model(mine)
        return [gr.Radio(models.menu(own_runs(mine)), value=name), gr.Tabs(selected="denoise")]

    chosen = tab.right.use.click(
        handler(choose), beside.mine, [denoise.run.model, beside.tabs], **PRIVATE
    )
    denoise_tab.then_denoise(denoise, chosen)
