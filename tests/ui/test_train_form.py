"""From what stands in the controls to a run: presets, hidden controls, refusals, the plan."""

from dataclasses import fields, replace

import pytest

from n2n import NOISES, parse_noise
from n2n.noise import LevelRange
from n2n.recipes import PRESETS
from n2n.ui.handlers import photos, speed, train_form, train_words
from n2n.ui.handlers.speed import Cost
from n2n.ui.handlers.train_form import (
    FIXED,
    FOLLOW,
    FROZEN,
    RANGE,
    REPORT,
    SECONDS,
    STEPS,
    config_of,
    preset,
    visible,
)
from n2n.ui.limits import Limits
from tests.tiny import refused

FORM = preset("30-seconds")


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that takes a microsecond a pixel, whatever the network."""
    monkeypatch.setattr(speed, "pass_seconds", lambda c: 1e-6 * speed.source_pixels(c))


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_filled_in_is_the_recipe(name: str) -> None:
    """But for what the page adds: a limit on seconds, and the report's batch as it fits."""
    config, recipe = config_of(preset(name)), PRESETS[name].config
    same = replace(config, batch=recipe.batch, seconds=recipe.seconds, model_kwargs={})
    assert same == replace(recipe, model_kwargs={})
    assert config.seconds <= 300


def test_the_photos_stay_as_they_were_chosen() -> None:
    assert preset("2-minutes", photos.MINE).photos == photos.MINE


@pytest.mark.parametrize("noise", NOISES)
@pytest.mark.parametrize("levels", [FIXED, RANGE])
def test_every_noise_can_be_trained_on_as_the_page_offers_it(noise: str, levels: str) -> None:
    form = train_form.with_defaults(replace(FORM, noise=noise, levels=levels))
    config = config_of(form)
    found = parse_noise(config.noise)
    assert isinstance(found, LevelRange) == (levels == RANGE and NOISES[noise].per_image)
    expected, many = NOISES[noise].loss, isinstance(found, LevelRange)
    assert config.loss == ("log-l2" if expected == "l2" and many else expected)
    assert visible(form)["levels"] == NOISES[noise].per_image


def test_text_is_proposed_a_lower_rate() -> None:
    """Where Muon's usual rate ends at the identity; back with another noise, or chosen by hand."""

    def after(noise: str, **changes: object) -> float:
        return train_form.with_defaults(replace(FORM, noise=noise, **changes)).rate

    assert FORM.rate == 4e-3
    assert after("text") == 1e-3
    assert after("gaussian", rate=1e-3) == 4e-3
    assert after("text", rate=2e-3) == 2e-3
    assert after("text", optimizer="adamw", rate=4e-3) == 4e-3
    assert train_form.with_defaults(replace(preset(REPORT), noise="text")).rate == 0.05


def test_a_loss_that_was_chosen_stays() -> None:
    assert config_of(replace(FORM, noise="missing-pixels", level=0.3)).loss == "l1"
    assert config_of(replace(FORM, noise="missing-pixels", level=0.3, loss="l2")).loss == "l2"


def test_controls_that_do_nothing_are_hidden() -> None:
    def shown(**changes: object) -> set[str]:
        return {name for name, is_shown in visible(replace(FORM, **changes)).items() if is_shown}

    assert shown() == {"levels", "level", "seconds"}
    assert shown(levels=RANGE) == {"levels", "low", "high", "seconds"}
    assert shown(noise="poisson-gaussian") >= {"level", "second"}
    assert shown(until=STEPS) == {"levels", "level", "steps"}
    assert "frozen" in shown(fresh=FROZEN)
    assert "batchnorm" in shown(model="seed")
    assert "levels" not in shown(noise="point-sampling")


def test_what_is_hidden_does_nothing() -> None:
    nonsense = {"low": None, "high": -1, "second": None, "frozen": 0, "steps": 0}
    assert config_of(replace(FORM, **nonsense)) == config_of(FORM)
    assert config_of(replace(FORM, batchnorm="nonsense")) == config_of(FORM)


def test_batchnorm_is_of_the_network_that_has_it() -> None:
    config = config_of(replace(FORM, model="seed", batchnorm="everywhere", batch=2))
    assert config.model_kwargs == {"batchnorm": "everywhere"}


def test_frozen_batches() -> None:
    assert config_of(FORM).frozen is None
    assert config_of(replace(FORM, fresh=FROZEN, frozen=7)).frozen == 7


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"noise": "fog"}, "unknown noise 'fog'"),
        ({"level": 256}, "between 0 and 255"),
        ({"level": None}, "between 0 and 255"),
        ({"levels": RANGE, "low": 50, "high": 10}, "low to high"),
        ({"model": "worst"}, "unknown model"),
        ({"loss": "l3"}, "unknown loss"),
        ({"targets": "teacher"}, "unknown targets"),
        ({"optimizer": "magic"}, "unknown optimizer"),
        ({"initialization": "?"}, "unknown initialization"),
        ({"rate": 0}, "the learning rate must be above 0"),
        ({"rate": float("nan")}, "the learning rate must be above 0"),
        ({"rate": None}, "the learning rate must be above 0"),
        ({"batch": 0}, "batch must be a whole number from 1"),
        ({"batch": 2.5}, "batch must be a whole number"),
        ({"crop_px": 100_000}, "crop must be a whole number from 1 to 512"),
        ({"batch": 256, "crop_px": 512}, "take a smaller batch or crop"),
        ({"seconds": 0}, "seconds must be above 0"),
        ({"seconds": 301}, "at most 300"),
        ({"until": STEPS, "steps": 0}, "steps must be a whole number from 1"),
        ({"seed": -1}, "seed must be a whole number from 0"),
        ({"seed": 1e30}, "seed must be a whole number"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(changes: dict[str, object], said: str) -> None:
    form = replace(FORM, **changes)
    with refused(said):
        config_of(form)
    if "noise" not in changes:
        assert said in train_words.plan(form)  # it is seen before Start is pressed


def test_a_step_of_too_much_work_is_refused() -> None:
    with refused("take a smaller batch, a smaller crop or another model"):
        config_of(replace(FORM, model="seed", batch=64, crop_px=64))


def test_a_run_shows_its_speed_for_others_like_it_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """A tiny batch costs what its network's layers cost, which says nothing of a large one."""
    monkeypatch.undo()
    monkeypatch.setattr(speed, "_step_seconds", {})
    monkeypatch.setattr(speed, "_trial", lambda model, batchnorm, minute: (0.01, 1e-6))
    large, tiny = config_of(FORM), config_of(replace(FORM, batch=1, crop_px=16))
    before = speed.cost(large).step_seconds
    assert before == pytest.approx(speed.OVERHEAD * (0.01 + 1e-6 * 16 * 64 * 64))
    speed.remember(tiny, 20)
    assert speed.cost(tiny).step_seconds == 0.05
    assert speed.cost(large).step_seconds == before
    speed.remember(replace(large, optimizer="hybrid"), 20)
    assert speed.cost(replace(large, optimizer="hybrid")).step_seconds == before


def test_the_plan_says_what_will_happen() -> None:
    plan = train_words.plan(FORM)
    # 16 crops of 64 × 64 px at a microsecond a pixel: 66 ms a step, 30 s.
    assert plan.startswith("About 460 steps of 16 crops of 64 × 64, noisy targets, loss l2: 30 s")
    plan = train_words.plan(replace(FORM, until=STEPS, steps=100, targets="clean"))
    assert plan.startswith("100 steps of 16 crops of 64 × 64, clean targets, loss l2: about 6.6 s")
    plan = train_words.plan(replace(FORM, until=STEPS, steps=100_000))
    assert "About 4600 of these 100000 steps" in plan
    assert "5 min, the longest run here" in plan


@pytest.mark.parametrize(("microseconds", "batch"), [(1, 100), (5, 31), (20, 7), (1000, 1)])
def test_the_reports_recipe_ends_in_time_and_says_its_scale(
    microseconds: float, batch: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """500 steps, 5 of them with 20 evaluations: 595 of 100 samples of 32 × 32 px."""
    second = 1e-6 * microseconds
    monkeypatch.setattr(speed, "pass_seconds", lambda c: second * speed.source_pixels(c))
    form = preset(REPORT)
    assert form.batch == batch
    config = config_of(form)
    assert (form.steps, form.optimizer, form.rate, config.loss) == (500, "hybrid", 0.05, "l2")
    seconds = speed.cost(config).seconds(500)
    assert seconds <= 120 or batch == 1
    scale = "All of the report's 100" if batch == 100 else f"{batch} of the report's 100"
    assert f"{scale} samples a step." in train_words.plan(form)


def test_costs() -> None:
    plain, hybrid = Cost(0.5), Cost(0.5, slow_steps=5, slow_seconds=10)
    assert (plain.seconds(10), plain.steps(30)) == (5, 60)
    assert (hybrid.seconds(3), hybrid.seconds(7)) == (30, 51)
    assert (hybrid.steps(20), hybrid.steps(51)) == (2, 7)


def test_the_owner_limits_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (train_form, train_words):
        monkeypatch.setattr(module, "limits", lambda: Limits(train_seconds=20))
    assert preset("2-minutes").seconds == 20
    assert config_of(preset("2-minutes")).seconds == 20
    assert config_of(replace(FORM, until=STEPS)).seconds == 20


def test_every_field_of_the_form_has_a_default() -> None:
    assert all(getattr(FORM, field.name) is not None for field in fields(FORM))
    assert (FORM.loss, FORM.until, FORM.levels) == (FOLLOW, SECONDS, FIXED)
