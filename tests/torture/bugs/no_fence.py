"""Planted: a settle is written whatever has become of its claim."""

from duly.stores.sql import applying
from duly.torture.app import duly

__all__ = ["duly"]

applying.plain = lambda _: False
applying._holds = lambda _, found: found is not None
