"""Randomness is addressed, not consumed: every draw is a function of its key.

A sample therefore never depends on the order of the draws before it, on the batch size, or on
whether a run was stopped and resumed in between. This is the only maker of a `torch.Generator`.
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

import torch


def keyed_rng(*key: int | str, device: torch.device | str = "cpu") -> torch.Generator:
    """A generator on `device` that depends on `key` alone, such as (seed, step, view).

    The CPU and a GPU give different numbers for the same key; each repeats its own.
    """
    digest = hashlib.blake2b(repr(key).encode(), digest_size=8).digest()
    # 63 bits: the largest seed that every backend takes.
    seed = int.from_bytes(digest, "little") >> 1
    return torch.Generator(device=device).manual_seed(seed)


@contextmanager
def seeded_initialization(seed: int) -> Iterator[None]:
    """Layers built inside draw their first weights from `seed`; the global state is left alone.

    `torch.nn` layers initialise themselves from the global generator and offer no other way.
    """
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        yield
