"""Tables for people."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from duly.cli.table import shown, table


def test_columns_are_as_wide_as_they_need():
    assert table(("ID", "STATE"), [("1", "pending"), ("200", None)]) == "ID   STATE\n1    pending\n200  -"


def test_a_table_without_rows_is_its_heads():
    assert table(("ID", "STATE"), []) == "ID  STATE"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "-"),
        ([], "-"),
        (["a", "b"], "a,b"),
        (datetime(2026, 6, 1, 12, tzinfo=UTC), "2026-06-01 12:00:00"),
        (datetime(2026, 6, 1, 12, tzinfo=timezone(timedelta(hours=2))), "2026-06-01 10:00:00"),
        (timedelta(milliseconds=3), "3ms"),
        (timedelta(seconds=42), "42.0s"),
        (timedelta(minutes=5), "5m"),
        (timedelta(days=3), "3d"),
        ("a\nb\tc\x1b[31m\u202e\ud800 d", r"a\nb\tc\x1b[31m\u202e\ud800 d"),
    ],
)
def test_values_are_shown_as_people_read_them(value, text):
    assert shown(value) == text
