"""The dashboards: readable by Grafana, and about metrics that there are."""

import json

import pytest
import yaml

from tests.observe.queries import DASHBOARDS, ROOT, asked, exposed, labels, labels_asked
from tests.observe.test_alerts import RECORDED


def board(path):
    return json.loads(path.read_text(encoding="utf-8"))


def expressions(path):
    """Of panels and of variables."""
    read = board(path)
    shown = [target["expr"] for panel in read["panels"] for target in panel.get("targets", ())]
    return shown + [variable["query"]["query"] for variable in read["templating"]["list"]]


def test_there_is_one_for_the_service_and_one_for_workers_and_queues():
    assert [path.stem for path in DASHBOARDS] == ["duly-service", "duly-workers"]
    assert [board(path)["uid"] for path in DASHBOARDS] == ["duly-service", "duly-workers"]


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_a_dashboard_asks_for_metrics_and_labels_that_there_are(path):
    for expression in expressions(path):
        assert asked(expression), expression
        assert asked(expression) - exposed() - RECORDED == set()
        assert labels_asked(expression) - labels() == set()


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_panels_have_ids_of_their_own_and_a_place_that_no_other_has(path):
    panels = board(path)["panels"]
    places = [
        (x, y)
        for panel in panels
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]

    assert len({panel["id"] for panel in panels}) == len(panels)
    assert len(set(places)) == len(places)
    assert max(x for x, _ in places) < 24


def test_every_metric_stands_on_a_dashboard():
    shown = {name for path in DASHBOARDS for expression in expressions(path) for name in asked(expression)}
    bare = {name.removesuffix("_bucket").removesuffix("_sum").removesuffix("_count") for name in shown}

    assert {name for name in exposed() if not name.endswith(("_bucket", "_sum", "_count"))} - bare == set()


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_panels_ask_the_data_source_that_is_provisioned(path):
    provisioned = ROOT / "observe" / "grafana" / "provisioning" / "datasources" / "prometheus.yml"
    (source,) = yaml.safe_load(provisioned.read_text(encoding="utf-8"))["datasources"]

    assert {panel["datasource"]["uid"] for panel in board(path)["panels"] if "datasource" in panel} == {source["uid"]}
