"""Samples of p(x | y): held to theory where it can be worked out by hand, then on photos."""

import itertools
import json
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

import n2n
from n2n import images, posterior
from n2n.__main__ import main
from n2n.data.samples import sample
from n2n.metrics import psnr_db
from n2n.posterior import STEPS, mean_and_spread, noise_levels, samples
from n2n.randomness import keyed_rng
from tests.tiny import one_thread, random_picture, refused

__all__ = ["one_thread"]

SIGMA_255 = 25.0
SIGMA = SIGMA_255 / 255
COUNT = 16


def noisy(clean: Tensor, seed: int = 0) -> Tensor:
    return n2n.parse_noise(f"gaussian:{SIGMA_255}")(clean, keyed_rng("test", seed))


# ---- pictures whose posterior is known: every pixel N(1/2, 0.1²) for itself ----

PRIOR = 0.1


class Oracle:
    """The least-squares denoiser of such pictures, blind: it measures the level of what it gets."""

    def __init__(self) -> None:
        self.passes = 0

    def __call__(self, picture: Tensor) -> Tensor:
        self.passes += 1
        variance = float(picture.double().var())  # that of the pictures, and of the noise
        weight = PRIOR**2 / max(variance, PRIOR**2)
        return 0.5 + weight * (picture - 0.5)


def gaussian_pictures() -> tuple[Tensor, Tensor]:
    values = np.random.default_rng(0).normal(0.5, PRIOR, (1, 3, 128, 128)).astype(np.float32)
    clean = torch.from_numpy(values)
    return clean, noisy(clean)


@pytest.mark.parametrize(("steps", "missed"), [(STEPS, 0.02), (200, 0.01)])
def test_samples_have_the_posteriors_mean_and_spread(steps: int, missed: float) -> None:
    """N(f(y), v), v = 1 / (1/PRIOR² + 1/σ²); the finer the walk, the less of it is missed."""
    _, y = gaussian_pictures()
    mean, spread = mean_and_spread(samples(Oracle(), y, SIGMA_255, COUNT, steps=steps))
    deviation = 1 / math.sqrt(1 / PRIOR**2 + 1 / SIGMA**2)
    assert float(spread.square().mean().sqrt()) == pytest.approx(deviation, rel=missed)
    off = (mean - Oracle()(y)).square().mean().sqrt()
    assert float(off) == pytest.approx(deviation / math.sqrt(COUNT), rel=missed)


@pytest.mark.parametrize(("steps", "missed"), [(STEPS, 0.02), (200, 0.01)])
def test_a_sample_looks_like_a_picture_and_what_it_took_off_like_noise(
    steps: int, missed: float
) -> None:
    _, y = gaussian_pictures()
    drawn = next(samples(Oracle(), y, SIGMA_255, 1, steps=steps))
    assert float(drawn.std()) == pytest.approx(PRIOR, rel=missed)  # f(y) has 0.71 of it
    assert float((y - drawn).std()) == pytest.approx(SIGMA, rel=missed)


def test_a_sample_costs_13_passes() -> None:
    oracle, parts = Oracle(), []  # type: ignore[var-annotated]
    y = random_picture(1, 3, 8, 8)
    list(samples(oracle, y, SIGMA_255, 2, progress=parts.append))
    assert oracle.passes == len(parts) == 2 * 13
    assert parts == sorted(parts)
    assert parts[-1] == pytest.approx(1.0)


def test_samples_are_named_by_seed_and_number() -> None:
    y = random_picture(1, 3, 8, 8)
    one, two = samples(Oracle(), y, SIGMA_255, 2)
    again = next(samples(Oracle(), y, SIGMA_255, 1))
    other = next(samples(Oracle(), y, SIGMA_255, 1, seed=1))
    assert torch.equal(one, again)
    assert not torch.equal(one, two)
    assert not torch.equal(one, other)


def test_cube_roots_of_levels_fall_evenly() -> None:
    levels = noise_levels(25)
    assert len(levels) == 13
    assert (255 * levels[0], 255 * levels[-1]) == pytest.approx((25, 0.6))
    falls = [level ** (1 / 3) - below ** (1 / 3) for level, below in itertools.pairwise(levels)]
    assert falls == pytest.approx([falls[0]] * 12)


def test_mean_and_spread_are_numpys() -> None:
    drawn = [random_picture(1, 3, 4, 5, seed=seed) for seed in range(5)]
    mean, spread = mean_and_spread(iter(drawn))
    stacked = np.stack([each.numpy() for each in drawn]).astype(float)
    np.testing.assert_allclose(mean, stacked.mean(0), rtol=1e-5)
    np.testing.assert_allclose(spread, stacked.std(0, ddof=1), rtol=1e-5)
    with refused("at least two"):
        mean_and_spread(drawn[:1])


@pytest.mark.parametrize("sigma", [0, 0.6, -3, math.nan, math.inf])
def test_noise_without_a_choice_is_refused(sigma: float) -> None:
    with refused("above 0.6 (8-bit units)"):
        next(samples(Oracle(), random_picture(1, 3, 8, 8), sigma, 1))


def test_nothing_asked_for_is_refused() -> None:
    with refused("at least one sample"):
        next(samples(Oracle(), random_picture(1, 3, 8, 8), 25, 0))
    with refused("at least one step"):
        next(samples(Oracle(), random_picture(1, 3, 8, 8), 25, 1, steps=0))


# ---- the shipped denoiser on photos ----


@pytest.fixture(scope="module")
def photo() -> tuple[Tensor, Tensor, Tensor, list[Tensor]]:
    """Clean, noisy, f(y), samples: a part of a photo, unclipped float."""
    clean = images.to_tensor(sample("coffee")[150:278, 250:378])
    y = noisy(clean)
    denoise = n2n.load("fast", device="cpu")
    return clean, y, denoise(y), list(posterior.samples(denoise, y, SIGMA_255, COUNT))


Photo = tuple[Tensor, Tensor, Tensor, list[Tensor]]


def test_one_sample_has_about_twice_the_error(photo: Photo) -> None:
    clean, _, best, drawn = photo
    lost = [float(psnr_db(best, clean) - psnr_db(each, clean)) for each in drawn]
    assert min(lost) >= 1.5
    assert max(lost) <= 3.3


def test_the_mean_of_samples_is_the_estimate(photo: Photo) -> None:
    clean, _, best, drawn = photo
    mean, _ = mean_and_spread(drawn)
    assert abs(float(psnr_db(mean, clean) - psnr_db(best, clean))) <= 0.4


def test_what_a_sample_takes_off_is_the_noise(photo: Photo) -> None:
    _, y, best, drawn = photo
    assert float((y - drawn[0]).std()) == pytest.approx(SIGMA, rel=0.03)
    assert float((y - best).std()) < 0.97 * SIGMA


def test_the_estimate_is_blurred(photo: Photo) -> None:
    clean, _, best, _ = photo
    assert gradient(best) < 0.92 * gradient(clean)  # the blur of the mean


@pytest.mark.parametrize("name", ["best", "fast"])
def test_samples_are_as_sharp_as_photos(name: str) -> None:
    """Taken together: which texture a single crop of 128 px gets strays by 10 % and more."""
    crops = [
        sample(photo)[y : y + 128, x : x + 128]
        for photo, (bottom, right) in {
            "coffee": (272, 472),
            "astronaut": (384, 384),
            "chelsea": (172, 323),
        }.items()
        for y in (0, bottom // 2, bottom)
        for x in (0, right // 2, right)
    ]
    clean = torch.cat([images.to_tensor(crop) for crop in crops])
    drawn = posterior.draw(n2n.load(name, device="cpu"), noisy(clean), SIGMA_255)
    assert gradient(drawn) == pytest.approx(gradient(clean), rel=0.05)
    for first in (0, 9, 18):
        nine = slice(first, first + 9)
        assert gradient(drawn[nine]) == pytest.approx(gradient(clean[nine]), rel=0.1)


@pytest.mark.parametrize("name", ["best", "fast"])
def test_all_that_holds_of_the_quarters_of_another_photo(name: str) -> None:
    parts = [sample("astronaut")[y : y + 128, x : x + 128] for y in (96, 288) for x in (96, 288)]
    clean = torch.cat([images.to_tensor(part) for part in parts])
    y, denoise = noisy(clean), n2n.load(name, device="cpu")
    drawn = posterior.draw(denoise, y, SIGMA_255)
    lost = psnr_db(denoise(y), clean) - psnr_db(drawn, clean)
    assert float(lost.min()) >= 1.5
    assert float(lost.max()) <= 3.3
    assert float((y - drawn).std()) == pytest.approx(SIGMA, rel=0.03)
    assert gradient(drawn) == pytest.approx(gradient(clean), rel=0.05)


def gradient(picture: Tensor) -> float:
    """The mean absolute difference of neighbours."""
    return float(sum(picture.diff(dim=axis).abs().mean() for axis in (-1, -2)))


def test_samples_disagree_where_the_estimate_errs(photo: Photo) -> None:
    clean, _, best, drawn = photo
    _, spread = mean_and_spread(drawn)
    errors = (best - clean).abs()
    doubtful = spread > spread.median()
    assert float(errors[doubtful].mean()) > 1.3 * float(errors[~doubtful].mean())


# ---- command line ----


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    clean = images.to_tensor(sample("coffee")[:96, :112])
    images.write(tmp_path / "cup.png", images.to_uint8(noisy(clean)))

    def command(*words: str) -> tuple[int, str, str]:
        given = ["denoise", str(tmp_path / "cup.png"), "--out", str(tmp_path / "out")]
        code = main([*given, "--model", "fast", "--device", "cpu", "--json", *words])
        told = capsys.readouterr()
        return code, told.out, told.err

    return command


def test_command_writes_samples(tmp_path: Path, run: Callable[..., tuple[int, str, str]]) -> None:
    code, out, _ = run("--samples", "2")
    record = json.loads(out)
    names = ["cup.png", "cup.sample1.png", "cup.sample2.png"]
    assert code == 0
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == names
    assert [Path(path).name for path in record["samples"]] == names[1:]
    assert record["sigma_255"] == pytest.approx(SIGMA_255, rel=0.15)
    first = images.read(tmp_path / "out" / names[1]).pixels
    run("--samples", "1", "--samples-sigma", str(record["sigma_255"]))
    np.testing.assert_allclose(
        images.read(tmp_path / "out" / names[1]).pixels.astype(int), first.astype(int), atol=2
    )
    run("--samples", "1", "--samples-seed", "5")
    assert np.abs(images.read(tmp_path / "out" / names[1]).pixels.astype(int) - first).mean() > 2


def test_command_tells_a_person_what_it_drew(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], run: Callable[..., tuple[int, str, str]]
) -> None:
    run("--samples", "1")
    given = ["denoise", str(tmp_path / "cup.png"), "--out", str(tmp_path / "out")]
    main([*given, "--model", "fast", "--device", "cpu", "--samples", "2", "--samples-sigma", "25"])
    assert capsys.readouterr().out.rstrip().endswith("; 2 samples beside it, from σ 25")


def test_command_refuses_in_one_line(
    tmp_path: Path, run: Callable[..., tuple[int, str, str]]
) -> None:
    code, _, err = run("--samples", "1", "--samples-sigma", "0.6")
    assert code == 1
    assert "above 0.6 (8-bit units)" in err.splitlines()[-1]
    code, _, err = run("--samples", "1", "--samples-sigma", "90")
    assert code == 1
    assert "fast was trained up to σ 55, this noise has σ 90" in err.splitlines()[-1]
    code, _, err = run("--samples", "1", "--samples-sigma", "25", "--model", "ee559")
    assert code == 1
    assert "ee559 was not trained on Gaussian noise" in err.splitlines()[-1]
    code, out, err = run("--samples", "-1")
    assert (code, out) == (2, "")
    assert "--samples is 0 or more, got -1" in err
    images.write(tmp_path / "cup.png", sample("camera")[:64, :64])
    code, out, err = run("--samples", "1")
    assert code == 1
    assert "colour" in err.splitlines()[-1]
    assert "Traceback" not in err
    told = json.loads(out)  # the denoised picture is there all the same
    assert Path(told["output"]).is_file()
    assert "colour" in told["failed"]


def test_samples_never_take_the_place_of_another_picture(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "scans"
    folder.mkdir()
    for name in ("cup.png", "cup.sample1.png"):
        images.write(folder / name, sample("coffee")[:32, :32])
    words = ["denoise", str(folder), "--out", str(tmp_path / "out"), "--model", "fast"]
    assert main([*words, "--samples", "1"]) == 2
    assert "two results would be written to" in capsys.readouterr().err
    one = str(folder / "cup.sample1.png")
    assert main(["denoise", one, "--out", str(folder / "cup.png"), "--samples", "1"]) == 2
    assert "is itself an input" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
