"""All scenarios, in the order in which they are run."""

from benchmarks.harness.plan import Scenario
from benchmarks.scenarios import (
    cost,
    crowded,
    drain,
    drain_brokers,
    drain_elsewhere,
    drain_peers,
    growth,
    hold,
    http_batch,
    http_burst,
    http_status,
    http_submit,
    latency,
    open_loop,
    snapshot,
    together,
)

SCENARIOS: tuple[Scenario, ...] = (
    drain.SCENARIO,
    together.SCENARIO,
    drain_elsewhere.SQLITE,
    drain_elsewhere.MARIADB,
    drain_brokers.SCENARIO,
    http_submit.SCENARIO,
    http_submit.LIVE,
    http_batch.SCENARIO,
    http_status.SCENARIO,
    http_burst.SCENARIO,
    latency.SCENARIO,
    hold.SCENARIO,
    cost.SCENARIO,
    open_loop.SCENARIO,
    crowded.SCENARIO,
    snapshot.SCENARIO,
    drain_peers.SCENARIO,
    growth.SCENARIO,
)
