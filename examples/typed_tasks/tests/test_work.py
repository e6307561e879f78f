"""What the handlers do, without tasks around it."""

import base64
import io

import pytest
from PIL import Image

from app import images, texts

TEXT = "Ships carry grain. Ships carry coal too. Nobody sang. The harbour, where the ships wait, is full of coal."


def a_picture(width: int, height: int) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (width, height), "teal").save(out, "PNG")
    return out.getvalue()


def test_a_text_is_counted() -> None:
    counted = texts.count("To be, or not to be? That's it.", top=2)

    assert counted == texts.Counts(words=8, sentences=2, characters=31, frequencies={"be": 2, "to": 2})


def test_a_summary_keeps_the_sentences_that_say_most_in_their_order() -> None:
    summed_up = texts.summarise(TEXT, most=2)

    assert summed_up == texts.Summary("Ships carry grain. Ships carry coal too.", sentences=4, kept=0.381)


def test_a_picture_is_made_smaller_and_keeps_its_shape() -> None:
    made = images.thumbnail(a_picture(400, 200), longest_side=100)

    assert (made.width, made.height, made.original_width) == (100, 50, 400)
    assert base64.b64decode(made.image).startswith(b"\x89PNG")


@pytest.mark.parametrize("data", [b"hello", a_picture(400, 200)[:60]])
def test_what_is_no_picture_is_refused(data: bytes) -> None:
    with pytest.raises(images.NotAPicture):
        images.thumbnail(data, longest_side=100)


def test_a_picture_that_would_unpack_to_gigabytes_is_refused_from_its_header(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images, "MOST_PIXELS", 1_000)

    with pytest.raises(images.NotAPicture, match="too many"):
        images.thumbnail(a_picture(400, 200), longest_side=100)
