"""Where log lines go and what they look like: ours, the standard library's and uvicorn's in one form.

Each line is one line, whatever a task's error, a header or a handler puts into it: JSON escapes control characters by
itself, and the console form escapes them and indents what has several lines.
"""

import json
import logging
import re
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Literal, TextIO

import structlog
from pydantic_core import to_json
from structlog.typing import EventDict, Processor, WrappedLogger

Form = Literal["auto", "json", "console"]

MULTILINE = ("stack", "exception")
"""Facts that may span lines; in the console form they are indented below their line."""

QUIET = (
    "sqlalchemy",
    "asyncpg",
    "aiormq",
    "redis",
    "httpx",
    "httpcore",
    "asyncio",
    "watchfiles",
    "alembic",
    "uvicorn.error",
)
"""Libraries that would put statements, and so payloads, or noise into a log at a lower level than warning."""

_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u200b-\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_UNPRINTABLE_BUT_NEWLINE = re.compile(_UNPRINTABLE.pattern.replace("\x00-\x1f", "\x00-\x09\x0b-\x1f"))


class Lines:
    """Writes finished lines to a stream. A log that cannot be written never stops the work it tells about."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def msg(self, line: str) -> None:
        """Write one line."""
        try:
            self._stream.write(line + "\n")
            self._stream.flush()
        except (OSError, ValueError):
            return  # the reader is gone or the stream is closed: there is nowhere left to say so

    debug = info = warning = error = critical = exception = log = msg


def set_up(form: Form, level: str, stream: TextIO, more: Sequence[Processor] = ()) -> None:
    """Send every line of this process through one form. Called by the command line; libraries never do.

    ``more`` puts further facts on each line.
    """
    as_json = form == "json" or (form == "auto" and not stream.isatty())
    render = _json_processors() if as_json else _console_processors(stream.isatty())
    structlog.configure(
        processors=[*_common_processors(), *more, *render],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=lambda *_: Lines(stream),
        cache_logger_on_first_use=False,
    )
    _send_standard_logging([*_common_processors(), *more], render, level, stream)


def _send_standard_logging(
    common: Sequence[Processor], render: Iterable[Processor], level: str, stream: TextIO
) -> None:
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*common, structlog.stdlib.add_logger_name],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *render],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.getLogger("asyncmy").setLevel(logging.ERROR)  # its warnings are notes of the server's about statements
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        logging.getLogger(name).handlers.clear()
        logging.getLogger(name).propagate = True
    logging.captureWarnings(capture=True)


def _common_processors() -> list[Processor]:
    """Request id and task id come from the context; the level and the time are added."""
    return [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]


def _json_processors() -> list[Processor]:
    return [
        structlog.processors.format_exc_info,
        structlog.processors.JSONRenderer(serializer=_dumped, default=str),
    ]


def _dumped(facts: EventDict, default: Callable[[object], object]) -> str:
    """In ASCII, as json has it; whatever needs no escapes is written by pydantic, in an eighth of the time."""
    with suppress(ValueError):  # a lone surrogate
        line = to_json(facts, fallback=default).decode()
        if line.isascii():
            return line
    return json.dumps(facts, default=default, separators=(",", ":"))


def _console_processors(colours: bool) -> list[Processor]:
    console = structlog.dev.ConsoleRenderer(colors=colours, exception_formatter=structlog.dev.plain_traceback)
    return [structlog.processors.format_exc_info, escape_unprintable, console]


def escape_unprintable(_logger: WrappedLogger, _method: str, facts: EventDict) -> EventDict:
    """Show control characters, lone surrogates and characters that turn the text around as their escapes."""
    return {_escape(name): _shown(name, value) for name, value in facts.items()}


def _shown(name: str, value: object) -> object:
    if isinstance(value, bool | int | float | None):
        return value
    if name in MULTILINE and isinstance(value, str):
        return "\n".join("    " + line for line in _escape(value, _UNPRINTABLE_BUT_NEWLINE).splitlines())
    return _escape(str(value))


def _escape(text: str, which: re.Pattern[str] = _UNPRINTABLE) -> str:
    return which.sub(lambda found: found.group().encode("unicode_escape", "backslashreplace").decode("ascii"), text)
