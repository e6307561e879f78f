"""How Duly sets Celery up: one Celery queue per Duly queue, priorities kept, nothing stored, nothing retried."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import urlsplit

from celery import Celery
from kombu import Exchange, Queue

from duly.domain.errors import Misconfigured
from duly.domain.task import DEFAULT_QUEUE, HIGHEST_PRIORITY

RUN = "duly.run"
"""The one task that Celery is given."""

PREFIX = "celery+"

SILENCE = timedelta(seconds=10)
"""A Redis that says nothing for so long is gone."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where Celery's own broker is."""

    url: str

    @property
    def is_redis(self) -> bool:
        """Whether it is Redis or Valkey; else it is RabbitMQ."""
        return urlsplit(self.url).scheme in ("redis", "rediss")

    def priority(self, priority: int) -> int:
        """A Duly priority as this transport has it: kombu's Redis lists are read from 0 on."""
        return HIGHEST_PRIORITY - priority if self.is_redis else priority


def address_of(url: str) -> Address:
    """What stands behind ``celery+``. Raises Misconfigured, without the address: there may be a password in it."""
    plain = url.removeprefix(PREFIX)
    try:
        parts = urlsplit(plain)
        fits = parts.scheme in ("redis", "rediss", "amqp", "amqps") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        fits = False
    if plain == url or not fits:
        raise Misconfigured(
            "The address of Celery's broker looks like celery+redis://host:6379/0 or celery+amqp://user@host:5672/vhost."
        )
    return Address(plain)


REDIS_OPTIONS: Mapping[str, object] = {
    "priority_steps": list(range(HIGHEST_PRIORITY + 1)),
    # Without time limits a worker waits for ever on a wire that carries nothing any more (kombu, transport.redis).
    "socket_timeout": SILENCE.total_seconds(),
    "socket_connect_timeout": SILENCE.total_seconds(),
    "health_check_interval": SILENCE // timedelta(seconds=1),
}


def celery_application(address: Address, name: str = "duly") -> Celery:
    """An application that knows where and how; it has no task yet."""
    app = Celery(name, broker=address.url, set_as_current=False, changes=_conf(address))
    app.conf.broker_read_url = app.conf.broker_write_url = address.url  # else CELERY_BROKER_URL would win
    return app


def queue_of(name: str) -> Queue:
    """As Celery itself would make it, so that ``-Q`` and Duly declare alike."""
    return Queue(name, Exchange(name, type="direct"), routing_key=name, max_priority=HIGHEST_PRIORITY)


def queues_of(names: Collection[str]) -> tuple[Queue, ...]:
    """In the order of their names."""
    return tuple(map(queue_of, sorted(names)))


def _conf(address: Address) -> Mapping[str, object]:
    return {
        "accept_content": ["json"],
        "task_serializer": "json",
        "task_ignore_result": True,
        "task_acks_late": False,
        "task_default_queue": DEFAULT_QUEUE,
        "task_default_delivery_mode": "transient",  # a hint is worth no write to disk (ADR 9)
        "task_queue_max_priority": HIGHEST_PRIORITY,
        "task_publish_retry": False,  # the relay announces again
        "worker_prefetch_multiplier": 1,
        "worker_cancel_long_running_tasks_on_connection_loss": False,
        "broker_connection_retry_on_startup": True,
        "broker_connection_max_retries": None,
        "broker_transport_options": REDIS_OPTIONS if address.is_redis else {},
    }
