"""Signatures as Standard Webhooks has them (version 1.0.0, symmetric): HMAC-SHA256 over id, timestamp and body."""

import hmac
from base64 import b64decode, b64encode
from collections.abc import Sequence

PREFIX = "whsec_"
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


def signed(keys: Sequence[bytes], message_id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """The headers of one attempt, with a signature by each key: so secrets are changed while both are good."""
    content = f"{message_id}.{timestamp}.".encode() + body
    signatures = (b64encode(hmac.digest(key, content, "sha256")).decode() for key in keys)
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(f"v1,{signature}" for signature in signatures),
    }
