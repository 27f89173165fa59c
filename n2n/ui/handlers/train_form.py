"""The left side of the Train tab as data: what may be chosen, and the run that follows from it."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from n2n import MODELS, NOISES, TrainConfig, parse_noise
from n2n.losses import LOSSES
from n2n.models.autoencoder import NORMALIZED
from n2n.models.initialization import INITIALIZATIONS
from n2n.noise import LevelRange
from n2n.optimizers import OPTIMIZERS
from n2n.recipes import PRESETS
from n2n.ui.handlers import photos, speed
from n2n.ui.limits import limits

FIXED, RANGE = "One level", "A range of levels (blind)"
FOLLOW = "follow the noise"
FRESH, FROZEN = "Fresh at every step", "A few batches again and again"
SECONDS, STEPS = "Seconds", "Steps"
REPORT = "report"
REPORT_SECONDS = 120.0  # the report's recipe ends within so many
SPARE = 0.8  # the part of them that is planned for
TEXT_RATE = 1e-3  # at Muon's usual 4e-3 a network soon lets all text pass and stays so
TITLES = {"30-seconds": "30 seconds", "2-minutes": "2 minutes", REPORT: "The report's recipe"}
CHOICES: dict[str, list[str]] = {
    "model": list(MODELS),
    "loss": [FOLLOW, *LOSSES],
    "targets": ["noisy", "clean"],
    "optimizer": list(OPTIMIZERS),
    "initialization": list(INITIALIZATIONS),
    "batchnorm": list(NORMALIZED),
}
MOST = {"batch": 256, "crop_px": 512, "steps": 100_000, "frozen": 1000, "seed": 2**31 - 1}
MOST_MEGAPIXELS = 2.0  # in a batch: what a step may take of the memory
MOST_GIGAMACS = 500.0  # in a step: a stop waits for its end


@dataclass(frozen=True)
class Form:
    """What stands in the controls, in their order. `base` is the preset chosen last."""

    base: str
    photos: str
    noise: str
    levels: str
    level: float
    second: float
    low: float
    high: float
    model: str
    loss: str
    targets: str
    fresh: str
    frozen: float
    optimizer: str
    rate: float
    batch: float
    crop_px: float
    initialization: str
    batchnorm: str
    until: str
    seconds: float
    steps: float
    seed: float


def preset(name: str, source: str = photos.BUILT_IN) -> Form:
    """The form that a preset fills in; the photos stay as they were chosen."""
    config = PRESETS[name].config
    if name == REPORT:
        config = replace(config, batch=report_batch())
    noise, levels, numbers = _levels(config.noise)
    seconds = min(config.seconds or REPORT_SECONDS, limits().longest_run)
    follows = config.loss == following(config.noise)
    return Form(
        base=name,
        photos=source,
        noise=noise,
        levels=levels,
        **numbers,
        model=config.model,
        loss=FOLLOW if follows else config.loss,
        targets=config.targets,
        fresh=FRESH if config.frozen is None else FROZEN,
        frozen=config.frozen or 10,
        optimizer=config.optimizer,
        rate=config.rate,
        batch=config.batch,
        crop_px=config.crop_px,
        initialization=config.initialization,
        batchnorm=str(MODELS[config.model].kwargs.get("batchnorm", "none")),
        until=STEPS if config.steps else SECONDS,
        seconds=seconds,
        steps=config.steps or 500,
        seed=config.seed,
    )


def report_batch() -> int:
    """How many of the report's samples a step may have to end in time on this machine."""
    config = PRESETS[REPORT].config
    seconds = min(REPORT_SECONDS, limits().longest_run)
    whole = speed.cost(config).seconds(config.steps or 1)
    return max(1, min(config.batch, int(config.batch * SPARE * seconds / whole)))


def has_batchnorm(model: str) -> bool:
    """Whether BatchNorm can be chosen for a model."""
    return model in MODELS and "batchnorm" in MODELS[model].kwargs


def takes_range(noise: str) -> bool:
    """Whether a noise can be trained on over a range of its levels."""
    return NOISES[noise].per_image


def visible(form: Form) -> dict[str, bool]:
    """Which of the controls do something for the present choice; those not named always do."""
    ranged = form.levels == RANGE and takes_range(form.noise)
    return {
        "levels": takes_range(form.noise),
        "level": not ranged,
        "second": not ranged and len(NOISES[form.noise].parameters) > 1,
        "low": ranged,
        "high": ranged,
        "frozen": form.fresh == FROZEN,
        "batchnorm": has_batchnorm(form.model),
        "seconds": form.until == SECONDS,
        "steps": form.until == STEPS,
    }


def with_defaults(form: Form) -> Form:
    """The same with the numbers that its noise, just chosen, has by default.

    The rate, too, unless it was chosen by hand.
    """
    _, _, numbers = _levels(form.noise)
    levels = form.levels if takes_range(form.noise) else FIXED
    recipe, rate = _recipe(form), form.rate
    if form.optimizer == recipe.optimizer and rate in (recipe.rate, TEXT_RATE):
        rate = rate_for(form.noise, recipe)
    return replace(form, levels=levels, rate=rate, **numbers)  # type: ignore[arg-type]


def rate_for(noise: str, recipe: TrainConfig) -> float:
    """The learning rate to propose: the recipe's, a lower one for text with Muon."""
    is_text = noise.partition(":")[0] == "text"
    return TEXT_RATE if is_text and recipe.optimizer == "muon" else recipe.rate


def following(noise: str) -> str:
    """The loss whose minimiser over noisy targets is what this noise was added to.

    Over a range of levels the logarithm of the squared error: strong noise does not drown the weak.
    """
    model = parse_noise(noise)
    if not isinstance(model, LevelRange):
        return model.loss
    return "log-l2" if model.family.loss == "l2" else model.family.loss


def config_of(form: Form) -> TrainConfig:
    """The run that a form describes. It ends within the server's limit, whatever it asks for.

    Raises:
        ValueError: a number is missing, out of range, or more than this machine can do.
    """
    noise = _noise(form)
    shows = visible(form)
    longest = limits().longest_run
    config = replace(
        _recipe(form),
        model=_one_of("model", form.model),
        model_kwargs={"batchnorm": _one_of("batchnorm", form.batchnorm)}
        if shows["batchnorm"]
        else {},
        noise=noise,
        loss=following(noise) if form.loss == FOLLOW else _one_of("loss", form.loss),
        targets="clean" if _one_of("targets", form.targets) == "clean" else "noisy",
        frozen=_whole("frozen", form.frozen) if shows["frozen"] else None,
        optimizer=_one_of("optimizer", form.optimizer),
        rate=_number("the learning rate", form.rate, 10),
        batch=_whole("batch", form.batch),
        crop_px=_whole("crop_px", form.crop_px),
        initialization=_one_of("initialization", form.initialization),
        steps=_whole("steps", form.steps) if shows["steps"] else None,
        seconds=_number("seconds", form.seconds, longest) if shows["seconds"] else longest,
        seed=_whole("seed", form.seed, least=0),
    )
    check_size(config)
    return config


def check_size(config: TrainConfig) -> None:
    """Refuse steps that there is no memory for, or that would last for many seconds.

    Raises:
        ValueError: batch and crop are too large for it.
    """
    megapixels = speed.source_pixels(config) / 1e6
    if megapixels > MOST_MEGAPIXELS:
        raise ValueError(
            f"a batch may have {MOST_MEGAPIXELS:g} megapixels, this one has {megapixels:.2g}; "
            "take a smaller batch or crop"
        )
    work = speed.gigamacs(config)
    if work > MOST_GIGAMACS:
        raise ValueError(
            f"a step may have {MOST_GIGAMACS:g} billion multiply-adds, this one has {work:.0f}; "
            "take a smaller batch, a smaller crop or another model"
        )


def _recipe(form: Form) -> TrainConfig:
    """What the preset chosen last does; of an unknown one, the first."""
    return PRESETS[form.base if form.base in PRESETS else next(iter(PRESETS))].config


def _noise(form: Form) -> str:
    """The noise in the form that `parse_noise` reads."""
    if form.noise not in NOISES:
        raise ValueError(f"unknown noise {form.noise!r}; choose one of {', '.join(NOISES)}")
    first, *others = NOISES[form.noise].parameters
    if form.levels == RANGE and takes_range(form.noise):
        low, high = (_within(first, value) for value in (form.low, form.high))
        text = f"{form.noise}:{_text(low)}-{_text(high)}"
    else:
        levels = [_within(first, form.level), *(_within(one, form.second) for one in others[:1])]
        text = f"{form.noise}:{','.join(map(_text, levels))}"
    parse_noise(text)
    return text


def _levels(text: str) -> tuple[str, str, dict[str, float]]:
    """Name, kind and numbers of a noise, to fill a form with."""
    noise, name = parse_noise(text), text.partition(":")[0]
    first, *others = NOISES[name].parameters
    low, high = first.slider
    found = {"level": first.default, "low": low, "high": high}
    found["second"] = others[0].default if others else 0.0
    if isinstance(noise, LevelRange):
        return name, RANGE, found | {"low": noise.low, "high": noise.high}
    for key, parameter in zip(("level", "second"), (first, *others), strict=False):
        found[key] = float(getattr(noise, parameter.name))
    return name, FIXED, found


def _text(value: float) -> str:
    return f"{value:.10g}"


def _within(parameter: Any, value: float | None) -> float:  # noqa: ANN401  noise.Parameter
    number = math.nan if value is None else float(value)
    parameter.check(number)
    return number


def _one_of(what: str, value: str, choices: Mapping[str, list[str]] = CHOICES) -> str:
    if value not in choices[what]:
        known = ", ".join(choices[what])
        raise ValueError(f"unknown {what} {value!r}; choose one of {known}")
    return value


def _number(what: str, value: float | None, most: float) -> float:
    if value is None or not 0 < value <= most:
        raise ValueError(f"{what} must be above 0 and at most {most:g}, got {value}")
    return float(value)


def _whole(what: str, value: float | None, least: int = 1) -> int:
    most = MOST[what]
    if value is None or not least <= value <= most or value != int(value):
        name = "crop" if what == "crop_px" else what
        raise ValueError(f"{name} must be a whole number from {least} to {most}, got {value}")
    return int(value)
