"""Thumbnails of photographs that strangers send."""

import base64
import io
from dataclasses import dataclass
from typing import Literal

from PIL import Image, ImageOps, UnidentifiedImageError

MOST_PIXELS = 40_000_000
"""A larger picture is refused from its header alone: a few bytes of PNG can unpack to gigabytes."""
FORMATS = ("JPEG", "PNG", "WEBP", "GIF")
"""What is read; Pillow knows many more formats, each with a parser of its own to attack."""

Format = Literal["jpeg", "png", "webp"]


@dataclass(frozen=True, slots=True)
class Thumbnail:
    width: int
    height: int
    format: str
    size_bytes: int
    original_width: int
    original_height: int
    image: str
    """The picture's bytes, in base64."""


class NotAPicture(ValueError):
    """The bytes are no picture that can be read."""


class TooManyPixels(ValueError):
    """The picture would take too much memory."""


def thumbnail(data: bytes, longest_side: int, form: Format) -> Thumbnail:
    """A small upright copy, no side longer than ``longest_side``, without the camera's notes (place, owner)."""
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as picture:
            original = _checked(picture)
            small = ImageOps.exif_transpose(_shrunk(picture, longest_side))
            packed = _packed(small, form)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise TooManyPixels(str(error)) from error
    except (UnidentifiedImageError, OSError, SyntaxError, EOFError) as error:  # what Pillow raises for broken data
        raise NotAPicture(f"The picture cannot be read: {error}") from error
    return Thumbnail(
        width=small.width,
        height=small.height,
        format=form,
        size_bytes=len(packed),
        original_width=original[0],
        original_height=original[1],
        image=base64.b64encode(packed).decode("ascii"),
    )


def _checked(picture: Image.Image) -> tuple[int, int]:
    width, height = picture.size
    if width * height > MOST_PIXELS:
        raise TooManyPixels(f"The picture has {width} x {height} pixels; at most {MOST_PIXELS:,} can be unpacked.")
    return width, height


def _shrunk(picture: Image.Image, longest_side: int) -> Image.Image:
    picture.thumbnail((longest_side, longest_side), Image.Resampling.LANCZOS, reducing_gap=2.0)
    return picture


def _packed(picture: Image.Image, form: Format) -> bytes:
    out = io.BytesIO()
    match form:
        case "jpeg":
            _on_white(picture).save(out, "JPEG", quality=82, optimize=True, progressive=True)
        case "png":
            picture.convert("RGBA").save(out, "PNG", optimize=True)
        case "webp":
            picture.convert("RGBA").save(out, "WEBP", quality=80)
    return out.getvalue()


def _on_white(picture: Image.Image) -> Image.Image:
    """JPEG knows no transparency."""
    seen = picture.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", seen.size, "white"), seen).convert("RGB")
