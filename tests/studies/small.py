"""A study small enough for a test: two pictures of 8 × 8, two steps."""

from dataclasses import replace

from n2n.studies import Curve, Study
from n2n.studies.sources import Source

SOURCE = Source()


def small(curve: Curve) -> Curve:
    """The same question on next to no data; of LBFGS, which is slow at any size, one step."""
    return replace(
        curve,
        samples=2,
        batch=1,
        epochs=1,
        side_px=8,
        windows=2,
        validate_every=1,
        rate=1e-3,
        lbfgs_steps=min(curve.lbfgs_steps, 1),
    )


def small_study(study: Study) -> Study:
    return replace(study, curves=lambda quick: [small(curve) for curve in study.curves(quick)])
