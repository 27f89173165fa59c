"""`python -m n2n average`: the mean of weights, and what its card says."""

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from n2n.__main__ import main
from n2n.checkpoints import load_weights, sha256
from n2n.cli import cards
from n2n.models import ModelSpec
from n2n.recipes import RECIPES
from tests.tiny import one_thread  # noqa: F401  a fixture
from tests.toy_runs import CONFIG, TINY, run_of

TRAIN = ["train", "--model-kwargs", json.dumps(TINY), "--crop-px", 16, "--batch", 2]


def run(*words: str | float | Path) -> int:
    return main([str(word) for word in words])


def card_of(weights: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(weights.with_suffix(".json").read_text())
    return found


def drawn(folder: Path, seeds: int, **settings: Any) -> list[Path]:  # noqa: ANN401
    """Untrained weights, without cards."""
    paths = [folder / f"{seed}.safetensors" for seed in range(seeds)]
    for seed, path in enumerate(paths):
        run_of(replace(CONFIG, seed=seed, **settings)).save_weights(path)
    return paths


@pytest.mark.parametrize("shares", [[1 / 3, 1 / 3, 1 / 3], [0.5, 0.3, 0.2]])
def test_the_mean_has_its_share_of_each(tmp_path: Path, shares: list[float]) -> None:
    paths, out = drawn(tmp_path, 3), tmp_path / "mean.safetensors"
    words = ["--shares", *(3 * share for share in shares)] if len(set(shares)) > 1 else []
    assert run("average", *paths, *words, "--out", out) == 0
    states = [load_file(path) for path in paths]
    for name, tensor in load_file(out).items():
        mean = sum(
            share * state[name].double() for share, state in zip(shares, states, strict=True)
        )
        torch.testing.assert_close(tensor, mean.half(), rtol=1e-3, atol=1e-7)
    assert load_weights(out)[1] == ModelSpec("residual-unet", TINY)


def test_counts_of_batch_normalisation_stay_whole(tmp_path: Path) -> None:
    paths = drawn(tmp_path, 2, model="seed", model_kwargs={"batchnorm": "everywhere"})
    assert run("average", *paths, "--out", tmp_path / "mean.safetensors") == 0
    states = [load_file(path) for path in paths]
    for name, tensor in load_file(tmp_path / "mean.safetensors").items():
        mean = (states[0][name].double() + states[1][name].double()) / 2
        torch.testing.assert_close(tensor, mean.to(tensor.dtype), rtol=1e-3, atol=1e-7)


def test_what_is_no_mean_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (first,) = drawn(tmp_path, 1)
    wider = tmp_path / "wider.safetensors"
    run_of(replace(CONFIG, model_kwargs={**TINY, "widths": [4, 7]})).save_weights(wider)
    out = tmp_path / "mean.safetensors"
    for words, hint in (
        ([first, wider, "--out", out], "weights of one network, wider.safetensors is"),
        ([first, tmp_path / "none.safetensors", "--out", out], "there is no file"),
        ([first, "--out", tmp_path / "mean.pt"], "--out names a .safetensors file"),
        ([first, first, "--out", out, "--shares", 1], "a number above 0 for each of 2 files, got"),
        ([first, first, "--out", out, "--shares", 1, 0], "a number above 0 for each of 2 files"),
        ([first, "--out", out, "--shares", "nan"], "a number above 0 for each of 1 files"),
    ):
        assert run("average", *words) == 2
        assert hint in capsys.readouterr().err.splitlines()[-1]
    first.with_suffix(".json").write_text("{")
    assert run("average", first, "--out", out) == 2
    assert "0.json is no card" in capsys.readouterr().err
    assert not out.exists()


def test_a_card_counts_once_what_led_to_several(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second, third, other, mean = (tmp_path / f"{name}.safetensors" for name in "abcde")

    def made(out: Path, *words: str | int | Path) -> dict[str, Any]:
        line = [*words, "--out", out]
        monkeypatch.setattr(sys, "argv", ["n2n", *map(str, line)])
        assert run(*line) == 0
        return card_of(out)

    begun = made(first, *TRAIN, "--steps", 2)
    made(second, *TRAIN, "--steps", 3, "--init", first)
    made(third, *TRAIN, "--steps", 5, "--seed", 2, "--init", first)
    made(other, *TRAIN, "--steps", 4, "--seed", 1)
    for named, steps, commands in (
        ([first, first], 2, 2),
        ([first, second], 5, 3),
        ([third, first, second], 10, 4),
        ([first, second, other], 9, 4),
    ):
        card = made(mean, "average", *named, "--recipe", "fast")
        assert (card["steps"], len(card["commands"])) == (steps, commands)
        assert card["commands"][-1].startswith("python -m n2n average ")
    assert card["sha256"] == sha256(mean)
    assert card["name"] == "e"
    assert card["purpose"] == RECIPES["fast"].purpose
    assert card["known_failures"] == list(RECIPES["fast"].known_failures)
    assert [card[name] for name in ("photos", "device")] == [begun["photos"], begun["device"]]


def test_the_settings_are_those_of_the_first(tmp_path: Path) -> None:
    first, second = drawn(tmp_path, 2)
    told = [
        {"training": {"steps": None, "seconds": 5}, "steps": 70, "commands": ["one"],
         "device": "GPU", "photos": "a", "photo_licences": {"a": "CC0"}},
        {"training": {"steps": 9, "seconds": None}, "steps": 79, "commands": ["one", "two"],
         "device": "CPU; GPU", "photos": "a; b", "photo_licences": {"a": "CC0", "b": "research"}},
    ]  # fmt: skip
    for path, card in zip((first, second), told, strict=True):
        path.with_suffix(".json").write_text(json.dumps(card))
    assert run("average", first, second, "--out", tmp_path / "mean.safetensors") == 0
    card = card_of(tmp_path / "mean.safetensors")
    assert card["training"] == {"steps": 70, "seconds": None}  # a run that ended by the clock
    assert (card["device"], card["photos"]) == ("GPU; CPU", "a; b")
    assert card["photo_licences"] == {"a": "CC0", "b": "research"}
    assert "purpose" not in card
    second.with_suffix(".json").unlink()
    assert run("average", second, first, "--out", tmp_path / "mean.safetensors") == 0
    card = card_of(tmp_path / "mean.safetensors")
    assert not {"training", "photo_licences", "processor"} & card.keys()


def test_totals_by_hand() -> None:
    """26 gigapixels, gone on with twice, by 1 and by 2; and another network of 5."""
    named = [
        {"commands": list(led), "gigapixels": seen, "steps": 100 * seen, "seconds": 0.25}
        for led, seen in (("a", 26), ("ab", 27), ("a", 26), ("ac", 28), ("d", 5))
    ]
    assert cards.seen(named) == {
        "steps": 3400,
        "gigapixels": 34,
        "seconds": 0.5,
        "commands": ["a", "b", "c", "d"],
    }
    # A mean that has one of them in it, and is averaged with it and another.
    mean = {"commands": ["a", "b", "d", "mean"], "gigapixels": 32}
    again = cards.seen([mean, named[0], named[-1], {"commands": ["a", "e"], "gigapixels": 27}])
    assert again["gigapixels"] == 33
    assert cards.seen([{}]) == {"steps": 0, "gigapixels": 0, "seconds": 0, "commands": []}
