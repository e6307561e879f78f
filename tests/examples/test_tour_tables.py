"""The tour's tables."""

import gzip
import hashlib

import pytest
from pydantic import ValidationError

from tour import tables
from tour.inputs import make_journeys
from tour.tables import Group, Totals, aggregate

SMALL = "name,n\na,1\nb,2.5\na,3\n"


def silent(_fraction: float, _note: str) -> None:
    """Nobody listens."""


def test_a_table_is_grouped_and_summed():
    totals = aggregate(SMALL, "name", "n", 10, silent)

    assert totals == Totals(
        rows=3,
        skipped=0,
        groups=2,
        largest_groups=[Group("a", 2, 4.0, 2.0, 2.0, 1.0, 3.0), Group("b", 1, 2.5, 2.5, 2.5, 2.5, 2.5)],
    )


def test_the_sample_has_100_000_rows_and_each_is_counted():
    heard: list[float] = []

    totals = aggregate(
        tables.text_of(tables.Sample(sample="journeys")), "from_station", "minutes", 1, lambda f, _: heard.append(f)
    )

    assert (totals.rows, totals.skipped, totals.groups) == (100_000, 0, 12)
    assert totals.largest_groups == [
        Group("Main Station", 17035, 255671.0, 15.0086, 13.5, 1.6, 75.1),
    ]
    assert heard == sorted(heard)
    assert len(heard) == 50


def test_the_committed_sample_is_what_its_script_makes():
    made = "\n".join(make_journeys.rows(make_journeys.Random(1865))) + "\n"

    kept = gzip.decompress((tables.INPUTS / "journeys.csv.gz").read_bytes())

    assert hashlib.sha256(made.encode()).hexdigest() == hashlib.sha256(kept).hexdigest()


@pytest.mark.parametrize("field", ["", "n/a", "nan", "inf", "-inf", "1e301"])
def test_a_field_that_is_no_finite_number_is_skipped_and_counted(field):
    totals = aggregate(f"name,n\na,{field}\na,2\n", "name", "n", 10, silent)

    assert (totals.rows, totals.skipped, totals.largest_groups[0].total) == (2, 1, 2.0)


def test_short_rows_blank_lines_and_a_byte_order_mark_do_no_harm():
    totals = aggregate('\ufeffname , n\n\n"a, b",1\nlonely\n', "name", "n", 10, silent)

    assert (totals.rows, totals.skipped, totals.largest_groups[0].name) == (2, 1, "a, b")


def test_an_unknown_column_is_named_with_those_that_exist():
    with pytest.raises(tables.UnknownColumn, match="no column 'x'; the columns are name, n"):
        aggregate(SMALL, "x", "n", 10, silent)


def test_text_that_is_no_csv_says_in_which_line():
    with pytest.raises(tables.NotCsv, match="Line 2"):
        aggregate('name,n\n"a"b,1\n', "name", "n", 10, silent)


@pytest.mark.parametrize("name", ["/etc/passwd", "../inputs/journeys", "journeys.csv", ""])
def test_no_file_can_be_asked_for_but_those_of_the_list(name):
    with pytest.raises(ValidationError):
        tables.Sample.model_validate({"sample": name})
