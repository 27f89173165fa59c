"""Any picture file <-> pixels <-> tensors: the one place that knows depth, EXIF and alpha."""

from n2n.images.reading import MAX_PIXELS, Picture, read
from n2n.images.refusals import ImageError
from n2n.images.tensors import file_step, to_tensor, to_uint8, to_uint16
from n2n.images.writing import png_bytes, write

__all__ = [
    "MAX_PIXELS",
    "ImageError",
    "Picture",
    "file_step",
    "png_bytes",
    "read",
    "to_tensor",
    "to_uint8",
    "to_uint16",
    "write",
]
