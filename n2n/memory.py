"""What the C library does with freed memory. Elsewhere than with glibc, nothing happens."""

import ctypes
import sys
from contextlib import suppress

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4  # of malloc.h


def keep() -> None:
    """Keep what is freed for the next layer: for a process that denoises and ends.

    Maps come and go by tens of megabytes. The system clears each page before it hands it out anew,
    which is a tenth of the time of a large picture.
    """
    if sys.platform == "linux":
        with suppress(AttributeError):  # another C library
            mallopt = ctypes.CDLL(None).mallopt
            mallopt(M_MMAP_MAX, 0)
            mallopt(M_TRIM_THRESHOLD, 2**31 - 1)


def give_back() -> None:
    """Hand freed memory back to the system: glibc would keep it, in a heap for each thread."""
    if sys.platform == "linux":
        with suppress(AttributeError):
            ctypes.CDLL(None).malloc_trim(0)
