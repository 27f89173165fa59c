"""Command line: python -m n2n denoise | evaluate | train | average | study | bench."""

import argparse
import sys
from collections.abc import Sequence

from n2n.cli import average, bench, denoise, evaluate, study, train
from n2n.cli.common import FAILED, WRONG_USE, first_line, say
from n2n.devices import use_available_cores
from n2n.images import ImageError

COMMANDS = {
    "denoise": (denoise, "denoise pictures: files and folders"),
    "evaluate": (evaluate, "measure PSNR and SSIM on a folder of clean photos"),
    "train": (train, "train a network from noisy pairs"),
    "average": (average, "average the weights of trained networks"),
    "study": (study, "the course's data and studies"),
    "bench": (bench, "measure speed and memory beside reference points"),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns 0 (done), 1 (failed) or 2 (wrong use)."""
    parser = argparse.ArgumentParser(prog="python -m n2n", description="Noise2Noise denoising.")
    commands = parser.add_subparsers(dest="command", required=True)
    for name, (module, summary) in COMMANDS.items():
        module.add_arguments(commands.add_parser(name, help=summary, description=summary))
    arguments = parser.parse_args(argv)
    use_available_cores()
    try:
        code: int = COMMANDS[arguments.command][0].run(arguments)
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


if __name__ == "__main__":
    sys.exit(main())
