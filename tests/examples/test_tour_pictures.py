"""The tour's thumbnails."""

import base64
import io
import struct
import zlib

import pytest
from PIL import Image

from tour.pictures import NotAPicture, TooManyPixels, thumbnail
from tour.tables import INPUTS

LAKE, DUSK = (INPUTS / "lake.jpg").read_bytes(), (INPUTS / "dusk.jpg").read_bytes()


def opened(encoded: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(encoded)))


def png(picture: Image.Image) -> bytes:
    out = io.BytesIO()
    picture.save(out, "PNG")
    return out.getvalue()


def test_a_photograph_is_made_small_and_keeps_its_shape():
    made = thumbnail(LAKE, 300, "jpeg")

    assert (made.width, made.height) == opened(made.image).size == (300, 200)
    assert (made.original_width, made.original_height) == (1500, 1000)
    assert made.size_bytes == len(base64.b64decode(made.image)) < 30_000


def test_a_photograph_taken_on_its_side_stands_upright_and_tells_nothing_of_the_camera():
    assert Image.open(io.BytesIO(DUSK)).getexif()

    made = thumbnail(DUSK, 300, "jpeg")

    assert (made.width, made.height) == (300, 200)
    assert not opened(made.image).getexif()


@pytest.mark.parametrize("form", ["jpeg", "png", "webp"])
def test_every_form_is_what_it_says(form):
    made = thumbnail(LAKE, 64, form)

    assert opened(made.image).format == form.upper()


def test_transparency_becomes_white_where_the_form_has_none():
    clear = png(Image.new("RGBA", (40, 40), (255, 0, 0, 0)))

    made = thumbnail(clear, 16, "jpeg")

    assert opened(made.image).convert("RGB").getpixel((8, 8)) == (255, 255, 255)


def test_a_small_picture_is_not_made_larger():
    made = thumbnail(png(Image.new("L", (5, 7))), 300, "png")

    assert (made.width, made.height) == (5, 7)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
def test_every_mode_of_a_png_can_be_made_a_jpeg(mode):
    assert thumbnail(png(Image.new(mode, (30, 30))), 16, "jpeg").width == 16


@pytest.mark.parametrize("side", [7_000, 12_000, 60_000])
def test_a_decompression_bomb_is_refused_from_its_header(side):
    with pytest.raises(TooManyPixels):
        thumbnail(bomb(side), 16, "jpeg")


@pytest.mark.parametrize(
    "data", [b"", b"GIF89a", b"hello", LAKE[:5_000], b"%!PS-Adobe-3.0 EPSF-3.0\n", b"BM" + bytes(60)]
)
def test_bytes_that_are_no_whole_picture_of_a_known_format_are_refused(data):
    with pytest.raises(NotAPicture):
        thumbnail(data, 16, "jpeg")


def bomb(side: int) -> bytes:
    """A PNG of a few bytes that claims to be huge."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    )
