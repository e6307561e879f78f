"""The position in a list, as a text that tells a client nothing and that it cannot make up."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error
from hashlib import blake2s
from uuid import UUID

from duly.domain.errors import BadRequest
from duly.domain.task import TaskId

_VERSION = b"\x01"
_CHECK_BYTES = 4
_LENGTH = 28
"""Characters: one byte of version, sixteen of id, four of check, in base 64."""


def encode_cursor(position: TaskId) -> str:
    """The cursor that goes on after this task."""
    content = _VERSION + position.bytes
    return urlsafe_b64encode(content + _check(content)).decode("ascii")


def decode_cursor(cursor: str) -> TaskId:
    """The position. Raises BadRequest for what was not made here."""
    try:
        raw = urlsafe_b64decode(cursor) if len(cursor) == _LENGTH else b""
    except (Error, ValueError):
        raw = b""
    content, check = raw[:-_CHECK_BYTES], raw[-_CHECK_BYTES:]
    if content[:1] != _VERSION or check != _check(content) or len(content) != 1 + 16:
        raise BadRequest("The cursor is not one that this list has given out.")
    return TaskId(UUID(bytes=content[1:]))


def _check(content: bytes) -> bytes:
    return blake2s(content, digest_size=_CHECK_BYTES).digest()
