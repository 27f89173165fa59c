"""Options of `train` that say what a run is, and the TrainConfig that they make."""

import argparse
import json
from dataclasses import fields, replace

from n2n.config import TrainConfig
from n2n.losses import LOSSES
from n2n.models import MODELS
from n2n.models.initialization import INITIALIZATIONS
from n2n.noise import NOISES
from n2n.optimizers import OPTIMIZERS
from n2n.recipes import PRESETS, RECIPES
from n2n.saved import Saved

NAMED = RECIPES | PRESETS


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What goes into the run's TrainConfig; what is left out comes from the recipe."""
    parser.add_argument(
        "--recipe",
        choices=list(NAMED),
        help="the settings of a shipped model, or of a run to watch, for what is not given here "
        "(with --resume: only for the words of the card)",
    )
    parser.add_argument("--model", choices=list(MODELS), help="network (default: fast)")
    parser.add_argument(
        "--noise",
        help=f"name:level or name:low-high; names: {', '.join(NOISES)} (default: gaussian:0-55)",
    )
    parser.add_argument("--loss", choices=list(LOSSES), help="default: log-l2")
    parser.add_argument("--optimizer", choices=list(OPTIMIZERS), help="default: adamw")
    parser.add_argument("--rate", type=float, help="peak learning rate (default: 0.003)")
    parser.add_argument("--batch", type=int, help="crops in a batch (default: 16)")
    parser.add_argument("--crop-px", type=int, help="side of a crop in pixels (default: 96)")
    parser.add_argument("--steps", type=int, help="end after so many steps")
    parser.add_argument("--seconds", type=float, help="end after so many seconds")
    parser.add_argument(
        "--decay",
        type=float,
        help="last part of the run in which the rate falls to zero (default: 0.2)",
    )
    parser.add_argument(
        "--warmup-steps", type=int, help="first steps, over which the rate rises (default: 100)"
    )
    parser.add_argument("--seed", type=int, help="names all random draws (default: 0)")
    _add_network(parser)
    _add_details(parser)


def _add_details(parser: argparse.ArgumentParser) -> None:
    """Those that few runs change."""
    parser.add_argument("--targets", choices=["noisy", "clean"], help="default: noisy")
    parser.add_argument(
        "--teacher",
        metavar="NAME_OR_FILE",
        help="distil: the targets are what this model makes of the same noisy pictures",
    )
    parser.add_argument(
        "--frozen", type=int, help="repeat this many batches for ever (default: fresh ones)"
    )
    parser.add_argument(
        "--average", type=float, help="of the weights, what each step keeps (default: 0.9995)"
    )
    parser.add_argument(
        "--floor-255",
        type=float,
        help="m of log-l2 at the beginning of the run; at its end 5 (default: 25)",
    )
    parser.add_argument(
        "--unit-gradient",
        action=argparse.BooleanOptionalAction,
        help="gradients at norm 1, with adam, adamw and muon (default: yes)",
    )
    parser.add_argument(
        "--file-step",
        action=argparse.BooleanOptionalAction,
        help="half of the inputs clipped and rounded, as files are (default: yes)",
    )
    parser.add_argument(
        "--exposure",
        type=float,
        help="share of crops that are drawn, flat or smooth, also white and black (default: 0.05)",
    )
    parser.add_argument(
        "--grey", type=float, help="share in grey, one noise for all channels (default: 0.1)"
    )
    parser.add_argument(
        "--plain-steps",
        type=int,
        help="first steps that know none of these three, which can be learnt late (default: 0)",
    )


def _add_network(parser: argparse.ArgumentParser) -> None:
    """What it is and begins with."""
    parser.add_argument(
        "--initialization", choices=list(INITIALIZATIONS), help="default: the model's own"
    )
    parser.add_argument(
        "--equivariant",
        action=argparse.BooleanOptionalAction,
        help="kernels tied in 8 orientations, for residual U-Nets (default: no)",
    )
    parser.add_argument(
        "--model-kwargs", type=json.loads, help="JSON: arguments of the network (default: {})"
    )


def config(arguments: argparse.Namespace, saved: Saved | None) -> TrainConfig:
    """What is given, over the run that is resumed or else the recipe or else the defaults."""
    recipe = NAMED[arguments.recipe].config if arguments.recipe is not None else TrainConfig()
    base = saved.config if saved is not None else recipe
    names = {field.name for field in fields(TrainConfig)}
    given = {
        key: value for key, value in vars(arguments).items() if key in names and value is not None
    }
    if "steps" in given or "seconds" in given:  # a new end replaces the old one, whatever its kind
        if saved is None:
            given.setdefault("plain_steps", _plain_steps(base, given.get("steps", 0)))
        base = replace(base, steps=None, seconds=None)
    if "teacher" in given:
        given.setdefault("targets", "teacher")
    elif "targets" in given:  # no longer those of a teacher
        base = replace(base, teacher=None, targets="noisy")
    config = replace(base, **given)
    if config.steps is None and config.seconds is None:
        raise ValueError("say how long to train: --steps or --seconds")
    return config


def _plain_steps(recipe: TrainConfig, steps: int) -> int:
    """The same part of a run of another length; none where nobody knows how many steps it takes."""
    return recipe.plain_steps * steps // (recipe.steps or 1)
