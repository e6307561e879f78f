"""What `duly doctor` looks at where a Celery fleet runs the tasks: who listens to which queue."""

from collections.abc import AsyncIterator
from datetime import timedelta

from duly.brokers.celery.announcer import open_celery_announcer
from duly.cli.checks import Finding, Verdict
from duly.domain.callback import SYSTEM_QUEUE
from duly.ports.store import Store
from duly.settings import Settings

ANSWER_WITHIN = timedelta(seconds=2)
"""So long a Celery worker may take to answer; one with the pool solo is silent while it runs a task."""


async def about_fleet(store: Store, settings: Settings) -> AsyncIterator[Finding]:
    """Each queue with the Celery workers that answer for it. Raises BrokerUnavailable, StoreUnavailable."""
    async with open_celery_announcer(settings.broker_url, lambda *_: None) as announcer:
        heard = await announcer.listeners(ANSWER_WITHIN)
    if not heard:
        advice = "start one: `celery -A app.celery_app worker`; one with the pool solo is silent while it runs a task"
        yield Finding(Verdict.WARN, "fleet", "no Celery worker answers", advice)
        return
    known = {state.name for state in await store.queues.states()} - {SYSTEM_QUEUE}
    for queue in sorted(known | heard.keys()):
        yield _queue(queue, heard.get(queue, []))


def _queue(queue: str, workers: list[str]) -> Finding:
    if workers:
        return Finding(Verdict.OK, "fleet", f"{queue} is listened to by {', '.join(workers)}")
    advice = f"`celery -A app.celery_app worker -Q {queue}`, if no worker of Duly's own serves it"
    return Finding(Verdict.WARN, "fleet", f"no Celery worker listens to {queue}", advice)
