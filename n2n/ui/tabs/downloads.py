"""Buttons whose file is made when one is pressed; a hidden button then hands it to the browser."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import gradio as gr
from gradio.processing_utils import save_bytes_to_cache
from gradio.utils import get_upload_folder

from n2n.ui.events import PRIVATE, handler
from n2n.ui.theme import press_download

Make = Callable[..., tuple[bytes, str]]


def hidden(element: str) -> gr.DownloadButton:
    """The button that holds the file, with this id on the page."""
    return gr.DownloadButton("File", visible="hidden", elem_id=element)


def wire(
    buttons: Mapping[str, gr.Button],
    file: gr.DownloadButton,
    make: Make,
    inputs: Sequence[gr.components.Component],
) -> None:
    """Let each button write the file that `make(*inputs, its name)` gives, bytes and file name."""
    assert file.elem_id is not None
    for name, button in buttons.items():
        button.click(handler(partial(_written, make, name)), list(inputs), file, **PRIVATE).success(
            None, None, None, js=press_download(file.elem_id)
        )


def _written(make: Make, name: str, *inputs: object) -> str:
    data, file_name = make(*inputs, name)
    return save_bytes_to_cache(data, file_name, get_upload_folder())
