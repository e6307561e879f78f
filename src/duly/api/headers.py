"""Request headers, read as their RFCs have them."""

import random
import re
from collections.abc import Sequence
from datetime import timedelta

from duly.api.errors import NotAcceptable
from duly.domain.errors import BadRequest

LONGEST_WAIT = timedelta(seconds=60)
"""A longer ``Prefer: wait`` is cut to this."""

_LONGEST_PREFER = 1_000
_LONGEST_VERSION = 10

JSON = "application/json"
STREAM = "text/event-stream"

_REQUEST_ID = re.compile(r"[\x20-\x7e]{1,128}")
_TRACEPARENT = re.compile(r"(?!ff)([0-9a-f]{2})-((?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2})(-.*)?")
_KEY_STRING = re.compile(r'"((?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\["\\])*)"(?:;.*)?')
_KEY_BARE = re.compile(r"[\x21\x23-\x2b\x2d-\x3a\x3c-\x7e]+")
_LONGEST_KEY = 255
_ENTITY_TAG = re.compile(r'\s*(?:W/)?"([\x21\x23-\x7e\x80-\xff]*)"\s*(?:,|$)|\s*,')
_OURS = re.compile(r'"(\d{1,9})\.(\d{1,9})"')
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"')
_QUALITY = re.compile(r"0(\.[0-9]{0,3})?|1(\.0{0,3})?")


def request_id(given: str | None) -> str:
    """The client's own id of its request, if it is printable and no longer than 128 characters; else a new one."""
    if given is not None and _REQUEST_ID.fullmatch(given):
        return given
    return f"{random.getrandbits(128):032x}"  # a name, not a secret


def traceparent(given: list[str]) -> str | None:
    """The W3C trace context, or None when it is absent, given twice or malformed.

    Of a later version those parts are kept that this one knows, as this one has them (section 4.3 of level 1).
    """
    if len(given) != 1:
        return None
    found = _TRACEPARENT.fullmatch(given[0].strip(" \t"))
    if found is None or (found[1] == "00" and found[3] is not None):
        return None
    return f"00-{found[2]}"


def idempotency_key(given: list[str]) -> str | None:
    """The Idempotency-Key (IETF draft): a string in quotes (RFC 9651), or, as most clients send it, without them.

    Parameters after the string are left out. Raises BadRequest for anything else.
    """
    if not given:
        return None
    text = given[0].strip()
    if len(given) == 1 and (found := _KEY_STRING.fullmatch(text)):
        key = re.sub(r"\\(.)", r"\1", found[1])
    else:
        key = text if len(given) == 1 and _KEY_BARE.fullmatch(text) else ""
    if not 1 <= len(key) <= _LONGEST_KEY:
        raise BadRequest(f"Idempotency-Key is one string of 1 to {_LONGEST_KEY} printable ASCII characters, in quotes.")
    return key


def preferred_wait(given: Sequence[str]) -> timedelta | None:
    """How long the client is willing to wait (RFC 7240), at most LONGEST_WAIT. Other and bad preferences count not."""
    if not given:
        return None
    text = _QUOTED.sub(_unquoted, ",".join(given)[:_LONGEST_PREFER])
    for preference in text.split(","):
        name, _, value = preference.partition(";")[0].partition("=")
        if name.strip().lower() == "wait":  # the first instance alone counts (RFC 7240 section 2)
            seconds = value.strip()
            if not (seconds.isascii() and seconds.isdecimal()):
                return None
            return min(timedelta(seconds=int(seconds.lstrip("0")[:9] or "0")), LONGEST_WAIT)
    return None


def _unquoted(found: re.Match[str]) -> str:
    """A number without its quotes; any other quoted text stands for nothing that is read here."""
    return found[1] if found[1].isdecimal() else "-"


def none_match(given: list[str], validator: str) -> bool:
    """Whether If-None-Match (RFC 9110 section 13.1.2) says that the client has this version already.

    Compared weakly; ``*`` stands for any version. Raises BadRequest when it is no list of entity tags.
    """
    text = ",".join(given).strip()
    if text == "*":
        return True
    tags: list[str] = []
    position = 0
    while position < len(text):
        found = _ENTITY_TAG.match(text, position)
        if found is None:
            raise BadRequest('If-None-Match is * or a list of entity tags in quotes, such as W/"3.0".')
        tags += [found[1]] if found[1] is not None else []
        position = found.end()
    return validator in tags


def check_accepts(given: Sequence[str], offered: Sequence[str]) -> None:
    """Raises NotAcceptable when the Accept fields rule out all that is offered (RFC 9110 section 12.5.1)."""
    accept = ",".join(given)
    if accept in {"", "*/*", JSON}:
        return
    if not any(_quality(accept, media_type)[0] for media_type in offered):
        raise NotAcceptable(f"This route answers {' or '.join(offered)}, which {accept[:200]!r} rules out.")


def prefers_stream(given: Sequence[str]) -> bool:
    """Whether the client would rather have an event stream than JSON; in doubt, the type that it names."""
    accept = ",".join(given)
    return _quality(accept, STREAM) > _quality(accept, JSON)


def last_event_id(given: str | None) -> int | None:
    """The version that a reader of a stream has seen last. Raises BadRequest for what is no id of a stream."""
    version = (given or "").strip()
    if not version:
        return None
    if not (version.isascii() and version.isdecimal() and len(version) <= _LONGEST_VERSION):
        raise BadRequest("Last-Event-ID is the id of an event: the version of the task, a number.")
    return int(version)


def _quality(accept: str, media_type: str) -> tuple[float, bool]:
    """How welcome the type is, by the most special range that it fits; and whether it is named."""
    ranges = [_media_range(part) for part in (accept or "*/*").split(",") if part.strip()]
    for wanted in (media_type, media_type.partition("/")[0] + "/*", "*/*"):
        if found := [quality for media_range, quality in ranges if media_range == wanted]:
            return max(found), wanted == media_type
    return 0.0, False


def _media_range(part: str) -> tuple[str, float]:
    media_type, *parameters = (piece.strip().lower() for piece in part.split(";"))
    quality = next((p[2:].strip() for p in parameters if p.startswith("q=")), "1")
    return media_type, float(quality) if _QUALITY.fullmatch(quality) else 1.0


def is_json(content_type: str) -> bool:
    """Whether a Content-Type is application/json or a +json type."""
    if content_type == JSON:
        return True
    media_type = content_type.partition(";")[0].strip().lower()
    return media_type == JSON or (media_type.startswith("application/") and media_type.endswith("+json"))


def seen_version(values: Sequence[str]) -> tuple[int, int]:
    """The latest (version, progress_seq) that `If-None-Match` names as seen; (0, 0) when it names none of ours."""
    named = [(int(version), int(seq)) for value in values for version, seq in _OURS.findall(value)]
    return max(named, default=(0, 0))
