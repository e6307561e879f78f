"""What Duly's broker keeps in Redis: one list of messages per queue and priority, and one of what is not ours."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from duly.domain.task import HIGHEST_PRIORITY

MAX_MESSAGES = 10_000
"""So many messages of one queue and priority are kept; what comes on top is dropped, and the relay finds its tasks."""

KEPT = timedelta(days=1)
"""A queue that nobody announces to for so long vanishes: no key is left without an owner."""

FOREIGN_KEPT = timedelta(days=14)
MAX_FOREIGN = 1_000

TAKE = """
local taken, broken, left = {}, {}, tonumber(ARGV[1])
for _, key in ipairs(KEYS) do
  while left > 0 do
    local body = redis.pcall('LPOP', key)
    if type(body) == 'table' then
      broken[#broken + 1] = key
      break
    end
    if not body then break end
    taken[#taken + 1] = key
    taken[#taken + 1] = body
    left = left - (tonumber(string.match(body, '^{"count":(%d+),')) or 1)
  end
end
return {taken, broken}
"""
"""Messages from the first of these lists on, until they hold ARGV[1] ids; and the keys that are no lists."""


@dataclass(frozen=True, slots=True)
class RedisKeys:
    """The names of the keys, under one prefix."""

    prefix: str

    @property
    def dead_letters(self) -> str:
        """The list of what was put aside."""
        return f"{self.prefix}:dead-letters"

    def of(self, queue: str, priority: int) -> str:
        """The list of one queue and priority."""
        return f"{self.prefix}:hints:{priority}:{queue}"

    def by_priority(self, queues: Sequence[str]) -> dict[str, str]:
        """The lists of these queues, highest priority first, and whose each is."""
        return {self.of(queue, priority): queue for priority in range(HIGHEST_PRIORITY, -1, -1) for queue in queues}

    def broken(self, key: str) -> str:
        """Where a key goes that is no list."""
        return f"{self.dead_letters}:{key}"

    def rules(self) -> tuple[str, ...]:
        """In words."""
        return (
            f"list {self.prefix}:hints:<priority>:<queue>: {MAX_MESSAGES} messages at most, gone after {KEPT.days} day",
            f"list {self.dead_letters}: the last {MAX_FOREIGN} foreign messages, gone after {FOREIGN_KEPT.days} days",
        )
