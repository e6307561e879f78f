"""What the benchmark of many workers reckons by itself."""

import pytest
from benchmarks.fleet.looks import quantile

from duly.domain.families import CLAIM_TIME


def claims(**counts: int) -> list[float]:
    names = [f"ms{bound * 1000:g}".replace(".", "_") for bound in CLAIM_TIME.bounds]
    return [float(counts.get(name, 0)) for name in [*names, "longer"]]


@pytest.mark.parametrize(
    ("counts", "half", "most"),
    [
        (claims(ms10=100), 0.0075, 0.00995),
        (claims(ms1=98, ms1000=2), 0.0005102, 0.75),
        (claims(longer=5), 10.0, 10.0),
    ],
)
def test_a_share_of_the_claims_lies_within_its_bucket(counts, half, most):
    assert quantile(counts, 0.5) == pytest.approx(half, rel=1e-3)
    assert quantile(counts, 0.99) == pytest.approx(most, rel=1e-3)
