"""Amounts as people write them: durations, rates, and lists of names."""

import re
from datetime import timedelta

_UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_PART = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d|w)")
_WHOLE = re.compile(rf"\s*(?:{_PART.pattern}\s*)+")
_LONGEST = timedelta(days=36_500)


def duration(given: object) -> object:
    """A timedelta from a number of seconds or from text such as ``30``, ``30s``, ``1h30m``, ``7d``."""
    if isinstance(given, timedelta) or given is None:
        return given
    text = str(given).strip().lower()
    try:
        if _WHOLE.fullmatch(text):
            return _in_range(sum(float(amount) * _UNITS[unit] for amount, unit in _PART.findall(text)))
        return _in_range(float(text))
    except ValueError:
        raise ValueError(
            f"{text!r} is not a duration: give seconds, or an amount with a unit, such as 30s, 5m, 2h or 7d"
        ) from None


def rate_of(text: str) -> tuple[int, timedelta] | None:
    """``600/1m`` as so many in that time; None: any number. Raises ValueError."""
    if not text:
        return None
    amount, _, per = text.partition("/")
    time = duration(per)
    if not (amount.isascii() and amount.isdecimal() and isinstance(time, timedelta)) or not int(amount) or not time:
        raise ValueError(f"{text!r} is not a rate: give a number in a time, such as 600/1m")
    return int(amount), time


def rate(text: str) -> str:
    """The text, if it is a rate. Raises ValueError."""
    rate_of(text)
    return text


def names(given: object) -> object:
    """A tuple from text such as ``a, b``."""
    if isinstance(given, str):
        return tuple(name.strip() for name in given.split(",") if name.strip())
    return given


def durations_by_name(given: object) -> object:
    """Pairs from text such as ``media=1d,mail=90d``; the durations are text still. Raises ValueError."""
    if not isinstance(given, str):
        return given
    pairs = [pair.partition("=") for pair in given.split(",") if pair.strip()]
    if not all(name.strip() and sign for name, sign, _ in pairs):
        raise ValueError("give pairs such as media=1d,mail=90d")
    return {name.strip(): value for name, _, value in pairs}


def _in_range(seconds: float) -> timedelta:
    if not 0 <= seconds <= _LONGEST.total_seconds():
        raise ValueError
    return timedelta(seconds=seconds)
