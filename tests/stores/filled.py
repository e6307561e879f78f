"""Tables as they are after a while: finished tasks by the hundred thousand, and some of every live state."""

from sqlalchemy import Engine, text

POSTGRES = """
INSERT INTO duly_tasks (id, type, queue, precedence, payload, max_attempts, timeout_us, run_at, created_at, state,
    attempt, failures, crashes, version, progress_seq, cancelling, tags, token, worker, lease_until,
    finished_at, wake_at)
SELECT md5(n::text)::uuid, 'text.reverse', 'q' || n % 5, n % 10, '{"text": "hello"}', 5, 3600000000,
    now() - n * interval '1 millisecond', now() - n * interval '1 millisecond', s.state,
    1, 0, 0, 2, 0, false, '[]', md5(n::text)::uuid, 'w',
    CASE WHEN s.state = 'running' THEN now() + interval '1 hour' END,
    CASE WHEN s.state IN ('completed', 'failed') THEN now() END,
    CASE WHEN s.state IN ('running', 'scheduled') THEN now() + (n % 1000) * interval '1 second' END
FROM generate_series(1, :rows) n,
LATERAL (SELECT (ARRAY['pending', 'scheduled', 'running', 'failed', 'completed', 'completed', 'completed', 'completed',
    'completed', 'completed'])[1 + (n / 7) % 10] AS state) s
"""

MYSQL = """
INSERT INTO duly_tasks (id, type, queue, precedence, payload, max_attempts, timeout_us, run_at, created_at, state,
    attempt, failures, crashes, version, progress_seq, cancelling, tags, token, worker, lease_until,
    finished_at, wake_at)
SELECT unhex(md5(seq)), 'text.reverse', concat('q', seq % 5), seq % 10, '{"text": "hello"}', 5, 3600000000,
    utc_timestamp(6) - interval seq * 1000 microsecond, utc_timestamp(6) - interval seq * 1000 microsecond,
    elt(1 + floor(seq / 7) % 10, 'pending', 'scheduled', 'running', 'failed', 'completed', 'completed', 'completed',
        'completed', 'completed', 'completed'),
    1, 0, 0, 2, 0, false, '[]', unhex(md5(seq)), 'w',
    if(floor(seq / 7) % 10 = 2, utc_timestamp(6) + interval 1 hour, NULL),
    if(floor(seq / 7) % 10 > 2, utc_timestamp(6), NULL),
    if(floor(seq / 7) % 10 IN (1, 2), utc_timestamp(6) + interval seq % 1000 second, NULL)
FROM seq_1_to_{rows}
"""


def fill(engine: Engine, rows: int) -> None:
    """So many tasks, a tenth of them in each live state, a tenth failed, the rest completed; statistics are fresh."""
    with engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(text(POSTGRES), {"rows": rows})
        else:
            connection.execute(text(MYSQL.replace("{rows}", str(rows))))
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(
            text("ANALYZE duly_tasks" if engine.dialect.name == "postgresql" else "ANALYZE TABLE duly_tasks")
        )
