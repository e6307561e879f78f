"""The first schema."""

from typing import Any

import sqlalchemy as sa
from alembic import op

from duly.stores.sql.types import ID, LONG_TEXT, MOMENT

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make all tables and their indexes."""
    _create_tasks()
    _index_tasks()
    _create_history()
    _create_queues()
    _create_workers()


def _options() -> dict[str, Any]:
    """On MySQL and MariaDB: names differ by every character, by case and by spaces at the end too (NO PAD)."""
    mariadb = getattr(op.get_bind().dialect, "is_mariadb", False)
    collation = "utf8mb4_nopad_bin" if mariadb else "utf8mb4_0900_bin"
    return {"mysql_engine": "InnoDB", "mysql_charset": "utf8mb4", "mysql_collate": collation}


def _create_tasks() -> None:
    """A line for each column."""
    op.create_table(
        "duly_tasks",
        sa.Column("id", ID, primary_key=True),
        sa.Column("type", sa.String(255), nullable=False),
        sa.Column("queue", sa.String(255), nullable=False),
        sa.Column("precedence", sa.SmallInteger, nullable=False),
        sa.Column("payload", LONG_TEXT, nullable=False),
        sa.Column("max_attempts", sa.Integer, nullable=False),
        sa.Column("timeout_us", sa.BigInteger, nullable=False),
        sa.Column("run_at", MOMENT, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("reason", sa.String(32)),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("failures", sa.Integer, nullable=False),
        sa.Column("crashes", sa.Integer, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("progress_seq", sa.Integer, nullable=False),
        sa.Column("progress", LONG_TEXT),
        sa.Column("result", LONG_TEXT),
        sa.Column("error", LONG_TEXT),
        sa.Column("cancelling", sa.Boolean, nullable=False),
        sa.Column("token", ID),
        sa.Column("worker", sa.String(255)),
        sa.Column("lease_until", MOMENT),
        sa.Column("started_at", MOMENT),
        sa.Column("finished_at", MOMENT),
        sa.Column("expires_at", MOMENT),
        sa.Column("key", sa.String(255)),
        sa.Column("tags", LONG_TEXT, nullable=False),
        sa.Column("request_id", sa.String(255)),
        sa.Column("traceparent", sa.String(255)),
        sa.Column("live_key", sa.String(255), sa.Computed(_live_key(), persisted=True)),
        sa.Column("wake_at", MOMENT),
        if_not_exists=True,
        # Every task leaves dead rows, and dead entries of the index that claims read: clear them away early.
        postgresql_with={
            "autovacuum_vacuum_scale_factor": 0.01,
            "autovacuum_vacuum_threshold": 10_000,
            "autovacuum_vacuum_cost_delay": 0,
            "autovacuum_analyze_scale_factor": 0.02,
        },
        **_options(),
    )


def _live_key() -> str:
    key = op.get_context().dialect.identifier_preparer.quote("key")
    return f"CASE WHEN state IN ('scheduled', 'pending', 'running') THEN {key} END"


def _index_tasks() -> None:
    """One index serves filter and order of a claim; one serves promotion, sweep and expiry; one keeps live keys apart.

    Where the database has partial indexes, what is over costs them nothing.
    """
    if op.get_context().dialect.name in {"mysql", "mariadb"}:
        _index("duly_tasks_ready", "duly_tasks", ["state", "queue", "precedence", "run_at", "id"])
        _index("duly_tasks_wake", "duly_tasks", ["state", "wake_at", "id", "queue"])
        _index("duly_tasks_live_key", "duly_tasks", ["type", "live_key"], unique=True)
        return
    _partial_index("ready", ["queue", "precedence", "run_at", "id"], "state = 'pending'")
    _partial_index("wake", ["state", "wake_at", "id", "queue"], "wake_at IS NOT NULL")
    _partial_index("live_key", ["type", "live_key"], "live_key IS NOT NULL", unique=True)
    _partial_index("unhandled", ["type"], "state = 'scheduled' AND reason = 'no_handler'")


def _index(name: str, table: str, columns: list[str], **options: Any) -> None:
    """MySQL commits each step by itself: a migration that was cut off begins again, and finds some of them done."""
    if name not in {index["name"] for index in sa.inspect(op.get_bind()).get_indexes(table)}:
        op.create_index(name, table, columns, **options)


def _partial_index(name: str, columns: list[str], where: str, *, unique: bool = False) -> None:
    condition = sa.text(where)
    _index(
        f"duly_tasks_{name}",
        "duly_tasks",
        columns,
        unique=unique,
        postgresql_where=condition,
        sqlite_where=condition,
    )


def _create_history() -> None:
    op.create_table(
        "duly_events",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=True),
        sa.Column("task_id", ID, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("worker", sa.String(255)),
        sa.Column("detail", LONG_TEXT, nullable=False),
        if_not_exists=True,
        **_options(),
    )
    _index("duly_events_task", "duly_events", ["task_id", "id"])
    op.create_table(
        "duly_purged",
        sa.Column("id", ID, primary_key=True),
        sa.Column("at", MOMENT, nullable=False),
        if_not_exists=True,
        **_options(),
    )
    _index("duly_purged_at", "duly_purged", ["at"])


def _create_queues() -> None:
    op.create_table(
        "duly_queues",
        sa.Column("name", sa.String(255), primary_key=True),
        sa.Column("paused", sa.Boolean, nullable=False),
        sa.Column("paused_at", MOMENT),
        if_not_exists=True,
        **_options(),
    )
    op.create_table(
        "duly_rates",
        sa.Column("process", sa.String(255), primary_key=True),
        sa.Column("queue", sa.String(255), primary_key=True),
        sa.Column("at", MOMENT, primary_key=True),
        sa.Column("submitted", sa.BigInteger, nullable=False),
        sa.Column("completed", sa.BigInteger, nullable=False),
        sa.Column("failed", sa.BigInteger, nullable=False),
        sa.Column("waits", LONG_TEXT, nullable=False),
        sa.Column("runs", LONG_TEXT, nullable=False),
        if_not_exists=True,
        **_options(),
    )
    _index("duly_rates_at", "duly_rates", ["at"])


def _create_workers() -> None:
    op.create_table(
        "duly_workers",
        sa.Column("id", sa.String(255), primary_key=True),
        sa.Column("host", sa.String(255), nullable=False),
        sa.Column("pid", sa.Integer, nullable=False),
        sa.Column("queues", LONG_TEXT, nullable=False),
        sa.Column("types", LONG_TEXT, nullable=False),
        sa.Column("slots", sa.Integer, nullable=False),
        sa.Column("running", sa.Integer, nullable=False),
        sa.Column("version", sa.String(64), nullable=False),
        sa.Column("started_at", MOMENT, nullable=False),
        sa.Column("seen_at", MOMENT, nullable=False),
        if_not_exists=True,
        **_options(),
    )
