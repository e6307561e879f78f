"""Signatures as Standard Webhooks has them (version 1.0.0, symmetric): HMAC-SHA256 over id, timestamp and body."""

import hmac
import re
from base64 import b64decode, b64encode
from collections.abc import Sequence

PREFIX = "whsec_"
_HOST = re.compile(r"[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]")
SHORTEST, LONGEST = 24, 64
"""Bytes of a secret."""


def key_of(secret: str) -> bytes:
    """The bytes of a secret as it is written: ``whsec_`` and base64. Raises ValueError, which does not show it."""
    try:
        key = b64decode(secret.removeprefix(PREFIX), validate=True)
    except ValueError:
        key = b""
    if not secret.startswith(PREFIX) or not SHORTEST <= len(key) <= LONGEST:
        raise ValueError(
            f"a secret is {PREFIX} and {SHORTEST} to {LONGEST} random bytes in base64: "
            f'echo "{PREFIX}$(openssl rand -base64 32)"'
        )
    return key


def for_whom(text: str) -> tuple[str, bytes]:
    """The host that a secret is for (``host=whsec_…``), and its key; no host: for all others. Raises ValueError."""
    host, sign, secret = text.partition("=")
    if not sign or text.startswith(PREFIX):
        return "", key_of(text)
    if not _HOST.fullmatch(host):
        raise ValueError(f"a secret for one receiver is written as in hooks.shop.example={PREFIX}…: its host alone")
    return host.strip("[].").lower(), key_of(secret)


def keys_for(secrets: Sequence[str], host: str) -> list[bytes]:
    """The keys that sign what goes to this host: its own, and where it has none, those for all others."""
    found = [for_whom(text) for text in secrets]
    return [key for name, key in found if name == host] or [key for name, key in found if not name]


def signed(keys: Sequence[bytes], message_id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """The headers of one attempt, with a signature by each key: so secrets are changed while both are good."""
    content = f"{message_id}.{timestamp}.".encode() + body
    signatures = (b64encode(hmac.digest(key, content, "sha256")).decode() for key in keys)
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(f"v1,{signature}" for signature in signatures),
    }
