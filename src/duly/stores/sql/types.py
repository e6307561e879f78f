"""Column types that give Python the same values from every database: UUIDs and aware UTC datetimes."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import BINARY, BigInteger, DateTime, Text, Uuid
from sqlalchemy.dialects import mysql
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator

from duly.domain.moment import EPOCH, MICROSECOND


class BytesId(TypeDecorator[UUID]):
    """An id as its sixteen bytes, which sort as UUIDv7s do: by time (MariaDB's own UUID type sorts otherwise)."""

    impl = BINARY(16)
    cache_ok = True

    def process_bind_param(self, value: UUID | None, _dialect: Dialect) -> bytes | None:
        """The bytes, or NULL."""
        return None if value is None else value.bytes

    def process_result_value(self, value: Any | None, _dialect: Dialect) -> UUID | None:
        """The UUID, or None."""
        return None if value is None else UUID(bytes=value)


class NaiveUtc(TypeDecorator[datetime]):
    """MySQL has no time with a zone that reaches beyond 2038: it keeps UTC without saying so."""

    impl = mysql.DATETIME(fsp=6)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, _dialect: Dialect) -> datetime | None:
        """UTC without its zone, or NULL."""
        return None if value is None else value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: Any | None, _dialect: Dialect) -> datetime | None:
        """UTC with its zone, or None. A time that was bound and selected again comes back as text."""
        if value is None:
            return None
        moment: datetime = datetime.fromisoformat(value) if isinstance(value, str) else value
        return moment.replace(tzinfo=UTC)


class EpochMicroseconds(TypeDecorator[datetime]):
    """SQLite has no type for times: a whole number sorts and compares as time does, to the microsecond."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, _dialect: Dialect) -> int | None:
        """Microseconds since 1970, or NULL."""
        return None if value is None else (value - EPOCH) // MICROSECOND

    def process_result_value(self, value: Any | None, _dialect: Dialect) -> datetime | None:
        """The aware time, or None."""
        return None if value is None else EPOCH + timedelta(microseconds=value)


ID = (
    Uuid(as_uuid=True)
    .with_variant(BytesId(), "sqlite")
    .with_variant(BytesId(), "mysql")
    .with_variant(BytesId(), "mariadb")
)
MOMENT = (
    DateTime(timezone=True)
    .with_variant(EpochMicroseconds(), "sqlite")
    .with_variant(NaiveUtc(), "mysql")
    .with_variant(NaiveUtc(), "mariadb")
)
LONG_TEXT = Text().with_variant(mysql.LONGTEXT(), "mysql").with_variant(mysql.LONGTEXT(), "mariadb")
