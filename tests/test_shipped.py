"""The shipped weights: each is what its card says, and does what a denoiser must on real photos."""

import itertools
import re
from collections.abc import Callable
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch
from skimage.metrics import peak_signal_noise_ratio
from torch import Tensor

from n2n import denoiser as module
from n2n import noise_level, shipped
from n2n.checkpoints import load_weights, sha256
from n2n.data.samples import sample
from n2n.denoiser import Denoiser
from n2n.devices import Placement
from n2n.models import kmacs_per_pixel, parameter_count
from n2n.noise import parse
from n2n.randomness import keyed_rng
from n2n.recipes import PHOTO_LICENCES, RECIPES
from n2n.runs import TrainConfig
from n2n.studies import Curve
from tests.tiny import CPU

MOST_BYTES = 10_000_000
POINT = ["ee559", "seed"]  # trained on point sampling
WHITE = [name for name in shipped.names() if name not in POINT]  # trained on Gaussian noise
every_model = pytest.mark.parametrize("name", shipped.names())
every_white_model = pytest.mark.parametrize("name", WHITE)
# A face before a dark shuttle, and fur: (top, left) of 192 × 192 px.
CROPS = {"astronaut": (0, 150), "chelsea": (60, 100)}
every_photo = pytest.mark.parametrize("photo", CROPS)
BF16, PLAIN_BF16 = (Placement(torch.device("cpu"), torch.bfloat16, how) for how in ("", "plain"))
every_precision = pytest.mark.parametrize("precision", [CPU, BF16], ids=["fp32", "bf16"])


@cache
def denoiser(name: str, placement: Placement = CPU) -> Denoiser:
    return Denoiser(*load_weights(shipped.weights_path(name)), placement, name)


def clean_crop(photo: str) -> np.ndarray:
    top, left = CROPS[photo]
    return sample(photo)[top : top + 192, left : left + 192]


def white_noise(shape: tuple[int, ...], sigma_255: float) -> np.ndarray:
    return np.random.default_rng(0).normal(0, sigma_255 / 255, shape).astype(np.float32)


def noisy_crop(photo: str, sigma_255: float) -> np.ndarray:
    clean = clean_crop(photo).astype(np.float32) / 255
    return clean + white_noise(clean.shape, sigma_255)


@cache
def in_fp32(name: str, photo: str, sigma_255: float) -> np.ndarray:
    """Several tests look at these."""
    found = denoiser(name)(noisy_crop(photo, sigma_255))
    found.setflags(write=False)
    return found


def as_file(image: np.ndarray) -> np.ndarray:
    return np.rint(image.clip(0, 1) * 255).astype(np.uint8)


def as_tensor(image: np.ndarray) -> Tensor:
    return torch.from_numpy(image).permute(2, 0, 1)[None].float()


def gain_db(noisy: np.ndarray, denoised: np.ndarray, clean: np.ndarray) -> float:
    """How many dB the user gains; floats are in [0, 1]."""
    data_range = 1.0 if clean.dtype == np.float32 else 255
    before, after = (
        peak_signal_noise_ratio(clean, image, data_range=data_range) for image in (noisy, denoised)
    )
    return float(after - before)


def levels_off(one: np.ndarray, other: np.ndarray) -> int:
    """The largest difference of two 8-bit pictures."""
    return int(np.abs(one.astype(int) - other.astype(int)).max())


# ---- files and cards ----


def test_the_models_with_a_recipe_are_shipped() -> None:
    assert shipped.names() == ["best", "fast", "ee559", "seed"]
    assert set(shipped.names()) == {*RECIPES, "ee559"}  # which `study train` makes


@every_model
def test_the_card_describes_the_file(name: str) -> None:
    path, card = shipped.weights_path(name), shipped.card(name)
    model, spec = load_weights(path)
    assert card["name"] == name
    assert card["sha256"] == sha256(path)
    assert (card["architecture"], card["kwargs"]) == spec
    assert card["parameters"] == parameter_count(model)
    assert card["kmacs_per_pixel"] == pytest.approx(kmacs_per_pixel(model), abs=0.005)
    sources = [source.partition(" (")[0] for source in card["photos"].split("; ")]
    folders = {folder for source in sources for folder in source.split(", ")}
    assert card["photo_licences"] == {folder: PHOTO_LICENCES[folder] for folder in folders}


@every_model
def test_the_recipe_is_what_was_run(name: str) -> None:
    card = shipped.card(name)
    if name == "ee559":
        assert Curve(**card["training"]).network == name
        return
    assert card["known_failures"] == list(RECIPES[name].known_failures)
    config = TrainConfig(**card["training"])
    if config.seconds is not None:  # a run that ended by the clock took so many steps
        config = replace(config, steps=card["steps"], seconds=None)
    assert config == RECIPES[name].config


@every_model
def test_files_are_small_and_at_half_precision(name: str) -> None:
    path = shipped.weights_path(name)
    assert path.stat().st_size < MOST_BYTES
    model, _ = load_weights(path)
    numbers = sum(tensor.numel() for tensor in model.state_dict().values())
    assert path.stat().st_size < 2 * numbers + 64_000  # two bytes each, and the names
    for key, tensor in model.state_dict().items():
        assert torch.isfinite(tensor).all(), key


def test_unknown_names_are_refused() -> None:
    with pytest.raises(ValueError, match=r"^unknown model 'none'; choose one of .*fast"):
        shipped.weights_path("none")
    assert shipped.card("none") == {}


# ---- what they do to photos ----


@every_white_model
@every_photo
@pytest.mark.parametrize(("sigma_255", "least_db"), [(2, 0), (5, 0), (25, 8), (75, 8), (100, 8)])
def test_photos_gain(name: str, photo: str, sigma_255: float, least_db: float) -> None:
    """σ 75 and 100 are beyond what they were trained on; at σ 2 a denoiser can easily do harm."""
    clean, noisy = clean_crop(photo).astype(np.float32) / 255, noisy_crop(photo, sigma_255)
    assert gain_db(noisy, in_fp32(name, photo, sigma_255), clean) > least_db
    # The same as 8-bit files: what a visitor of the app sees.
    seen = as_file(noisy)
    assert gain_db(seen, denoiser(name)(seen), clean_crop(photo)) > least_db


@every_photo
@pytest.mark.parametrize(("name", "least_db"), [("ee559", 3), ("seed", 1.5)])
def test_point_samples_are_restored(name: str, least_db: float, photo: str) -> None:
    clean, noise = as_tensor(sample(photo) / np.float32(255)), parse("point-sampling:8")
    noisy, reference = noise(clean, keyed_rng("test")), noise.reference(clean)
    denoised = denoiser(name)(noisy)
    # K = 10 is what they were trained on.
    assert gain_db(noisy.numpy(), denoised.numpy(), reference.numpy()) >= least_db


@every_white_model
@every_photo
def test_grey_pictures_gain(name: str, photo: str) -> None:
    """One noise for all channels, in an 8-bit file of one channel."""
    clean = clean_crop(photo).mean(-1).round().astype(np.uint8)
    noisy = as_file(clean / 255 + white_noise(clean.shape, 25))
    assert gain_db(noisy, denoiser(name)(noisy), clean) > 7


@every_white_model
@pytest.mark.parametrize("sides", [(121, 123), (127, 121)])
def test_odd_sides_are_denoised_up_to_the_border(name: str, sides: tuple[int, int]) -> None:
    """They are padded at the bottom and at the right, where nothing of it may show."""
    noise = torch.from_numpy(white_noise((12, 3, *sides), 50))
    left = (denoiser(name)(0.5 + noise) - 0.5).square().mean((0, 1))  # of single draws, chance
    assert left[-8:].mean() < 1.5 * left[:8].mean()
    assert left[:, -8:].mean() < 1.5 * left[:, :8].mean()


@every_white_model
@every_precision
@pytest.mark.parametrize("grey", [0, 128, 255])
def test_noisy_fields_keep_their_level(name: str, precision: Placement, grey: int) -> None:
    """As files, where the noise is cut off at white and at black."""
    noisy = as_file(grey / 255 + white_noise((192, 192, 3), 25))
    assert abs(denoiser(name, precision)(noisy).mean() - grey) < 3


@every_white_model
@every_precision
@pytest.mark.parametrize("grey", [0, 1, 17, 64, 128, 200, 254, 255])
def test_flat_grey_stays(name: str, precision: Placement, grey: int) -> None:
    flat = np.full((96, 96, 3), grey, np.uint8)
    assert levels_off(denoiser(name, precision)(flat), flat) <= 1


@every_white_model
@every_precision
def test_flat_colours_stay(name: str, precision: Placement) -> None:
    for colour in itertools.product((0, 128, 255), repeat=3):
        flat = np.broadcast_to(np.array(colour, np.uint8), (96, 96, 3)).copy()
        assert levels_off(denoiser(name, precision)(flat), flat) <= 1


@every_white_model
def test_a_texture_like_noise_goes_as_the_card_says(name: str) -> None:
    assert any("taken for noise" in text for text in shipped.card(name)["known_failures"])
    sparkles = as_file(np.random.default_rng(0).random((96, 96, 1)).repeat(3, -1) ** 6)
    assert peak_signal_noise_ratio(sparkles, denoiser(name)(sparkles)) < 15


@every_white_model
@every_precision
@pytest.mark.parametrize("axis", [0, 1])
def test_gradients_stay(name: str, precision: Placement, axis: int) -> None:
    levels = np.linspace(0, 255, 192).round().astype(np.uint8)
    ramp = np.repeat(np.stack(np.meshgrid(levels, levels))[axis][..., None], 3, -1)
    off = np.abs(denoiser(name, precision)(ramp).astype(int) - ramp)
    assert off.max() <= 1


def gradients(side: int) -> list[np.ndarray]:
    """From black to white along either axis and the diagonal, there and back."""
    x, y = np.meshgrid(*2 * [np.linspace(0, 255, side)])
    rising = [ramp.round().astype(np.uint8) for ramp in (x, y, (x + y) / 2)]
    return [np.dstack(3 * [ramp]) for each in rising for ramp in (each, each[::-1, ::-1])]


@every_white_model
@every_precision
def test_clean_smooth_and_tiny_pictures_stay(name: str, precision: Placement) -> None:
    denoise = denoiser(name, precision)
    for ramp in [*gradients(96), gradients(192)[1]]:
        assert levels_off(denoise(ramp), ramp) <= 1
    for side in (1, 2, 3, 8):
        for grey in (0, 64, 128, 200, 240, 255):
            tiny = np.full((side, side, 3), grey, np.uint8)
            assert levels_off(denoise(tiny), tiny) <= 1


@every_model
def test_tiled_equals_whole(name: str) -> None:
    model, spec = load_weights(shipped.weights_path(name))
    denoise = Denoiser(model, spec, CPU, name)
    side = 128 + 2 * denoise.halo  # two tiles of 64 px and more on each axis
    noisy = sample("astronaut")[:side, 64 : 64 + side]
    noisy = as_file(noisy / 255 + white_noise(noisy.shape, 25))
    denoise.tile_px = 1024
    whole = denoise(noisy)
    denoise.tile_px = 64
    parts: list[float] = []
    tiled = denoise.run(noisy, progress=parts.append).image
    assert len(parts) >= 4
    assert levels_off(tiled, whole) <= 1


@every_white_model
@every_photo
@pytest.mark.parametrize("low", [BF16, PLAIN_BF16], ids=["fused", "plain"])
@pytest.mark.parametrize("sigma_255", [2, 5, 15, 25, 50])
def test_bf16_costs_nothing_that_shows(
    name: str, photo: str, low: Placement, sigma_255: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    if low == PLAIN_BF16:  # as on a GPU
        monkeypatch.setattr(module, "fusible", lambda model: False)
    clean = clean_crop(photo).astype(np.float32) / 255
    one, other = in_fp32(name, photo, sigma_255), denoiser(name, low)(noisy_crop(photo, sigma_255))
    assert not np.array_equal(one, other)
    # Of one crop; over many photos it is within 0.01 at any level (the cards have both).
    allowed = {2: 0.04, 5: 0.015}.get(sigma_255, 0.01)
    assert gain_db(one, other, clean) >= -allowed


# ---- what they know of the noise ----


def wide_crop(photo: str) -> np.ndarray:
    """256 × 256 px: the more pixels, the surer an estimate."""
    return sample(photo)[20:276, 100:356] / np.float32(255)


def blurred(clean: np.ndarray) -> np.ndarray:
    """σ = 25 as a camera's demosaicing spreads it, over 3 × 3 pixels."""
    height, width, _ = clean.shape
    fine = white_noise((height + 2, width + 2, 3), 75)
    return clean + sum(fine[y : y + height, x : x + width] for y in range(3) for x in range(3)) / 9


def impulses(clean: np.ndarray) -> np.ndarray:
    """Every tenth pixel black or white."""
    fate = np.random.default_rng(0).random((*clean.shape[:2], 1))
    return np.where(fate < 0.05, 0, np.where(fate > 0.95, 1, clean)).astype(np.float32)


@every_photo
@pytest.mark.parametrize("sigma_255", [10, 25])
def test_fast_finds_the_level_of_white_noise(photo: str, sigma_255: float) -> None:
    clean = wide_crop(photo)
    noisy = as_tensor(clean + white_noise(clean.shape, sigma_255))
    denoise = denoiser("fast")
    found = noise_level.estimate(denoise, noisy)
    assert found.sigma_255 == pytest.approx(sigma_255, rel=0.06)
    assert found.doubt is None
    truth = peak_signal_noise_ratio(as_tensor(clean).numpy(), denoise(noisy).numpy(), data_range=1)
    assert found.expected_psnr_db == pytest.approx(float(truth), abs=1)


@every_photo
@pytest.mark.parametrize(
    ("corrupt", "why"), [(blurred, "blotchy"), (impulses, "not white|uneven|blotchy")]
)
def test_fast_doubts_other_noise(
    photo: str, corrupt: Callable[[np.ndarray], np.ndarray], why: str
) -> None:
    found = noise_level.estimate(denoiser("fast"), as_tensor(corrupt(wide_crop(photo))))
    assert found.doubt is not None
    assert re.search(why, found.doubt)
