"""Alembic's entry: runs the migrations on the connection that ``migrate.upgrade`` hands over."""

from alembic import context

from duly.stores.sql.schema import VERSION_TABLE, metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=VERSION_TABLE,
    # Never look at tables that are not ours.
    include_name=lambda name, kind, _parents: kind != "table" or (name or "").startswith("duly_"),
)
with context.begin_transaction():
    context.run_migrations()
