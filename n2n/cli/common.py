"""What the commands share: how to stop on Ctrl-C or a kill, and how to end with one line."""

import argparse
import re
import shlex
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

DONE, FAILED, WRONG_USE = 0, 1, 2


def add_device_arguments(parser: argparse.ArgumentParser) -> None:
    """Where and how to compute."""
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or mps (default: auto)")
    parser.add_argument(
        "--dtype",
        default="auto",
        help="auto (bf16 where the device is faster in it), fp32 or bf16 (default: auto)",
    )


class StopFlag:
    """Set once somebody asked the command to stop."""

    def __init__(self) -> None:
        self.asked = False
        self.also: Callable[[], None] | None = None  # for work whose steps take minutes

    def __bool__(self) -> bool:
        """Whether to stop now."""
        return self.asked


@contextmanager
def stoppable() -> Iterator[StopFlag]:
    """Ctrl-C or SIGTERM inside sets the flag: work ends between steps. A second one kills.

    The flag's `also` is called, too.
    """
    flag = StopFlag()
    signals = (signal.SIGINT, signal.SIGTERM)
    before = {kind: signal.getsignal(kind) for kind in signals}

    def ask(kind: int, frame: FrameType | None) -> None:
        flag.asked = True
        if flag.also is not None:
            flag.also()
        signal.signal(kind, signal.SIG_DFL)

    for kind in signals:
        signal.signal(kind, ask)
    try:
        yield flag
    finally:
        for kind, handler in before.items():
            signal.signal(kind, handler)


def command() -> str:
    """This command as another machine would type it: paths by their last part."""
    # --out=a/b, too
    words = [re.sub(r"^(--[\w-]+=)?.*/(?=[^/])", r"\1", word) for word in sys.argv[1:]]
    return shlex.join(["python", "-m", "n2n", *words])


def require_weights_name(out: Path) -> None:
    """Refuse an `--out` that names no weight file.

    Raises:
        ValueError: it ends otherwise than in .safetensors.
    """
    if out.suffix != ".safetensors":
        raise ValueError(f"--out names a .safetensors file, got {out}")


def first_line(error: BaseException) -> str:
    """What went wrong, in one line: PyTorch's own errors have many."""
    return (str(error).splitlines() or [type(error).__name__])[0]


def say(line: str) -> None:
    """One line for the person at the terminal; standard output is left to results."""
    print(line, file=sys.stderr)
