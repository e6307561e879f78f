"""Figures in the text forms that Prometheus reads."""

import asyncio
import time
from collections.abc import Iterator
from itertools import accumulate

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from duly.domain.families import FAMILIES
from duly.domain.figures import Family, Figures, Kind, Labels


async def exposed(figures: Figures, accept: str) -> tuple[bytes, str]:
    """As ``exposition``, in a thread: hundreds of queues take the library a tenth of a second and more."""
    return await asyncio.to_thread(exposition, figures, accept)


def exposition(figures: Figures, accept: str) -> tuple[bytes, str]:
    """The figures in the form that this Accept header likes best, and its media type."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collected(figures))
    encode, media_type = choose_encoder(accept)
    return encode(registry), media_type


class _Collected(Collector):
    """The library asks its collectors at each scrape; this one holds the answer. Nothing of it outlives the scrape."""

    def __init__(self, figures: Figures) -> None:
        self._figures = figures

    def describe(self) -> Iterator[Metric]:
        """Nothing: its registry has no other collectors that could have the same names."""
        yield from ()

    def collect(self) -> Iterator[Metric]:
        """Each family that has figures."""
        now = time.monotonic()
        for name, family in FAMILIES.items():
            if name in self._figures:
                yield _metric(family, self._figures[name], now)


def _metric(family: Family, cells: dict[Labels, list[float]], now: float) -> Metric:
    match family.kind:
        case Kind.HISTOGRAM:
            return _histogram(family, cells)
        case Kind.COUNTER:
            counter = CounterMetricFamily(family.name, family.help, labels=family.labels)
            for labels, values in cells.items():
                counter.add_metric(labels, values[0])
            return counter
        case Kind.GAUGE | Kind.SINCE:
            gauge = GaugeMetricFamily(family.name, family.help, labels=family.labels)
            for labels, values in cells.items():
                gauge.add_metric(labels, max(now - values[0], 0.0) if family.kind is Kind.SINCE else values[0])
            return gauge


def _histogram(family: Family, cells: dict[Labels, list[float]]) -> Metric:
    histogram = HistogramMetricFamily(family.name, family.help, labels=family.labels)
    bounds = [*map(repr, family.bounds), "+Inf"]
    for labels, values in cells.items():
        buckets = list(zip(bounds, accumulate(values[:-1]), strict=True))
        histogram.add_metric(labels, buckets, values[-1])
    return histogram
