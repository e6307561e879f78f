"""A parent for the supervisor's tests: keeps children of the given manners until it is stopped."""

import asyncio
import sys
from datetime import timedelta
from pathlib import Path

from duly.cli.child import PLACE, Part
from duly.cli.signals import on_signals
from duly.cli.supervise import Supervisor

CHILD = str(Path(__file__).with_name("child.py"))


async def main(folder: str, manners: list[str]) -> int:
    parts = [Part(manner, (sys.executable, CHILD, manner, f"{folder}/{manner}", PLACE)) for manner in manners]
    supervisor = Supervisor(parts, timedelta(seconds=30), say)
    with on_signals(supervisor.stop):
        return await supervisor.run()


def say(name, facts):
    sys.stdout.write(f"{name} {dict(facts)}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(asyncio.run(main(sys.argv[1], sys.argv[2:])))
