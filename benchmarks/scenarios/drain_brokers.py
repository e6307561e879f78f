"""The same drain on PostgreSQL with a broker that tells the workers, beside the same without."""

from dataclasses import replace

from benchmarks.harness.crews import drain
from benchmarks.harness.places import both, postgresql, rabbitmq, redis
from benchmarks.harness.plan import Goal, Scenario
from benchmarks.scenarios.drain import BOTH, DULY, QUESTION, SLOTS, TASKS

HOW = f"`duly worker --processes 2 --slots {SLOTS}`, PostgreSQL, log off"
BY_RABBITMQ = replace(DULY, place=both(postgresql, rabbitmq, DULY_BROKER_URL="BENCH_AMQP"))
BY_REDIS = replace(DULY, place=both(postgresql, redis, DULY_BROKER_URL="BENCH_REDIS"))

SCENARIO = Scenario(
    name="drain-brokers",
    title="Drain of 100,000 no-op tasks through a broker, 2 worker processes",
    question=QUESTION,
    contestants=(
        drain("without a broker", DULY, TASKS, HOW, BOTH),
        drain("through rabbitmq", BY_RABBITMQ, TASKS, f"{HOW}; hints through RabbitMQ", BOTH),
        drain("through redis", BY_REDIS, TASKS, f"{HOW}; hints through Redis", BOTH),
    ),
    goals=[
        Goal(figure="tasks/s", of=f"through {name}", against="without a broker", least=0.6, stretch=0.8)
        for name in ("rabbitmq", "redis")
    ],
    needs=("postgresql", "rabbitmq", "redis"),
    minutes=6,
)
