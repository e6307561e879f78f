"""Submits and attempts as spans, around the same without: a process that makes no traces has none of this."""

from collections.abc import Collection, Sequence

from duly.domain.task import Task
from duly.engine.slot import Slot, Start
from duly.engine.submission import Submission
from duly.engine.submitting import Accepted, Submitting
from duly.ports.once import OnceKey
from duly.ports.telemetry import Tracing


class TracedSubmitting:
    """See Submitting. A submit is one span, a batch too, and each of its tasks carries that span on."""

    def __init__(self, submitting: Submitting, tracing: Tracing) -> None:
        self._submitting = submitting
        self._tracing = tracing

    async def run(self) -> None:
        """See Submitting."""
        await self._submitting.run()

    def make(self, wanted: Submission) -> Task:
        """See Submitting. The commit is the caller's, so the task belongs to the span that the caller is in."""
        return self._submitting.make(wanted._replace(traceparent=wanted.traceparent or self._tracing.current()))

    async def submit(self, wanted: Submission, once: OnceKey | None) -> Accepted:
        """See Submitting."""
        with self._tracing.sending(wanted.traceparent) as sending:
            accepted = await self._submitting.submit(wanted._replace(traceparent=sending.traceparent), once)
            sending.accepted([accepted.task])
        return accepted

    async def submit_many(
        self, wanted: Sequence[Submission], once: OnceKey | None, within: Collection[str] | None
    ) -> list[Accepted]:
        """See Submitting."""
        given = wanted[0].traceparent if wanted else None
        with self._tracing.sending(given) as sending:
            carried = [one._replace(traceparent=sending.traceparent) for one in wanted]
            accepted = await self._submitting.submit_many(carried, once, within)
            sending.accepted([one.task for one in accepted])
        return accepted

    def announce(self, task: Task) -> None:
        """See Submitting."""
        self._submitting.announce(task)


def traced_run(run: Start, tracing: Tracing | None) -> Start:
    """Run an attempt inside its span, in which its handler is too."""
    if tracing is None:
        return run

    async def attempt(task: Task, claimed_at: float, slot: Slot) -> None:
        with tracing.processing(task):
            await run(task, claimed_at, slot)

    return attempt
