"""Every end that was to be told was told, and every callback is signed."""

import hmac
import json
from collections.abc import Iterator

from duly.domain.callback import CALLBACK_TYPE
from duly.domain.state import FINAL
from duly.domain.webhook import key_of, signed
from duly.torture.finding import Finding, at_the_end, finding
from duly.torture.history import ACCEPTED, OK, History
from duly.torture.records import Delivery

GOOD = range(200, 300)


def untold(history: History) -> Iterator[Finding]:
    """The last end of every task with a callback was delivered, unless its delivery still waits for its next try."""
    delivered = {ended(one) for one in history.deliveries if one.status in GOOD}
    waiting = {
        tag
        for task in history.tasks.values()
        if task["type"] == CALLBACK_TYPE and task["state"] not in FINAL
        for tag in task["tags"]
    }
    for submit in history.submits:
        if submit.status not in (OK, ACCEPTED) or submit.task is None or "callback_url" not in submit.body:
            continue
        task = history.tasks.get(submit.task["id"])
        if task is None or task["state"] not in FINAL or task["id"] in waiting:
            continue
        if (task["id"], task["version"]) not in delivered:
            yield finding("untold", task["id"], "its end was never delivered", [submit, at_the_end(task)])


def ended(delivery: Delivery) -> tuple[str, int] | None:
    """Which end of which task it tells; None: it cannot be read."""
    try:
        data = json.loads(delivery.body)["data"]
        return data["id"], data["version"]
    except (ValueError, KeyError, TypeError):
        return None


def unsigned(history: History) -> Iterator[Finding]:
    """Every delivery can be read, and carries a good signature by each of the secrets (Standard Webhooks)."""
    keys = [key_of(secret) for secret in history.terms.callback_secrets]
    for delivery in history.deliveries:
        if not _signed(delivery, keys):
            yield finding("unsigned", delivery.id, "a callback without a good signature", [delivery])


def _signed(delivery: Delivery, keys: list[bytes]) -> bool:
    name, timestamp = delivery.headers.get("webhook-id", ""), delivery.headers.get("webhook-timestamp", "")
    if not keys or not timestamp.isdecimal() or ended(delivery) is None:
        return False
    wanted = signed(keys, name, int(timestamp), delivery.body.encode())["webhook-signature"]
    return hmac.compare_digest(wanted, delivery.headers.get("webhook-signature", ""))
