"""Errors that only HTTP knows.

DulyError
├── NotAcceptable            the client takes no JSON
└── UnsupportedMediaType     the body is no JSON
    └── UnsupportedCoding    the body is in a content coding
"""

from duly.domain.errors import DulyError


class NotAcceptable(DulyError):
    """The client accepts nothing that this route can answer."""

    code = "not-acceptable"


class UnsupportedMediaType(DulyError):
    """The body is in a form that is not read here."""

    code = "unsupported-media-type"


class UnsupportedCoding(UnsupportedMediaType):
    """The body is compressed, or in another content coding."""
