"""Who may do and see what: the one place where it is decided."""

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

from starlette.requests import Request
from starlette.types import Scope as AsgiScope

from duly.api.fields import fields_of
from duly.api.query import task_id
from duly.domain.errors import KeyTaken, QueueNotFound, TaskNotFound, TaskPurged, TooMany
from duly.domain.identity import ANYBODY, Forbidden, Identity, Scope, Unauthorized
from duly.domain.query import TaskQuery
from duly.engine.quotas import Charge, Kind, Quotas
from duly.engine.service import Service
from duly.engine.submission import Submission
from duly.engine.submitting import Accepted
from duly.wire.encode import View

IDENTITY = "duly.identity"
CHARGE = "duly.charge"
"""Where a request's identity, and what it was charged for, stand in its ASGI scope."""


@dataclass(frozen=True, slots=True)
class Right:
    """What a route asks for: one of these scopes (none: any identity), and what its requests count as."""

    scopes: tuple[Scope, ...]
    kind: Kind = Kind.READ


_READ = Right((Scope.READ,))
_CONTROL = Right((Scope.CONTROL,), Kind.CONTROL)
_QUEUES = Right((Scope.QUEUES,), Kind.CONTROL)
_SUBMIT = Right((Scope.SUBMIT,), Kind.SUBMIT)
_TYPES = Right((Scope.READ, Scope.SUBMIT))

OTHERS = Right((Scope.ADMIN,))
"""A route that is not in the table."""

OPEN = frozenset({"health_live", "health_ready", "create_token"})
"""Operations that ask nobody, or ask in their own way."""

RIGHTS: Mapping[str, Right] = MappingProxyType(
    {
        "submit_task": _SUBMIT,
        "submit_tasks": _SUBMIT,
        "get_task": _READ,
        "get_result": _READ,
        "get_events": _READ,
        "list_tasks": _READ,
        "cancel_task": _CONTROL,
        "retry_task": _CONTROL,
        "retry_tasks": _CONTROL,
        "delete_task": _CONTROL,
        "list_types": _TYPES,
        "get_type": _TYPES,
        "list_queues": _READ,
        "get_queue": _READ,
        "pause_queue": _QUEUES,
        "resume_queue": _QUEUES,
        "list_workers": _READ,
        "get_stats": _READ,
        "get_capabilities": Right(()),
        "get_metrics": _READ,
    }
)
"""By operation."""


class Entry:
    """Stands before every route: finds out who asks, counts the request, and checks scopes and queues."""

    def __init__(self, get_service: Callable[[], Service], opened: Collection[str] = OPEN) -> None:
        self._service = get_service
        self._opened = opened

    async def __call__(self, request: Request) -> None:
        """Let the request pass. Raises Unauthorized, Forbidden, TooMany, TaskNotFound, QueueNotFound."""
        operation = request.scope["route"].operation_id
        if operation in self._opened:
            return
        right = RIGHTS.get(operation, OTHERS)
        service = self._service()
        identity = await let_in(service, request, right)
        if identity.queues is not None:
            await _check_place(service, request, identity)


async def let_in(service: Service, request: Request, right: Right) -> Identity:
    """Whoever asks, counted, if they hold the right. Raises Unauthorized, Forbidden, TooMany."""
    access, quotas = service.access, service.quotas
    identity = ANYBODY if access is None else await access.identify(_credential(request), address_of(request))
    request.scope[IDENTITY] = identity
    if quotas is not None:
        await _count(quotas, request.scope, identity, right.kind)
    if not identity.holds(*right.scopes):
        raise Forbidden(f"This needs the scope {' or '.join(right.scopes)}.", right.scopes)
    return identity


def identity_of(request: Request) -> Identity:
    """Who asks, as Entry found out."""
    identity: Identity = request.scope[IDENTITY]
    return identity


async def still_let_in(request: Request, service: Service) -> bool:
    """Whether who asks would be let in now: a key may be revoked and a token end while an answer goes on."""
    return service.access is None or await service.access.still(_credential(request))


async def check_still_let_in(request: Request, service: Service) -> None:
    """Raises Unauthorized when who asks would not be let in now, after a long wait."""
    if not await still_let_in(request, service):
        raise Unauthorized("The credential has expired or was revoked meanwhile.", given=True)


def address_of(request: Request) -> str:
    """Where the request comes from."""
    return "" if request.client is None else request.client.host


def scope_of(request: Request) -> str:
    """Whose Idempotency-Keys these are."""
    return identity_of(request).name


def permitted(request: Request, wanted: View) -> View:
    """As much of what is wanted as this client may see; who may not control tasks sees no traceback (DISCREET)."""
    if wanted is View.FULL and not identity_of(request).holds(Scope.CONTROL):
        return View.DISCREET
    return wanted


def permitted_of(request: Request, accepted: Accepted) -> View:
    """Of an accepted task: one with a ``key`` may be somebody else's, unless it was made right now."""
    identity = identity_of(request)
    own = _own(accepted) or identity.holds(Scope.READ)
    return permitted(request, View.FULL if own and identity.sees(accepted.task.queue) else View.BASIC)


def permitted_of_all(request: Request, accepted: Sequence[Accepted]) -> list[View]:
    """The same of each: what is asked of it is one thing for all tasks of one queue."""
    views: dict[tuple[bool, str], View] = {}
    for one in accepted:
        place = (_own(one), one.task.queue)
        if place not in views:
            views[place] = permitted_of(request, one)
    return [views[_own(one), one.task.queue] for one in accepted]


def _own(accepted: Accepted) -> bool:
    return accepted.created or accepted.task.key is None


def check_submits(request: Request, service: Service, wanted: Sequence[Submission]) -> None:
    """Raises Forbidden when one of them goes to a queue that this client does not see."""
    identity = identity_of(request)
    if identity.queues is None:
        return
    for one in wanted:
        known = service.handlers.find(one.type)
        queue = one.queue or (None if known is None else known.queue)
        if queue is not None and not identity.sees(queue):
            raise Forbidden(f"Nothing may be submitted to the queue {queue!r} here.")


def check_accepted(request: Request, accepted: Accepted) -> None:
    """Raises KeyTaken when the task that holds the key is in a queue that this client does not see."""
    task = accepted.task
    if not identity_of(request).sees(task.queue):
        raise KeyTaken(task.type, task.key or "")


def narrowed(request: Request, query: TaskQuery) -> TaskQuery:
    """The part of the query that this client may ask."""
    queues = identity_of(request).queues
    return query if queues is None else replace(query, queues=queues)


async def count_tasks(request: Request, service: Service, tasks: int) -> None:
    """A batch counts as its tasks: it was let in as one request, and owes the others."""
    charge: Charge | None = request.scope.get(CHARGE)
    if charge is not None and service.quotas is not None and tasks > 1:
        request.scope[CHARGE] = await service.quotas.owe(identity_of(request).name, charge, tasks - 1)


def rate_fields(scope: AsgiScope) -> dict[str, str]:
    """``RateLimit`` and ``RateLimit-Policy`` (draft-ietf-httpapi-ratelimit-headers-10), where requests are counted."""
    charge: Charge | None = scope.get(CHARGE)
    if charge is None:
        return {}
    level, buckets = charge.level, charge.buckets
    refill = math.ceil(level.refill.total_seconds())
    window = math.ceil(buckets.per.total_seconds())
    return {
        "ratelimit": f'"{charge.kind}";r={level.left};t={refill}',
        "ratelimit-policy": f'"{charge.kind}";q={buckets.amount};w={window}',
    }


def _credential(request: Request) -> str:
    """What stands behind ``Bearer`` (RFC 6750). Raises Unauthorized."""
    given = fields_of(request.scope).all(b"authorization")
    if not given:
        raise Unauthorized("Send an API key or a JWT: Authorization: Bearer …")
    scheme, _, credential = given[0].strip().partition(" ")
    if len(given) > 1 or scheme.lower() != "bearer" or not credential.strip():
        raise Unauthorized("Authorization must be one bearer credential.", given=True)
    return credential.strip()


async def _count(quotas: Quotas, scope: AsgiScope, identity: Identity, kind: Kind) -> None:
    charge = scope[CHARGE] = await quotas.charge(identity.name, kind)
    if charge is not None and not charge.level.allowed:
        raise TooMany(f"Too many requests of the kind {kind}.", charge.level.refill)


async def _check_place(service: Service, request: Request, identity: Identity) -> None:
    """What a client does not see does not exist for it: also a task that is gone, for nobody knows whose it was."""
    queue = request.path_params.get("queue")
    if queue is not None and not identity.sees(queue):
        raise QueueNotFound(queue)
    if "task_id" not in request.path_params:
        return
    wanted = task_id(request)
    try:
        task = await service.tasks.get(wanted)
    except TaskPurged:
        raise TaskNotFound(wanted) from None
    if not identity.sees(task.queue):
        raise TaskNotFound(wanted)
