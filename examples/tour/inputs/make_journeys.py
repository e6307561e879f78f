"""Makes journeys.csv.gz: 100,000 journeys on the shared bicycles of an invented town, always the same ones."""

import gzip
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from math import cos, hypot, pi
from pathlib import Path
from random import Random

ROWS = 100_000
HEADER = "started_at,from_station,to_station,rider,minutes,kilometres"
STATIONS = {  # name: (kilometres east, kilometres north of the market, how many start here)
    "Market": (0.0, 0.0, 9),
    "Old Bridge": (0.4, 0.7, 7),
    "Main Station": (-1.1, 0.3, 10),
    "University": (1.6, 1.2, 8),
    "Harbour": (-0.8, -1.9, 5),
    "Botanical Garden": (2.3, -0.4, 4),
    "Hospital": (-2.2, 1.5, 3),
    "Stadium": (3.1, 2.2, 2),
    "Mill Lane": (0.9, -1.2, 4),
    "North Gate": (0.2, 2.6, 3),
    "Lakeside": (-3.0, -0.9, 3),
    "Airfield": (4.6, -2.7, 1),
}
FIRST = datetime(2025, 1, 1, tzinfo=UTC)
FAST, SLOW = 16.0, 11.0  # km/h of a member and of a visitor


def rows(random: Random) -> Iterator[str]:
    """The lines of the file, header first, ordered by time: more in summer and by day than in winter and at night."""
    yield HEADER
    starts = sorted(_start(random) for _ in range(ROWS))
    for start in starts:
        yield ",".join((f"{start:%Y-%m-%dT%H:%M}", *_ride(random)))


def _start(random: Random) -> datetime:
    while True:
        day, hour = random.random() * 365, random.random() * 24
        warmth = 0.6 - 0.4 * cos(2 * pi * (day - 20) / 365)
        bustle = max(0.05, 0.55 - 0.5 * cos(2 * pi * (hour - 3) / 24))
        if random.random() < warmth * bustle:
            return FIRST + timedelta(days=int(day), hours=hour)


def _ride(random: Random) -> tuple[str, str, str, str, str]:
    names, weights = list(STATIONS), [place[2] for place in STATIONS.values()]
    here, there = random.choices(names, weights, k=2)
    member = random.random() < 0.7  # noqa: PLR2004  seven riders in ten
    (east, north, _), (far_east, far_north, _) = STATIONS[here], STATIONS[there]
    straight = hypot(far_east - east, far_north - north)
    kilometres = straight * (1.1 + 0.5 * random.random()) if here != there else 0.5 + 6 * random.random()
    minutes = 60 * kilometres / (FAST if member else SLOW) * (0.8 + 0.6 * random.random())
    return here, there, "member" if member else "visitor", f"{max(minutes, 1):.1f}", f"{kilometres:.2f}"


def main() -> None:
    """Write the file beside this script."""
    text = "\n".join(rows(Random(1865))) + "\n"  # noqa: S311  data, not secrets
    packed = gzip.compress(text.encode(), compresslevel=9, mtime=0)
    Path(__file__).with_name("journeys.csv.gz").write_bytes(packed)


if __name__ == "__main__":
    main()
