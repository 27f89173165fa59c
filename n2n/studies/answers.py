"""Sentences of what curves ended at: with what was cut off said, and nothing read off one batch."""

from collections.abc import Sequence

import numpy as np

from n2n.studies.record import DIVERGED, OUT_OF_TIME, Record, mean_and_spread

# PSNR in convention A or B: of some held-out pictures, on the way; of all of them, at the end.
WAY, FINAL = "psnr_{}_db", "final_psnr_{}_db"
LAST_QUARTER, SWING_DB = 0.75, 0.5


def final_db(record: Record, curve: str, convention: str = "a") -> str:
    """PSNR in dB on all held-out pictures, the mean over seeds; and where time ended the curve."""
    if record.end(curve) == DIVERGED:
        return "diverges"
    names = (kind.format(convention) for kind in (FINAL, WAY))  # WAY: old records, or half way
    values = next(filter(None, (record.last(curve, name) for name in names)), [])
    return f"{mean_and_spread(values)} dB {convention.upper()}{cut(record, curve)}"


def cut(record: Record, curve: str) -> str:
    """Such as " (stopped at step 9)" after the value of a curve that its share of time ended."""
    last = {(row.curve, row.seed): row.step for row in record.rows}
    steps = [
        last[key]
        for key, ending in record.endings.items()
        if key[0] == curve and key in last and ending.end == OUT_OF_TIME
    ]
    return f" (stopped at step {min(steps)})" if steps else ""


def swings(record: Record, curves: Sequence[str]) -> str:
    """A sentence for curves that a look a little earlier would have measured otherwise, or none."""
    parts = []
    for curve in curves:
        lows_highs = [
            (min(looks), max(looks))
            for seed in record.ended(curve, WAY.format("a"))
            if (looks := _late_looks(record, curve, seed))
        ]
        low, high = max(lows_highs, key=lambda ends: ends[1] - ends[0], default=(0.0, 0.0))
        if high - low > SWING_DB:
            parts.append(f"{low:.1f} to {high:.1f} dB A ({curve})")
    said = ", ".join(parts)
    return f" Looks in the last quarter of the run range from {said}." if parts else ""


def _late_looks(record: Record, curve: str, seed: int) -> list[float]:
    """The PSNR of those in the last quarter of a run."""
    rows = [row for row in record.rows if (row.curve, row.seed) == (curve, seed)]
    late = (row for row in rows if row.step >= LAST_QUARTER * rows[-1].step)
    return [row.values[WAY.format("a")] for row in late if WAY.format("a") in row.values]


def least_loss_first(record: Record, curves: Sequence[str]) -> str:
    """Curves by the mean loss of their last epoch, the least first; those that diverge are named.

    One mini-batch differs from the next by more than many curves do.
    """
    lost = [curve for curve in curves if record.end(curve) == DIVERGED]
    losses = {curve: _last_epoch(record, curve) for curve in curves if curve not in lost}
    measured = sorted((c for c in losses if losses[c]), key=lambda c: float(np.mean(losses[c])))
    parts = [f"{c} ({mean_and_spread(losses[c], 4)}){cut(record, c)}" for c in measured]
    said = [f"The loss of the last epoch is least with {', then '.join(parts)}"] if parts else []
    if lost:
        said.append(f"{', '.join(lost)} diverge{'s' if len(lost) == 1 else ''}")
    return f"{'; '.join(said)}." if said else "Nothing was measured."


def last_loss(record: Record, curve: str) -> str | None:
    """The mean loss of its last epoch, or that it diverges; None where it was not measured."""
    if record.end(curve) == DIVERGED:
        return "diverges"
    losses = _last_epoch(record, curve)
    return f"{mean_and_spread(losses, 4)}{cut(record, curve)}" if losses else None


def _last_epoch(record: Record, curve: str) -> list[float]:
    """Of each seed, the mean loss."""
    means = []
    for seed, rows in record.ended(curve, "loss").items():
        ending = record.endings.get((curve, seed))
        settings = {"samples": 1, "batch": 1, **(ending.settings if ending else {})}
        count = -(-settings["samples"] // settings["batch"])
        means.append(float(np.mean([row.values["loss"] for row in rows[-count:]])))
    return means
