"""A client's own name for a submit, from its headers and its body."""

import json
from hashlib import sha256

from starlette.requests import Request

from duly.api.fields import fields_of
from duly.api.headers import idempotency_key
from duly.api.rights import scope_of
from duly.ports.once import OnceKey


def once_key(request: Request, body: object) -> OnceKey | None:
    """The name, with a fingerprint of what it is given to; None: the client gave none. Raises BadRequest."""
    key = idempotency_key(fields_of(request.scope).all(b"idempotency-key"))
    return None if key is None else OnceKey(scope_of(request), key, fingerprint(body))


def fingerprint(body: object) -> str:
    """The same for bodies that parse to the same: the order of members and the space between them do not count."""
    return sha256(json.dumps(body, sort_keys=True, separators=(",", ":")).encode("ascii")).hexdigest()
