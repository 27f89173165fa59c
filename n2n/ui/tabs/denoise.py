"""The Denoise tab: both sides side by side, and their events."""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import gradio as gr

from n2n.ui.events import LATEST, NETWORK, PRIVATE, TICK, PageImage, handler
from n2n.ui.handlers import denoise, models
from n2n.ui.handlers.denoise import ADD, PRESETS, STOPPED, Settings, Update
from n2n.ui.handlers.photos import albums
from n2n.ui.handlers.pictures import shrunk
from n2n.ui.handlers.runs import own_runs
from n2n.ui.handlers.stopping import DENOISING, stop, until_stopped
from n2n.ui.handlers.store import store
from n2n.ui.handlers.views import MAP_PX, VIEWS, Look, map_shape
from n2n.ui.tabs import denoise_controls as controls
from n2n.ui.tabs import denoise_result as result
from n2n.ui.tabs import denoise_samples

FIRST_SAMPLE = "chelsea"
MOST_SEED = 2**31 - 1


@dataclass(frozen=True)
class DenoiseTab:
    """The widgets, and a visitor's two small values: an id for the store, and the open view."""

    visitor: gr.State
    view: gr.State
    picture: controls.PictureControls
    noise: controls.NoiseControls
    run: controls.DenoiseControls
    result: result.Result

    @property
    def settings(self) -> list[gr.components.Component]:
        """The fields of `Settings`, in order."""
        noise = self.noise
        return [noise.mode, noise.noise, noise.level, noise.second, noise.seed]

    @property
    def look(self) -> list[gr.components.Component]:
        """The fields of `Look`, in order."""
        shown = self.result
        return [self.view, shown.strength, shown.across, shown.down, shown.kind]

    @property
    def inputs(self) -> list[gr.components.Component]:
        """What a network is run on: the visitor's picture, the model, and how to look at it."""
        return [self.visitor, self.run.model, *self.look]

    @property
    def outputs(self) -> list[gr.components.Component]:
        """What `updates` speaks of, in its order."""
        run = self.run
        return [
            *self.result.views, self.result.numbers, run.status, run.stop, run.start,
            self.picture.notes, self.noise.preview, *self.result.samples.controls,
        ]  # fmt: skip

    def updates(self, update: Update) -> list[Any]:
        """Gradio's updates of `outputs`; what the update leaves open stays."""
        start = gr.skip()
        if update.button is not None:
            start = gr.Button(update.button, elem_classes="again" if update.waits else "")
        return [
            *self.result.updates(update.shown),
            _or_skip(update.numbers),
            _or_skip(update.status),
            gr.skip() if update.busy is None else gr.Button(visible=update.busy),
            start,
            _or_skip(update.notes),
            _preview(update),
            *self.result.samples.updates(update.drawing),
        ]


def layout() -> DenoiseTab:
    """Controls to the left, the result to the right; below each other where it is narrow."""
    visitor = gr.State("", delete_callback=_forget)
    view = gr.State(VIEWS[0])
    with gr.Row():
        with gr.Column(scale=1, min_width=320):
            picture, noise, run = controls.picture(), controls.noise(), controls.denoise()
        with gr.Column(scale=2, min_width=320):
            shown = result.layout()
    return DenoiseTab(visitor, view, picture, noise, run, shown)


def _forget(visitor: str) -> None:
    store().drop(visitor)
    albums().drop(visitor)


def wire(tab: DenoiseTab, app: gr.Blocks, mine: gr.BrowserState) -> None:
    """Bind all events; those that use the visitor's state are private.

    `mine` are the ids of the visitor's training runs, whose models are in the menu, too.
    """
    settings = [*tab.settings, *tab.look]
    everything = [tab.visitor, *settings]

    def and_denoise(event: Any) -> Any:  # noqa: ANN401  Gradio's Dependency
        """Denoise after a change, where that is quick; the newest change wins."""
        quick = handler(_run(tab, denoise.denoise_if_quick))
        return event.success(quick, tab.inputs, tab.outputs, **LATEST | NETWORK)

    opened = app.load(handler(_opening(tab)), settings, [tab.visitor, *tab.outputs], **PRIVATE)
    # A page opens with a small picture, and with more patience: nothing else shows what this is.
    first = handler(_run(tab, partial(denoise.denoise_if_quick, patience_ms=denoise.FIRST_MS)))
    _measured(tab, opened.success(first, tab.inputs, tab.outputs, **LATEST | NETWORK), mine)
    _wire_picture(tab, everything, and_denoise)
    _wire_noise(tab, everything, and_denoise)
    _wire_run(tab, and_denoise, mine)
    _wire_look(tab)
    result.wire_downloads(tab.result, tab.visitor)
    result.wire_compare(tab.result, tab.visitor, tab.look)
    denoise_samples.wire(tab.result.samples, tab.inputs, tab.outputs, tab.updates)


AndDenoise = Callable[[Any], Any]


def _wire_picture(tab: DenoiseTab, everything: list[Any], and_denoise: AndDenoise) -> None:
    def upload(path: str | None, visitor: str, *values: Any) -> Iterator[list[Any]]:  # noqa: ANN401
        updates = denoise.open_file(visitor, path, *_split(values))
        yield from map(tab.updates, updates)

    def take(event: gr.SelectData, visitor: str, *values: Any) -> Iterator[list[Any]]:  # noqa: ANN401
        name = denoise.pictures.samples.NAMES[int(event.index)]
        settings, look = _split(values)
        settings = replace(settings, mode=ADD)  # a sample is clean, whatever was chosen before
        yield from map(tab.updates, denoise.open_sample(visitor, name, settings, look))

    uploaded = tab.picture.upload.upload(
        handler(upload), [tab.picture.upload, *everything], tab.outputs, **PRIVATE
    )
    # What a browser cannot show would stay as a broken icon.
    uploaded.failure(lambda: None, None, tab.picture.upload, **PRIVATE)
    uploaded.success(
        handler(_stand_in), [tab.picture.upload, tab.visitor], tab.picture.upload, **PRIVATE
    )
    and_denoise(uploaded)
    tab.picture.samples.select(
        lambda: (None, ADD, gr.Column(visible=True)),
        None,
        [tab.picture.upload, tab.noise.mode, tab.noise.adding],
        **PRIVATE,
    )
    and_denoise(tab.picture.samples.select(handler(take), everything, tab.outputs, **PRIVATE))


def _stand_in(path: str | None, visitor: str) -> Any:  # noqa: ANN401  an update of Gradio's
    """A small PNG in place of a TIFF, which browsers do not show; the picture itself is kept."""
    if path is None or not path.lower().endswith((".tif", ".tiff")):
        return gr.skip()
    return shrunk(store().get(visitor).picture.pixels, MAP_PX)


def _wire_noise(tab: DenoiseTab, everything: list[Any], and_denoise: AndDenoise) -> None:
    noise = tab.noise

    def redraw(visitor: str, *values: Any) -> Iterator[list[Any]]:  # noqa: ANN401
        yield from map(tab.updates, denoise.redraw(visitor, *_split(values)))

    def again(event: Any) -> None:  # noqa: ANN401
        and_denoise(event.success(handler(redraw), everything, tab.outputs, **LATEST))

    changed = [control.input for control in (noise.level, noise.second, noise.seed)]
    and_denoise(gr.on(changed, handler(redraw), everything, tab.outputs, **LATEST))
    sliders = [noise.level, noise.second]
    again(noise.noise.input(handler(_sliders), noise.noise, sliders, **PRIVATE))
    again(
        noise.mode.input(
            lambda mode: gr.Column(visible=mode == ADD), noise.mode, noise.adding, **PRIVATE
        )
    )
    again(noise.new_seed.click(lambda: random.randint(1, MOST_SEED), None, noise.seed, **PRIVATE))
    for name, button in noise.presets.items():
        kind, *levels = PRESETS[name]

        def choose(kind: str = str(kind), levels: list[Any] = levels) -> list[Any]:
            return [kind, *_sliders(kind, *levels)]

        again(button.click(choose, None, [noise.noise, *sliders], **PRIVATE))


def _measured(tab: DenoiseTab, event: Any, mine: gr.BrowserState) -> None:  # noqa: ANN401
    """State the speed that this machine has shown."""
    event.then(lambda mine: gr.Radio(models.menu(own_runs(mine))), mine, tab.run.model, **PRIVATE)


def _wire_run(tab: DenoiseTab, and_denoise: AndDenoise, mine: gr.BrowserState) -> None:
    run = tab.run
    started = run.start.click(
        handler(_run(tab, denoise.denoise)),
        tab.inputs,
        tab.outputs,
        **PRIVATE | NETWORK,
    )
    _measured(tab, started, mine)
    and_denoise(run.model.input(lambda: None, None, None, **PRIVATE))
    run.stop.click(lambda visitor: stop((visitor, DENOISING)), tab.visitor, None, **TICK)


def _wire_look(tab: DenoiseTab) -> None:
    shown = tab.result
    inputs = [tab.visitor, *tab.look]

    def render(visitor: str, *look: Any) -> list[Any]:  # noqa: ANN401
        return tab.updates(denoise.render(visitor, Look(*look), with_ssim=False))

    def render_all(visitor: str, *look: Any) -> list[Any]:  # noqa: ANN401
        return tab.updates(denoise.render(visitor, Look(*look)))

    changed = [each.input for each in (shown.strength, shown.across, shown.down, shown.kind)]
    gr.on(changed, handler(render), inputs, tab.outputs, **LATEST)
    shown.strength.release(handler(render_all), inputs, tab.outputs, **LATEST)
    for name, one in zip(VIEWS, shown.tabs, strict=True):

        def switch(visitor: str, model: str | None, view: str, *look: Any, name: str = name) -> Any:  # noqa: ANN401
            if name == view:  # the first tab tells that it is open when the page has just come
                return [gr.skip(), *tab.updates(Update())]
            update = denoise.render(visitor, Look(name, *look), with_ssim=False, model=model)
            return [name, *tab.updates(update)]

        one.select(handler(switch), tab.inputs, [tab.view, *tab.outputs], **LATEST)

    def move(event: gr.SelectData, visitor: str) -> tuple[float, float]:
        height, width = map_shape(store().get(visitor))
        x, y = event.index
        return round(100 * x / width, 1), round(100 * y / height, 1)

    places = [shown.across, shown.down]
    shown.detail[0].select(handler(move), tab.visitor, places, **PRIVATE).success(
        handler(render), inputs, tab.outputs, **LATEST
    )


def _run(tab: DenoiseTab, run: Callable[..., Iterator[Update]]) -> Callable[..., Any]:
    def stream(visitor: str, model: str | None, *look: Any) -> Iterator[list[Any]]:  # noqa: ANN401
        updates = run(visitor, model, Look(*look))
        updates = until_stopped((visitor, DENOISING), updates, lambda: STOPPED)
        yield from map(tab.updates, updates)

    return stream


def _opening(tab: DenoiseTab) -> Callable[..., Any]:
    def opening(*values: Any) -> Iterator[list[Any]]:  # noqa: ANN401
        visitor = denoise.new_visitor()
        for update in denoise.open_sample(visitor, FIRST_SAMPLE, *_split(values)):
            yield [visitor, *tab.updates(update)]

    return opening


def _split(values: tuple[Any, ...]) -> tuple[Settings, Look]:
    return Settings(*values[:5]), Look(*values[5:])


def _sliders(kind: str, *levels: float) -> list[gr.Slider]:
    """Sliders for the numbers that a noise has, at their defaults or at `levels`."""
    first, *others = denoise.parameters(kind)
    values = [*levels, None, None]
    if not others:
        return [controls.slider(first, values[0]), gr.Slider(visible=False)]
    return [controls.slider(first, values[0]), controls.slider(others[0], values[1])]


def then_denoise(tab: DenoiseTab, event: Any) -> None:  # noqa: ANN401  Gradio's Dependency
    """Run the chosen model on the picture that is there, once the event has succeeded."""
    run = handler(_run(tab, denoise.denoise))
    event.success(run, tab.inputs, tab.outputs, **PRIVATE | NETWORK)


def _preview(update: Update) -> Any:  # noqa: ANN401  an update of Gradio's
    if update.is_large is not None:
        return PageImage(value=update.preview, visible=update.is_large)
    return gr.skip() if update.preview is None else update.preview


def _or_skip(value: str | None) -> Any:  # noqa: ANN401
    return gr.skip() if value is None else value
