"""Reads what `/metrics` says, as Prometheus would."""

from prometheus_client.parser import text_string_to_metric_families


def samples(text: str) -> dict[tuple[str, ...], float]:
    """Each value by its name and its labels' values, the labels in the order of their names."""
    return {
        (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def names(text: str) -> set[str]:
    """The names that a query may ask for."""
    return {sample.name for family in text_string_to_metric_families(text) for sample in family.samples}
