"""The tables that are made of runs."""

from pathlib import Path

from duly.torture.plan import Plan
from duly.torture.records import Json
from duly.torture.sheet import pair, tables


def a_sheet(**other: object) -> Json:
    fault = {"name": "cut", "scenario": "cut store", "during": 5.0, "back": 2.4}
    row = {"lost": "0", "doubled": "0", "innocent": "0", "others": "0", "refused": "2", "recovery": "7.1 s"}
    about = {"pair": "postgresql+redis", "tasks": 1234, "faults": [fault], "row": row, "before": 10.0, "after": 9.9}
    made = {"slowest_end": 3.1, "command": "duly torture --store postgresql", "commit": "abc1234", "machine": "Linux"}
    return {**about, **made, **other}


def test_a_run_is_named_by_its_store_and_what_else_it_has() -> None:
    folder = Path()

    assert pair(Plan(folder=folder)) == "sqlite"
    assert pair(Plan(folder=folder, store="postgresql", broker="redis", cache="redis")) == "postgresql+redis"
    assert pair(Plan(folder=folder, store="mariadb://h/d", broker="celery+redis://h")) == "mariadb+celery"


def test_each_run_is_a_row_and_each_scenario_has_its_rates_in_per_cent() -> None:
    other = a_sheet(pair="sqlite", faults=[])

    made = tables([a_sheet(), other])

    assert "| postgresql+redis | 1,234 | 1 | 0 | 0 | 0 | 0 | 2 | 7.1 s | 10.0/s | 9.9/s | 2 s | 3.1 s |" in made
    assert "| cut store | 50%, 2 s | – |" in made
    assert "- `duly torture --store postgresql` at abc1234 (Linux)" in made


def test_a_rate_that_did_not_come_back_is_told() -> None:
    fault = {"name": "cut", "scenario": "cut store", "during": 5.0, "back": None}

    made = tables([a_sheet(faults=[fault, {**fault, "back": 2.4}])])

    assert "| cut store | 50%, not in 60 s |" in made
