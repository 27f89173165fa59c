"""How each shipped model was trained: one readable description each.

`python -m n2n train --recipe NAME --data FOLDER --out FILE` trains it again, on a CPU or a GPU. A
recipe without an end wants --steps or --seconds; --resume goes on from the constant-rate state.
"""

from n2n.runs import TrainConfig

RECIPES: dict[str, TrainConfig] = {
    # Blind in σ from 0 to 55, as the literature's blind networks; noisy targets throughout.
    "fast": TrainConfig(model="fast", batch=16, crop_px=96),
    "best": TrainConfig(model="best", batch=16, crop_px=96, rate=2e-3),
    # The report's network and recipe (hybrid LBFGS, then momentum; MSE; lr 0.05) on point-sampled
    # pairs of 32 × 32; one epoch of its 50,000 pairs is 500 steps.
    "seed": TrainConfig(
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
    ),
}
