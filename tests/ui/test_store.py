"""Visitors' pictures are bounded in bytes and in time; limits come from the environment."""

import os
import platform
import time
from dataclasses import fields

import numpy as np
import pytest

from n2n import memory
from n2n.ui.handlers import shelf
from n2n.ui.handlers.pictures import Picture
from n2n.ui.handlers.shelf import swept
from n2n.ui.handlers.store import Scene, Store
from n2n.ui.limits import Limits
from tests.conftest import memory_megabytes


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def scene(megabytes: int = 1) -> Scene:
    pixels = np.zeros((megabytes * 1024, 1024), np.uint8)
    return Scene(Picture(pixels), "x", noisy=pixels)  # one array in two places counts once


def test_the_oldest_scene_goes_when_memory_is_short() -> None:
    kept = Store(max_bytes=3 * 2**20, seconds=900)
    for name in "abc":
        kept.put(name, scene())
    kept.get("a")  # used: now b is the oldest
    kept.put("d", scene())
    assert kept.bytes() <= 3 * 2**20
    with pytest.raises(ValueError, match="add the picture again"):
        kept.get("b")
    for name in "acd":
        kept.get(name)


def test_one_scene_above_the_limit_is_kept_alone() -> None:
    kept = Store(max_bytes=2**20, seconds=900)
    kept.put("a", scene())
    kept.put("b", scene(5))
    kept.get("b")
    with pytest.raises(ValueError, match="add the picture again"):
        kept.get("a")


def test_a_scene_goes_when_it_was_not_used() -> None:
    clock = Clock()
    kept = Store(max_bytes=2**30, seconds=900, clock=clock)
    kept.put("a", scene())
    clock.now = 899
    kept.get("a")
    clock.now = 899 + 899
    kept.get("a")
    clock.now += 901
    with pytest.raises(ValueError, match="15 minutes"):
        kept.get("a")
    assert kept.bytes() == 0


def test_a_scene_that_nobody_asks_for_goes_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shelf, "SWEEP_EVERY_S", 0.01)
    clock = Clock()
    kept = Store(max_bytes=2**30, seconds=900, clock=clock)
    kept.put("a", scene())
    swept(kept)
    time.sleep(0.1)
    assert kept.bytes() > 0
    clock.now = 901
    end = time.monotonic() + 20
    while kept.bytes() and time.monotonic() < end:
        time.sleep(0.01)
    assert kept.bytes() == 0


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library")
def test_freed_memory_goes_back_to_the_system() -> None:
    blocks = [np.ones(12_000) for _ in range(2000)]  # 96 kB each, in one heap
    topmost = np.ones(12_000)  # with this in use the heap does not shrink by itself
    full = memory_megabytes(os.getpid())
    blocks.clear()
    assert memory_megabytes(os.getpid()) > full - 20
    memory.give_back()
    assert memory_megabytes(os.getpid()) < full - 150
    assert topmost.all()


def test_a_picture_that_is_worked_on_is_in_use() -> None:
    clock = Clock()
    kept = Store(max_bytes=2**30, seconds=900, clock=clock)
    one = kept.put("a", scene())
    clock.now = 800
    assert kept.is_current("a", one)
    assert not kept.is_current("a", scene())
    assert not kept.is_current("b", one)
    clock.now = 1600
    kept.get("a")


def test_visitors_do_not_see_each_other() -> None:
    kept = Store(max_bytes=2**30, seconds=900)
    one, other = scene(), scene()
    kept.put("a", one)
    kept.put("b", other)
    assert kept.get("a") is one
    assert kept.get("b") is other
    kept.drop("a")
    assert kept.get("b") is other


def test_two_pages_that_got_no_id_do_not_share_a_picture() -> None:
    kept = Store(max_bytes=2**30, seconds=900)
    with pytest.raises(ValueError, match="reload the page"):
        kept.put("", scene())
    with pytest.raises(ValueError, match="add the picture again"):
        kept.get("")


def test_limits_are_read_from_the_environment() -> None:
    assert Limits.from_environment({}) == Limits()
    read = Limits.from_environment({"N2N_MAX_MEGAPIXELS": "24", "N2N_QUEUE": "3", "OTHER": "x"})
    assert (read.max_megapixels, read.queue) == (24, 3)
    assert Limits.from_environment({"N2N_SESSION_MINUTES": "0.5"}).session_minutes == 0.5


@pytest.mark.parametrize("value", ["many", "0", "-1", "nan"])
def test_a_wrong_limit_is_refused_by_name(value: str) -> None:
    with pytest.raises(ValueError, match="N2N_MAX_MEGAPIXELS"):
        Limits.from_environment({"N2N_MAX_MEGAPIXELS": value})


def test_every_limit_is_documented() -> None:
    for field in fields(Limits):
        assert f"{field.name}:" in Limits.__doc__


def test_files_stay_as_long_as_pictures_but_until_they_are_fetched() -> None:
    assert Limits(session_minutes=15).file_minutes == 15
    assert Limits(session_minutes=0.1).file_minutes == 2
