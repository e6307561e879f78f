"""How a database means to run what an operation sends it."""

from collections.abc import Callable

from sqlalchemy import Connection, Engine, event


def plans(engine: Engine, operation: Callable[[Connection], object]) -> str:
    """The plans of all statements of the operation, which is then rolled back."""
    told: list[str] = []

    def explain(_connection, cursor, statement, parameters, _context, executemany):  # SQLAlchemy's
        if statement.split()[0] in {"SELECT", "UPDATE", "DELETE"} and "duly_" in statement:
            cursor.execute("EXPLAIN " + statement, parameters[0] if executemany else parameters)
            told.append(statement)
            told.extend(" | ".join(map(str, row)) for row in cursor.fetchall())

    event.listen(engine, "before_cursor_execute", explain)
    try:
        with engine.connect() as connection:
            operation(connection)
            connection.rollback()
    finally:
        event.remove(engine, "before_cursor_execute", explain)
    return "\n".join(told)
