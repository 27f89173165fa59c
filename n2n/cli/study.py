"""`python -m n2n study`: the course's data, or a stand-in for it."""

import argparse
from pathlib import Path

from n2n.cli.common import DONE, say
from n2n.data import course


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What there is to study, each with its own options."""
    parser.epilog = "NAME --help tells the options of each, with their defaults."
    names = parser.add_subparsers(dest="study", required=True, metavar="NAME")
    summary = "write train_data.pkl and val_data.pkl: a stand-in for the course's files"
    _add_data_arguments(names.add_parser("data", help=summary, description=summary))


def run(arguments: argparse.Namespace) -> int:
    """Run what was named."""
    return _write_data(arguments)


def _add_data_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--out", required=True, type=Path, metavar="FOLDER", help="where the two files go"
    )
    parser.add_argument(
        "--photos",
        type=Path,
        nargs="+",
        metavar="FOLDER",
        help="photos to cut windows from, a part of them held out for validation "
        "(default: scikit-image's sample photos)",
    )
    parser.add_argument(
        "--validation",
        type=Path,
        nargs="+",
        metavar="FOLDER",
        help="other photos for val_data.pkl; then all of --photos serve training",
    )
    parser.add_argument("--pairs", type=int, default=50_000, help="for training (default: 50000)")
    parser.add_argument("--windows", type=int, default=1000, help="to validate on (default: 1000)")
    parser.add_argument("--seed", type=int, default=0, help="names all draws (default: 0)")


def _write_data(arguments: argparse.Namespace) -> int:
    training, held_out = course.photos_for(arguments.photos, arguments.validation, say)
    say(f"{len(training)} photos to train on, {len(held_out)} to validate on")
    validation = course.validation_pairs(held_out, arguments.windows, arguments.seed)
    course.write_pairs(arguments.out / course.VALIDATION_FILE, validation)
    pairs = course.training_pairs(training, arguments.pairs, arguments.seed)
    course.write_pairs(arguments.out / course.TRAINING_FILE, pairs)
    say(f"{len(pairs.first)} pairs and {len(validation.first)} windows: {arguments.out}")
    return DONE
