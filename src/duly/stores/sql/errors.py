"""What a database's errors mean, and their translation into Duly's, at the edge and once."""

from enum import Enum, auto

from sqlalchemy.exc import DBAPIError, StatementError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from duly.domain.errors import RowInvalid, SchemaOutdated, StoreUnavailable
from duly.stores.sql.schema import SCHEMA


class Trouble(Enum):
    """What an error of a database means for the caller."""

    UNAVAILABLE = auto()
    """The database is away, too slow or full; a write's outcome is unknown."""
    READ_ONLY = auto()
    """The server takes no writes (any more). By now the address may lead to one that does, on a new connection."""
    LOCKED = auto()
    """Another transaction holds a lock for too long."""
    CONFLICT = auto()
    """Two transactions got into each other's way (a deadlock): repeated, it will pass."""
    EXISTS = auto()
    """A primary or unique key is already there."""
    DATA = auto()
    """A value that the database cannot keep."""
    NO_TABLE = auto()
    """The schema is not there, or not all of it."""
    BUG = auto()
    """Anything else: our own mistake, which is not translated."""


_ON_THE_WAY = {"InterfaceError", "OperationalError", "InternalError", "InternalClientError"}


class RowLocked(StoreUnavailable):
    """Another transaction keeps a row locked for long. Inside the store others may know a way around that row."""


class RowExists(Exception):
    """An insert found its id or its key taken; nothing was written. It never leaves the store."""


OUTSIDE = (DBAPIError, StatementError, PoolTimeout, OSError, TimeoutError, OverflowError, UnicodeEncodeError)
"""What drivers and pools raise, and what Python does when a value does not fit the driver."""


def trouble_of(error: BaseException, by_code: dict[object, Trouble], code: object) -> Trouble:
    """What the error means, by its code in the database's own list; without a code, by its class."""
    if code in by_code:
        return by_code[code]
    if isinstance(error, DBAPIError) and error.connection_invalidated:
        return Trouble.UNAVAILABLE
    if isinstance(error, OSError | TimeoutError | PoolTimeout):
        return Trouble.UNAVAILABLE
    if isinstance(_origin(error), ValueError | OverflowError):
        return Trouble.DATA
    return Trouble.BUG if code is not None else _by_class(error)


def _by_class(error: BaseException) -> Trouble:
    """Drivers raise InterfaceError and OperationalError without a code for what goes wrong on the way."""
    names = {cls.__name__ for cls in type(error).__mro__}
    return Trouble.UNAVAILABLE if names & _ON_THE_WAY else Trouble.BUG


def _origin(error: BaseException) -> BaseException:
    """The first cause: SQLAlchemy and its adapters wrap what the driver raised."""
    origin = getattr(error, "orig", None) or error
    return origin.__cause__ or origin


def translated(error: Exception, trouble: Trouble) -> Exception:
    """The error that the store raises instead; a bug stays what it is."""
    match trouble:
        case Trouble.LOCKED:
            return RowLocked(f"The database did not do it: {_said(error)}")
        case Trouble.UNAVAILABLE | Trouble.READ_ONLY | Trouble.CONFLICT:
            return StoreUnavailable(f"The database did not do it: {_said(error)}")
        case Trouble.EXISTS:
            return RowExists(_said(error))
        case Trouble.DATA:
            return RowInvalid(f"The database cannot keep a value: {_said(error)}")
        case Trouble.NO_TABLE:
            return SchemaOutdated(None, SCHEMA)
        case Trouble.BUG:
            return error


def _said(error: Exception) -> str:
    """What the driver said in one line, without the statement and its values (they may be secret)."""
    origin = getattr(error, "orig", None) or error
    return f"{type(origin).__name__}: {origin}".splitlines()[0][:300]
