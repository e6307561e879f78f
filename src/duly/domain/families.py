"""The families of figures, by name: what `/metrics` shows, and what `docs/operate/metrics.md` tells of it."""

from collections.abc import Mapping

from duly.domain.figures import Family, Kind
from duly.domain.stats import BOUNDS_MS

SECONDS = tuple(bound / 1000 for bound in BOUNDS_MS)
SHORT = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
SIZES = (1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0)

_TASKS = ("queue", "type")

SUBMITTED = Family("duly_submitted_tasks", Kind.COUNTER, "Tasks committed by this target.", _TASKS)
CLAIM_SIZE = Family(
    "duly_claim_size",
    Kind.HISTOGRAM,
    "Tasks that one claim took; claims that found none are left out.",
    ("queue",),
    SIZES,
)
CLAIM_TIME = Family(
    "duly_claim_seconds",
    Kind.HISTOGRAM,
    "How long one claim took, as the worker saw it: also those that found nothing, and with the wait for a connection.",
    bounds=SHORT,
)
CLAIMS_EMPTY = Family("duly_empty_claims", Kind.COUNTER, "Claims that found nothing.", ("queue",))
SETTLED = Family(
    "duly_settled_attempts",
    Kind.COUNTER,
    "Attempts that ended, by what became of the task: completed, failed, cancelled, retried (it failed and will be "
    "tried again), put_back (snoozed, interrupted, or no handler).",
    (*_TASKS, "outcome"),
)
WAIT = Family("duly_wait_seconds", Kind.HISTOGRAM, "From ready to started, per attempt.", _TASKS, SECONDS)
RUN = Family("duly_run_seconds", Kind.HISTOGRAM, "From claimed to settled, per attempt.", _TASKS, SECONDS)
REFUSED = Family(
    "duly_refused_writes", Kind.COUNTER, "Outcomes of a claim that was lost: refused, so they did no harm."
)
LEASES_LOST = Family("duly_lost_leases", Kind.COUNTER, "Claims that a worker lost while it ran the task.")
LEASES_EXPIRED = Family(
    "duly_expired_leases", Kind.COUNTER, "Claims that the sweep took back because nobody renewed them.", ("queue",)
)
EXPIRED = Family("duly_expired_tasks", Kind.COUNTER, "Tasks that waited beyond their expires_at.", ("queue",))
STALLS = Family("duly_stalls", Kind.COUNTER, "Times that an event loop was found standing still for seconds.")
SWEPT = Family(
    "duly_sweep_age_seconds", Kind.SINCE, "Since the last full pass of the sweep in any process here.", together=max
)
LOOP_LAG = Family("duly_loop_lag_seconds", Kind.HISTOGRAM, "How late the event loop woke a sleeper.", bounds=SHORT)
POOL_WAIT = Family(
    "duly_pool_wait_seconds",
    Kind.HISTOGRAM,
    "Waits for a connection, or for SQLite's writer, per call.",
    bounds=SHORT,
)
PART_UP = Family(
    "duly_part_up",
    Kind.GAUGE,
    "1 if the last call of the broker or the cache worked, 0 if not.",
    ("part",),
    together=min,
)
PART_FAILURES = Family("duly_part_failures", Kind.COUNTER, "Calls of the broker or the cache that failed.", ("part",))
CACHE_READS = Family("duly_cache_reads", Kind.COUNTER, "Tasks looked up in the cache: hit, miss.", ("outcome",))
STORE_FAILURES = Family(
    "duly_store_failures", Kind.COUNTER, "Passes of a loop that ended because the database was away.", ("loop",)
)
EVENTS = Family("duly_events", Kind.COUNTER, "Other events that the log tells as a warning or an error.", ("event",))
PROCESSES = Family("duly_processes", Kind.GAUGE, "Processes that these figures are of.")
HTTP = Family(
    "duly_http_requests", Kind.COUNTER, "Requests answered, by route template.", ("route", "method", "status")
)
HTTP_TIME = Family("duly_http_request_seconds", Kind.HISTOGRAM, "Until the answer began.", ("route", "method"), SHORT)
BUILD = Family(
    "duly_build_info", Kind.GAUGE, "1, with the versions of Duly and Python.", ("version", "python"), together=max
)

STORE_UP = Family("duly_store_up", Kind.GAUGE, "1 if the database answered for this scrape, 0 if not.")
QUEUE_TASKS = Family("duly_queue_tasks", Kind.GAUGE, "Live tasks of the whole service.", ("queue", "state"))
QUEUE_OLDEST = Family(
    "duly_queue_oldest_pending_seconds",
    Kind.GAUGE,
    "How long the oldest pending task has been ready; 0 if none is.",
    ("queue",),
    together=max,
)
QUEUE_PAUSED = Family("duly_queue_paused", Kind.GAUGE, "1 if the queue is paused.", ("queue",), together=max)
QUEUE_WORKERS = Family("duly_queue_workers", Kind.GAUGE, "Live worker processes that serve the queue.", ("queue",))
WORKERS = Family("duly_workers", Kind.GAUGE, "Live worker processes of the whole service.")
SLOTS = Family("duly_worker_slots", Kind.GAUGE, "Slots of all live worker processes.")
BUSY = Family("duly_worker_slots_busy", Kind.GAUGE, "Slots of all live worker processes that are taken.")

OF_PROCESSES = (
    SUBMITTED,
    CLAIM_SIZE,
    CLAIM_TIME,
    CLAIMS_EMPTY,
    SETTLED,
    WAIT,
    RUN,
    REFUSED,
    LEASES_LOST,
    LEASES_EXPIRED,
    EXPIRED,
    STALLS,
    SWEPT,
    LOOP_LAG,
    POOL_WAIT,
    PART_UP,
    PART_FAILURES,
    CACHE_READS,
    STORE_FAILURES,
    EVENTS,
    PROCESSES,
    HTTP,
    HTTP_TIME,
    BUILD,
)
"""Counted by each process; every target has them, of its own processes."""

OF_THE_SERVICE = (STORE_UP, QUEUE_TASKS, QUEUE_OLDEST, QUEUE_PAUSED, QUEUE_WORKERS, WORKERS, SLOTS, BUSY)
"""Read from the database for each scrape of the API, whichever process of whichever machine is asked."""

FAMILIES: Mapping[str, Family] = {family.name: family for family in (*OF_PROCESSES, *OF_THE_SERVICE)}
