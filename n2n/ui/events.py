"""The translation layer between Gradio and handlers that do not know it.

Every path that a page or a client names passes `checked_path`, here and once: Gradio 6.31 hands an
unmarked {"path": "/any/file.png"} on as it came.
"""

import functools
import importlib.util
import inspect
import io
import os
import secrets
from collections.abc import Callable, Iterator
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr
from gradio import processing_utils
from gradio.data_classes import FileData, ImageData, ListFiles
from gradio.utils import get_upload_folder
from PIL import Image

from n2n.ui.limits import is_zero_gpu

# Events that use a visitor's state: nobody else's business, and nothing that flashes.
PRIVATE: dict[str, Any] = {
    "api_visibility": "private",
    "show_progress": "hidden",
    "concurrency_limit": 4,
}
LATEST: dict[str, Any] = {**PRIVATE, "trigger_mode": "always_last"}
# Events that run a network are let in by the handful: networks take turns behind a lock of their
# own, where whoever waits hears so and may stop. Programs have a door apart from the page's.
NETWORK: dict[str, Any] = {"concurrency_id": "network", "concurrency_limit": 8}
NETWORK_API: dict[str, Any] = {"concurrency_id": "network-api", "concurrency_limit": 4}
# A tick must not stand in the queue, where it would count against those that may wait.
TICK: dict[str, Any] = {**PRIVATE, "queue": False}

# A tenth more bytes than at the usual level, in a quarter of the time, while a visitor waits.
QUICK_PNG = {"compress_level": 1}

SPARE_SECONDS = 15  # beside training, of a GPU that is lent by the call


def save_whole(
    image: Image.Image, cache_dir: str, name: str = "image", format: str = "webp"
) -> str:
    """Gradio's own `save_pil_to_cache`, but nobody ever fetches half a file.

    A file is named by its pixels, so a picture that was sent before is not encoded again. Gradio
    6.31 names it by the encoded bytes, empties it and writes it anew under the hands of the one
    who came first.
    """
    pixels = f"{image.mode} {image.size}".encode() + image.tobytes()
    path = Path(cache_dir).resolve() / processing_utils.hash_bytes(pixels) / f"{name}.{format}"
    try:
        os.utime(path)  # it is there; as fresh as a new one, so that it is kept as long
    except FileNotFoundError:
        encoded = io.BytesIO()
        image.save(encoded, format, **(QUICK_PNG if format == "png" else {}))
        path.parent.mkdir(parents=True, exist_ok=True)
        new = path.with_suffix(f".{secrets.token_hex(8)}")
        new.write_bytes(encoded.getvalue())
        new.replace(path)
    return str(path)


processing_utils.save_pil_to_cache = save_whole


def checked_path(path: str | None) -> Path:
    """A path that lies below the folder Gradio stores uploads in, links followed.

    Raises:
        ValueError: it lies elsewhere, or no file came at all.
    """
    if not path:
        raise ValueError("no file came with this: upload the picture as a file")
    folder = Path(get_upload_folder()).resolve()
    try:
        found = Path(path).resolve()
        inside = found.is_relative_to(folder) and found.is_file()
    except (OSError, ValueError):  # a name too long, or with a zero byte
        inside = False
    if not inside:
        raise ValueError("this path is not an upload: upload the picture as a file")
    return found


class Upload(gr.Image):
    """A picture input that hands on the path of the file, checked and unopened.

    gr.Image itself would decode the file first, wrongly for some kinds, and answer a broken one
    with a line of its own.
    """

    is_template = True

    # No __init__ of its own: Gradio reads the widget's properties off the signature.

    def preprocess(self, payload: ImageData | None) -> str | None:
        """The checked path."""
        if payload is None:
            return None
        try:
            return str(checked_path(payload.path))
        except ValueError as error:
            raise gr.Error(str(error), print_exception=False) from error


class Uploads(gr.File):
    """An input for several files that hands on their paths, checked and unopened."""

    is_template = True

    def preprocess(self, payload: ListFiles | FileData | None) -> list[str]:
        """The checked paths."""
        files = [] if payload is None else [payload] if isinstance(payload, FileData) else payload
        try:
            return [str(checked_path(file.path)) for file in files]
        except ValueError as error:
            raise gr.Error(str(error), print_exception=False) from error


class PageImage(gr.Image):
    """A picture that the page shows and no program asks for.

    So Gradio 6.31 need not work out its schema again at every update, which takes it 5 ms.
    """

    is_template = True
    skip_api = True


class PageImageSlider(gr.ImageSlider):
    """Two of them, one over the other."""

    is_template = True
    skip_api = True


def upload(label: str, **options: Any) -> Upload:  # noqa: ANN401  gr.Image's own
    """An `Upload`."""
    return Upload(label=label, type="filepath", image_mode=None, format="png", **options)


def on_gpu(fn: Callable[..., Any], seconds: float) -> Callable[..., Any]:
    """Let a generator have the GPU that is lent by the call (ZeroGPU); elsewhere it stays as is."""
    if not is_zero_gpu() or importlib.util.find_spec("spaces") is None:
        return fn
    lent: Callable[..., Any] = importlib.import_module("spaces").GPU(duration=seconds)(fn)
    return lent


def handler(fn: Callable[..., Any], quote: Callable[[str], str] = escape) -> Callable[..., Any]:
    """Let `fn` stay ignorant of Gradio: its ValueErrors become one line, generators stay so.

    The page shows that line as HTML, so what a file brought into it is escaped; programs get it
    as it is, with `quote=str`.
    """

    def refusal(error: Exception) -> gr.Error:
        return gr.Error(quote(_line(error)), print_exception=False)

    if inspect.isgeneratorfunction(fn):

        @functools.wraps(fn)
        def stream(*args: Any) -> Iterator[Any]:  # noqa: ANN401  whatever the handler takes
            try:
                yield from fn(*args)
            except (ValueError, TypeError) as error:
                raise refusal(error) from error

        return stream

    @functools.wraps(fn)
    def call(*args: Any) -> Any:  # noqa: ANN401
        try:
            return fn(*args)
        except (ValueError, TypeError) as error:
            raise refusal(error) from error

    return call


def _line(error: Exception) -> str:
    text = " ".join(str(error).split())
    first = text.partition(" ")[0]
    # A sentence begins with a capital; a file's name stays as it is.
    return text[:1].upper() + text[1:] if first.isalpha() else text
