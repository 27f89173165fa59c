"""How each shipped model was trained, and runs short enough to watch: one description each.

`python -m n2n train --recipe NAME --data FOLDER --out FILE` trains it, on a CPU or a GPU. A recipe
without an end wants --steps or --seconds; --resume goes on from its checkpoint.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from n2n.runs import TrainConfig


@dataclass(frozen=True)
class Recipe:
    """The settings of a shipped model, and what its card says of it beside the figures."""

    config: TrainConfig
    purpose: str
    known_failures: tuple[str, ...]


# Of the folders that the shipped models were trained on.
PHOTO_LICENCES = {
    "cid22_512": "CC BY-SA 4.0 (Cloudinary)",
    "gb82": "CC0",
    "clic2025": "Unsplash licence",
    "wallpapers_ds": "Unsplash licence",
    "nips2017": "CC BY 2.0 (photographers named in that set)",
    "bsd431": "research use, to be cited (Berkeley Segmentation Data Set)",
}

WHITE_NOISE_ONLY = (
    "noise of real cameras, blotchy after demosaicing and JPEG, mostly stays",
    "fine texture goes with strong noise: above σ 50 surfaces become smooth",
    "a texture like noise, such as sparkles on black, is taken for noise and goes, however clean "
    "the picture",
)

# Blind in σ up to 55, as the literature's blind networks; noisy targets throughout. Minutes of a
# data-centre GPU, with --compile. A CPU takes days: there fewer --steps and --warmup-steps of a
# smaller --batch and --crop-px give more.
_BLIND = TrainConfig(
    optimizer="muon",
    rate=4e-3,
    crop_px=128,
    warmup_steps=300,
    decay=0.9,  # at a constant rate Muon soon stops gaining
    average=0.999,
)

RECIPES: dict[str, Recipe] = {
    # What ships is the mean of this and of what it became by going on in smaller crops: samples
    # from p(x | y) by this alone are too smooth. The card has the commands; in its second --recipe
    # fast still meant --batch 32 --crop-px 64 --warmup-steps 100, as the third says.
    "fast": Recipe(
        replace(
            _BLIND,
            model="fast",
            batch=128,
            steps=12_594,  # 26 gigapixels
            plain_steps=6_000,  # what files need can come late, and costs less so
        ),
        "quick, for large pictures",
        WHITE_NOISE_ONLY,
    ),
    "best": Recipe(
        replace(
            _BLIND,
            model="best",
            batch=80,
            steps=24_420,  # 32 gigapixels
            plain_steps=14_000,
            equivariant=True,
        ),
        "all-round, the most detail",
        WHITE_NOISE_ONLY,
    ),
    # The report's network and recipe (hybrid LBFGS, then momentum; MSE; lr 0.05) on point-sampled
    # pairs of 32 × 32; one epoch of its 50,000 pairs is 500 steps.
    "seed": Recipe(
        TrainConfig(
            model="seed",
            noise="point-sampling:10",
            loss="l2",
            optimizer="hybrid",
            rate=0.05,
            batch=100,
            crop_px=320,
            steps=500,
            warmup_steps=0,
            decay=0.0,
            average=0.0,
            unit_gradient=False,
            file_step=False,
            exposure=0.0,
            grey=0.0,
        ),
        "the EE-559 report's network, to compare with",
        (
            "trained on point-sampled pictures of 32 × 32 px: other noise stays or blurs",
            "without skips, so a clean picture comes back blurred",
        ),
    ),
}

# Runs to watch: a small network at one noise level learns the most in seconds. Muon gains most
# where time is short; a short memory of the average suits few steps.
_LIVE = TrainConfig(
    model="small",
    noise="gaussian:25",
    loss="l2",
    optimizer="muon",
    rate=4e-3,
    crop_px=64,
    seconds=30,
    warmup_steps=20,
    decay=0.3,
    average=0.98,
)

PRESETS: dict[str, Recipe] = {
    "30-seconds": Recipe(_LIVE, "a small network learns to remove one noise while you watch", ()),
    "2-minutes": Recipe(
        replace(_LIVE, model="fast", seconds=120, average=0.99),
        "the network of fast, with time to learn edges and texture",
        (),
    ),
    "report": Recipe(
        RECIPES["seed"].config,
        "the EE-559 report's network, data and optimizer: one epoch of its 50,000 pairs",
        RECIPES["seed"].known_failures,
    ),
}


def photo_licences(folders: Sequence[str]) -> dict[str, dict[str, str]]:
    """For a card: the licence of each of these folders, where all are known."""
    if not folders or not PHOTO_LICENCES.keys() >= set(folders):
        return {}
    return {"photo_licences": {folder: PHOTO_LICENCES[folder] for folder in folders}}
