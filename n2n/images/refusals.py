"""Why a file cannot be read, in one line: `ImageError`, and the kinds that people try most."""

from __future__ import annotations

from pathlib import PurePath

WAY_OUT = "save it as PNG or JPEG and try again"

RAW_SUFFIXES = (
    *(".3fr", ".arw", ".cr2", ".cr3", ".crw", ".dcr", ".dng", ".erf", ".fff", ".iiq", ".k25"),
    *(".kdc", ".mef", ".mos", ".mrw", ".nef", ".nrw", ".orf", ".pef", ".raf", ".raw", ".rw2"),
    *(".rwl", ".sr2", ".srf", ".srw", ".x3f"),
)

# First bytes -> what the file is. The longer of two that share a beginning comes first.
MAGIC = {
    b"II*\0\x10\0\0\0CR": "a camera RAW file",
    b"IIU\0": "a camera RAW file",
    b"IIRO": "a camera RAW file",
    b"IIRS": "a camera RAW file",
    b"MMOR": "a camera RAW file",
    b"FUJIFILMCCD-RAW": "a camera RAW file",
    b"FOVb": "a camera RAW file",
    b"\0\0\0\x0cjP  ": "a JPEG 2000 picture",
    b"\xff\x4f\xff\x51": "a JPEG 2000 picture",
    b"\0\0\0\x0cJXL ": "a JPEG XL picture",
    b"\xff\x0a": "a JPEG XL picture",
    b"8BPS": "a Photoshop document",
    b"gimp xcf": "a GIMP document",
    b"\0\0\1\0": "a Windows icon",
    b"\x76\x2f\x31\x01": "an OpenEXR picture",
    b"#?RADIANCE": "a Radiance HDR picture",
    b"DDS ": "a DDS texture",
    b"SIMPLE  =": "a FITS picture",
    b"%PDF": "a PDF document",
    b"%!PS": "a PostScript document",
    b"\xc5\xd0\xd3\xc6": "a PostScript document",
    b"PK\x03\x04": "a ZIP archive",
    b"\x1f\x8b": "a gzip archive",
    b"\x1aE\xdf\xa3": "a video",
    b"\x93NUMPY": "a NumPy array",
}
CONTAINER_BRANDS = {
    b"heic": "a HEIC picture",
    b"heix": "a HEIC picture",
    b"heim": "a HEIC picture",
    b"heis": "a HEIC picture",
    b"hevc": "a HEIC picture",
    b"mif1": "a HEIC picture",
    b"msf1": "a HEIC picture",
    b"avif": "an AVIF picture",
    b"avis": "an AVIF picture",
    b"crx ": "a camera RAW file",
}


class ImageError(ValueError):
    """A picture that cannot be read or written; the text is one line, fit to be shown."""


def one_line(text: str, longest: int = 120) -> str:
    """Make text safe to show: no line breaks or control characters, and short."""
    text = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return text if len(text) <= longest else text[: longest - 1] + "…"


def check_size(width: int, height: int, max_pixels: int) -> None:
    """Refuse a picture by the size in its header."""
    if width * height > max_pixels:
        limit = f"{max_pixels / 1e6:.6g} megapixels"
        raise ImageError(f"{width} x {height} px is more than {limit}; make it smaller")


def foreign_kind(head: bytes, name: str) -> str | None:
    """Say what a file of another kind is, from its first bytes and its name; None where unknown.

    A camera RAW file is known by its name first: most are TIFF files whose first page is only a
    thumbnail, which would otherwise be read in place of the photo.
    """
    if not head:
        return "an empty file"
    suffix = PurePath(name).suffix.lower()
    if suffix in RAW_SUFFIXES:
        return f"a camera RAW file ({suffix})"
    if head[4:8] == b"ftyp":
        return CONTAINER_BRANDS.get(head[8:12], "a video")
    for magic, kind in MAGIC.items():
        if head.startswith(magic):
            return kind
    return _text_kind(head)


def _text_kind(head: bytes) -> str | None:
    encoding = "utf-16" if head[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8"
    # The head may end inside a character, hence "ignore"; anything else that is lost shows as NUL.
    text = head.decode(encoding, errors="ignore")
    if len(text) < 0.9 * len(head) / (2 if encoding == "utf-16" else 1) or "\0" in text:
        return None
    if "<svg" in text.lower():
        return "an SVG drawing, made of shapes and not of pixels"
    printable = sum(c.isprintable() or c in "\r\n\t" for c in text)
    return "a text file and not a picture" if printable == len(text) else None
