"""The tables, once, for all three databases. Their indexes are in the migrations.

Payloads, results, errors, progress, tags and details are JSON text in ASCII, not a JSON type: every database then
keeps what it was given, big numbers and the order of keys included.
"""

from sqlalchemy import BigInteger, Boolean, Column, Integer, MetaData, SmallInteger, String, Table

from duly.stores.sql.types import ID, LONG_TEXT, MOMENT

SCHEMA = "0004"
"""The migration that this code needs. A later one in the database is welcome: migrations only add before they drop."""

VERSION_TABLE = "duly_alembic_version"

metadata = MetaData()

tasks = Table(
    "duly_tasks",
    metadata,
    Column("id", ID, primary_key=True),
    Column("type", String(255), nullable=False),
    Column("queue", String(255), nullable=False),
    # 9 - priority, so that one ascending index serves filter and order in every database.
    Column("precedence", SmallInteger, nullable=False),
    Column("payload", LONG_TEXT, nullable=False),
    Column("max_attempts", Integer, nullable=False),
    Column("timeout_us", BigInteger, nullable=False),
    Column("run_at", MOMENT, nullable=False),
    Column("created_at", MOMENT, nullable=False),
    Column("state", String(16), nullable=False),
    Column("reason", String(32)),
    Column("attempt", Integer, nullable=False),
    Column("failures", Integer, nullable=False),
    Column("crashes", Integer, nullable=False),
    Column("version", Integer, nullable=False),
    Column("progress_seq", Integer, nullable=False),
    Column("progress", LONG_TEXT),
    Column("result", LONG_TEXT),
    Column("error", LONG_TEXT),
    Column("cancelling", Boolean, nullable=False),
    Column("token", ID),
    Column("worker", String(255)),
    Column("lease_until", MOMENT),
    Column("started_at", MOMENT),
    Column("finished_at", MOMENT),
    Column("expires_at", MOMENT),
    Column("key", String(255)),
    Column("tags", LONG_TEXT, nullable=False),
    Column("request_id", String(255)),
    Column("traceparent", String(255)),
    # The key while the task is live, made by the database: with a unique index, which no partial index is needed for.
    Column("live_key", String(255)),
    # Task.wake_at, so that promotion, the sweep of leases and expiry are one query on one index.
    Column("wake_at", MOMENT),
    Column("callback_url", String(2048)),
)

events = Table(
    "duly_events",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("task_id", ID, nullable=False),
    Column("version", Integer, nullable=False),
    Column("at", MOMENT, nullable=False),
    Column("kind", String(32), nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("worker", String(255)),
    Column("detail", LONG_TEXT, nullable=False),
)

purged = Table(
    "duly_purged",
    metadata,
    Column("id", ID, primary_key=True),
    Column("at", MOMENT, nullable=False),
)

once = Table(
    "duly_once",
    metadata,
    Column("scope", String(255), primary_key=True),
    Column("key", String(255), primary_key=True),
    Column("fingerprint", String(64), nullable=False),
    # Ids of tasks in hexadecimal, in order, separated by spaces.
    Column("task_ids", LONG_TEXT, nullable=False),
    Column("created_at", MOMENT, nullable=False),
)

queues = Table(
    "duly_queues",
    metadata,
    Column("name", String(255), primary_key=True),
    Column("paused", Boolean, nullable=False),
    Column("paused_at", MOMENT),
)

keys = Table(
    "duly_keys",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("name", String(255), nullable=False),
    Column("digest", String(64), nullable=False),
    # Words separated by spaces.
    Column("scopes", String(255), nullable=False),
    # A JSON list; NULL: all queues.
    Column("queues", LONG_TEXT),
    Column("created_at", MOMENT, nullable=False),
    Column("expires_at", MOMENT),
    Column("last_used_at", MOMENT),
    Column("revoked_at", MOMENT),
)

secrets = Table(
    "duly_secrets",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("value", String(255), nullable=False),
    Column("created_at", MOMENT, nullable=False),
)

rates = Table(
    "duly_rates",
    metadata,
    Column("process", String(255), primary_key=True),
    Column("queue", String(255), primary_key=True),
    Column("at", MOMENT, primary_key=True),
    Column("submitted", BigInteger, nullable=False),
    Column("completed", BigInteger, nullable=False),
    Column("failed", BigInteger, nullable=False),
    Column("waits", LONG_TEXT, nullable=False),
    Column("runs", LONG_TEXT, nullable=False),
)

workers = Table(
    "duly_workers",
    metadata,
    Column("id", String(255), primary_key=True),
    Column("host", String(255), nullable=False),
    Column("pid", Integer, nullable=False),
    Column("queues", LONG_TEXT, nullable=False),
    Column("types", LONG_TEXT, nullable=False),
    Column("slots", Integer, nullable=False),
    Column("running", Integer, nullable=False),
    Column("version", String(64), nullable=False),
    Column("started_at", MOMENT, nullable=False),
    Column("seen_at", MOMENT, nullable=False),
)
