"""The numbers below a result, as HTML. All text in it is the page's own or escaped."""

import math
from html import escape

from n2n.noise_level import NoiseLevel
from n2n.ui.handlers import own
from n2n.ui.handlers.models import duration, level_megapixels
from n2n.ui.handlers.quality import Quality
from n2n.ui.handlers.store import Result, Scene


def summary(scene: Scene, after: Quality | None) -> str:
    """PSNR and SSIM before and after, or the noise level found; time, size, device, model."""
    lines = []
    if scene.reference is not None and scene.before is not None:
        lines.append(_table(scene.before, after))
        lines.append(_worth(scene, after))
    elif scene.result is not None and scene.result.level is not None:
        part = level_megapixels(scene.result.model)
        where = "" if scene.megapixels <= part else f" in the middle {part:g} MP"
        lines.append(f"<p class='big'>{level_text(scene.result.level, where)}</p>")
    elif scene.result is None:
        lines.append("<p>Denoise the picture to learn how strong its noise is.</p>")
    if scene.result is not None:
        lines.append(_how(scene.result, scene.megapixels))
    return "<div class='numbers'>" + "".join(line for line in lines if line) + "</div>"


def level_text(level: NoiseLevel, where: str = "") -> str:
    """What is known of a noisy picture without the clean one, and `where` it was looked for."""
    if level.doubt is not None:
        return f"No noise level{where}: {escape(level.doubt)}."
    if not math.isfinite(level.expected_psnr_db):
        return f"No noise found{where}."
    return (
        f"Noise about σ {level.sigma_255:.1f} (8-bit units){where}, "
        f"expected PSNR about {level.expected_psnr_db:.1f} dB, if the noise is white."
    )


def decibel(value: float) -> str:
    """Such as 31.2; identical pictures have no limit."""
    return f"{value:.1f}" if math.isfinite(value) else "∞"


def similarity(value: float | None) -> str:
    """Such as 0.89; a dash where it is not known yet, or the picture is too small for it."""
    return "–" if value is None or math.isnan(value) else f"{value:.3f}"


def _table(before: Quality, after: Quality | None) -> str:
    psnr, ssim = f"{decibel(before.psnr_db)} dB", similarity(before.ssim)
    if after is not None:
        psnr = f"{decibel(before.psnr_db)} → {decibel(after.psnr_db)} dB"
        ssim = f"{similarity(before.ssim)} → {similarity(after.ssim)}"
    arrow = "noisy" if after is None else "noisy → denoised"
    return (
        f"<dl><div><dt>PSNR, {arrow}</dt><dd>{psnr}</dd></div>"
        f"<div><dt>SSIM, {arrow}</dt><dd>{ssim}</dd></div></dl>"
    )


def _worth(scene: Scene, after: Quality | None) -> str:
    """A gain in dB as the number of frames whose average would be as clean."""
    if after is None or scene.before is None or scene.noise is None:
        return ""
    gain = after.psnr_db - scene.before.psnr_db
    if not math.isfinite(gain):
        return ""
    if not scene.noise.zero_mean:
        return (
            f"<p>{gain:+.1f} dB. This noise is not zero on average: a model trained on another "
            "noise removes little of it.</p>"
        )
    if gain < 0:
        return f"<p>{gain:+.1f} dB: more was taken away than won. Lower the strength.</p>"
    frames = 10 ** (gain / 10)
    count = f"{frames:.0f}" if frames >= 10 else f"{frames:.2g}"
    return f"<p>{gain:+.1f} dB: as clean as {count} averaged frames.</p>"


def _how(result: Result, megapixels: float) -> str:
    parts = [
        own.title(result.model),
        duration(result.milliseconds / 1000),
        f"{megapixels:.3g} MP",
        result.device,
        *result.notes,
    ]
    return f"<p class='how'>{escape(' · '.join(parts))}</p>"
