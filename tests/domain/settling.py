"""What tests of settles share."""

from datetime import timedelta

from duly.domain import fact as facts
from duly.domain.state import Reason
from tests.support.builders import NOON, a_failure

END = NOON + timedelta(seconds=10)
WAIT = timedelta(seconds=7)


def worker_facts(token):
    return [
        facts.Returned(token, "1"),
        facts.Raised(token, a_failure(), WAIT),
        facts.Raised(token, a_failure(), None),
        facts.Unstorable(token, a_failure(), Reason.RESULT_TOO_LARGE),
        facts.Snoozed(token, WAIT),
        facts.Interrupted(token),
        facts.Stopped(token),
        facts.Unhandled(token, WAIT),
        facts.ProcessDied(token, a_failure(), WAIT),
    ]
