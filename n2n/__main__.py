"""Command line: python -m n2n denoise | evaluate | train | average | study | bench."""

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Any

from n2n.cli.common import FAILED, WRONG_USE, first_line, say
from n2n.devices import use_available_cores
from n2n.images import ImageError

COMMANDS = {  # modules of n2n.cli
    "denoise": "denoise pictures: files and folders",
    "evaluate": "measure PSNR and SSIM on a folder of clean photos",
    "train": "train a network from noisy pairs",
    "average": "average the weights of trained networks",
    "study": "the course's data and studies",
    "bench": "measure speed and memory beside reference points",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns 0 (done), 1 (failed) or 2 (wrong use)."""
    parser = argparse.ArgumentParser(prog="python -m n2n", description="Noise2Noise denoising.")
    commands = parser.add_subparsers(dest="command", required=True)
    words = sys.argv[1:] if argv is None else argv
    for name, summary in COMMANDS.items():
        options = commands.add_parser(name, help=summary, description=summary)
        if name in words:  # what the others import takes half a second
            _module(name).add_arguments(options)
    arguments = parser.parse_args(words)
    use_available_cores()
    try:
        code: int = _module(arguments.command).run(arguments)
        return code
    except (ImageError, OSError, RuntimeError, MemoryError) as error:
        say(f"n2n {arguments.command}: {first_line(error)}")
        return FAILED
    except ValueError as error:
        say(f"n2n {arguments.command}: {error}")
        return WRONG_USE
    except KeyboardInterrupt:
        say(f"n2n {arguments.command}: stopped")
        return FAILED


def _module(command: str) -> Any:  # noqa: ANN401
    return import_module(f"n2n.cli.{command}")


if __name__ == "__main__":
    sys.exit(main())
