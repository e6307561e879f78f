"""What tests of processes share."""

import json
from typing import Any

from duly.domain.task import Task
from tests.engine import work

TYPES = work.duly.handlers


def error_of(task: Task) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(task.error or "null")
    return found
