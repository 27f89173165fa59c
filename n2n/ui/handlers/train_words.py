"""What the Train tab says: before a run, while it goes on, and after it."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from n2n import TrainConfig
from n2n.devices import device_name, place
from n2n.history import Row
from n2n.jobs import State, View
from n2n.live import Event
from n2n.recipes import PRESETS
from n2n.ui.handlers import speed, words
from n2n.ui.handlers.models import duration
from n2n.ui.handlers.train_form import REPORT, Form, config_of
from n2n.ui.handlers.visible_run import BY_HAND, SLOW, VisibleRun
from n2n.ui.limits import limits

INVITATION = "Press Start and watch a network learn."
RECENT_SECONDS = 10.0  # over which the gain is stated


def plan(form: Form) -> str:
    """One line on what will happen, or on what stands in its way."""
    try:
        config = config_of(form)
    except ValueError as error:
        return f"This cannot start: {error}."
    return f"{_extent(config)}.{_scale(form, config)}"


def rule() -> str:
    """What becomes of a run whose page is closed."""
    bounds = limits()
    return (
        f"You may close or reload this page: the run goes on, and the page finds it again. A run "
        f"that nobody has looked at for {bounds.unattended_minutes:g} minutes is stopped. Its "
        f"model is kept here for {bounds.run_minutes:g} minutes after its end. No run is longer "
        f"than {duration(bounds.longest_run)}."
    )


def state(view: View[Event], rows: Sequence[Row], work: VisibleRun | None) -> str:
    """Where a run stands that this server knows."""
    if view.state is State.WAITING:
        return words.queued(_device(), view.place)
    if view.state is State.FAILED:
        return f"{words.sentence(view.error or 'the run failed')}."
    if view.latest is None or work is None:
        return "Stopping." if view.state is State.STOPPING else words.PREPARING
    if view.state is State.STOPPING:
        return "Stopping softly: the learning rate falls to zero."
    note = f" · {view.latest.note}" if view.latest.note else ""
    return " · ".join(_running(view.latest, rows, work.config, work.speed)) + note


def ending(state: State, error: str | None, facts: Mapping[str, Any]) -> str:
    """How a run ended, and how good its model is."""
    ends = {State.DONE: "Done", State.STOPPED: "Stopped"}
    begun = ends.get(state, words.sentence(error or "Failed"))
    if not facts.get("ended"):
        return "Left the queue." if state is State.STOPPED else f"{begun}. No model was kept."
    kept = "" if state is not State.FAILED else ". The last good state is kept: it stood"
    steps, seconds = int(facts["step"]), float(facts["seconds"])
    return f"{begun}{kept} after {steps} steps and {duration(seconds)}{_quality(facts)}."


def interrupted(facts: Mapping[str, Any], step: int, left: str) -> str:
    """That the server stopped under a run."""
    return (
        f"The server was restarted during {facts.get('title', 'your run')}: it can go on from "
        f"step {step}, with {left} left."
    )


def _extent(config: TrainConfig) -> str:
    """Steps, batch, targets, time."""
    cost = speed.cost(config)
    longest = limits().longest_run
    needed = math.inf if config.steps is None else cost.seconds(config.steps)
    batch = f"{config.batch} crops of {config.crop_px} × {config.crop_px}"
    what = f"steps of {batch}, {config.targets} targets, loss {config.loss}"
    if config.steps is not None and needed <= (config.seconds or longest):
        return f"{config.steps} {what}: about {duration(needed)} on this {_device()}"
    seconds = config.seconds or longest
    steps = _rounded(cost.steps(seconds))
    if config.steps is None:
        return f"About {steps} {what}: {duration(seconds)} on this {_device()}"
    return (
        f"About {steps} of these {config.steps} {what}: it ends after {duration(seconds)}, the "
        "longest run here"
    )


def _scale(form: Form, config: TrainConfig) -> str:
    """How far the report's recipe had to be made smaller."""
    if form.base != REPORT:
        return ""
    whole = PRESETS[REPORT].config.batch
    if config.batch >= whole:
        return f" All of the report's {whole} samples a step."
    return f" {config.batch} of the report's {whole} samples a step."


def _running(event: Event, rows: Sequence[Row], config: TrainConfig, pace: str) -> list[str]:
    step = event.row.step + 1
    parts = [f"Step {step}{_total(event, config)}"]
    if event.row.psnr_db is not None:
        parts.append(f"{event.row.psnr_db:.1f} dB{_gain(event.row, rows)}")
    if pace == BY_HAND:
        return [*parts, "waiting for the next press of One step"]
    if event.seconds_left is not None:
        parts.append(f"{duration(event.seconds_left)} left")
    if event.steps_per_second > 0 and pace != SLOW:
        parts.append(f"{event.steps_per_second:.3g} steps a second")
    return parts


def _total(event: Event, config: TrainConfig) -> str:
    left = event.seconds_left
    by_time = math.inf
    if left is not None and event.steps_per_second > 0:
        by_time = event.row.step + 1 + left * event.steps_per_second
    if config.steps is not None and config.steps <= 1.05 * by_time:
        return f" of {config.steps}"
    return f" of ~{_rounded(by_time)}" if math.isfinite(by_time) else ""


def _gain(now: Row, rows: Sequence[Row]) -> str:
    scored = [row for row in rows if row.psnr_db is not None]
    before = [row for row in scored if row.seconds <= now.seconds - RECENT_SECONDS]
    then = before[-1] if before else next(iter(scored), None)
    if then is None or then.psnr_db is None or now.psnr_db is None:
        return ""
    gain = now.psnr_db - then.psnr_db
    since = f"in the last {RECENT_SECONDS:g} s" if before else "so far"
    if abs(gain) < 0.05:
        return f", the same {since}" if before else ""
    return f", {'up' if gain > 0 else 'down'} {abs(gain):.1f} {since}"


def _quality(facts: Mapping[str, Any]) -> str:
    reached = next(iter(facts.get("psnr_db", {}).values()), None)
    if reached is None:
        return ""
    said = f": {reached:.1f} dB on photos that it never saw"
    for name, value in facts.get("references", {}).items():
        if math.isfinite(value):
            gain = reached - value
            relation = "above" if gain >= 0 else "below"
            said += f", {abs(gain):.1f} {relation} {_article(name)}"
    return said


def _article(name: str) -> str:
    return f"the {name}" if " " in name else name


def _rounded(steps: float) -> int:
    """To two digits: it is an estimate."""
    scale: int = 10 ** max(0, int(math.log10(max(steps, 1))) - 1)
    return max(1, round(steps / scale) * scale)


def _device() -> str:
    device = place().device
    return "CPU" if device.type == "cpu" else device_name(device)
