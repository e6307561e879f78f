"""Thumbnails of pictures that strangers send. Knows nothing of tasks."""

import base64
import io
from dataclasses import dataclass

from PIL import Image, ImageOps

FORMATS = ("JPEG", "PNG", "WEBP", "GIF")
"""What is read; Pillow knows many more formats, each with a parser of its own to attack."""
MOST_PIXELS = 40_000_000
"""A larger picture is refused from its header alone: a few bytes can unpack to gigabytes."""


@dataclass(frozen=True, slots=True)
class Thumbnail:
    width: int
    height: int
    original_width: int
    original_height: int
    image: str
    """A PNG, in base64."""


class NotAPicture(ValueError):
    """The bytes are no picture that can be made smaller."""


def thumbnail(data: bytes, longest_side: int) -> Thumbnail:
    """A small upright copy, no side longer than ``longest_side``."""
    out = io.BytesIO()
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as picture:
            width, height = picture.size
            if width * height > MOST_PIXELS:
                raise NotAPicture(f"{width} x {height} pixels are too many; at most {MOST_PIXELS:,} are unpacked.")
            small = ImageOps.exif_transpose(picture)
            small.thumbnail((longest_side, longest_side), Image.Resampling.LANCZOS)
            small.convert("RGBA").save(out, "PNG")
    except (
        Image.DecompressionBombError,
        OSError,
        SyntaxError,
        EOFError,
    ) as error:  # what Pillow raises for broken data
        raise NotAPicture(f"The picture cannot be read ({type(error).__name__}).") from error
    return Thumbnail(small.width, small.height, width, height, base64.b64encode(out.getvalue()).decode("ascii"))
