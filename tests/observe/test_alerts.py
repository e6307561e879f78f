"""The alert rules: valid, about metrics that there are, each with a runbook, and firing when they should."""

import shutil
import subprocess

import pytest
import yaml

from tests.observe.queries import ROOT, RULES, asked, exposed, labels, labels_asked
from tests.support.servers import missing

RUNBOOKS = ROOT / "docs" / "operate" / "runbooks"
_GROUPS = yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"]
_RULES = [rule for group in _GROUPS for rule in group["rules"]]
RECORDED = {rule["record"] for rule in _RULES if "record" in rule}
ALERTS = [rule for rule in _RULES if "alert" in rule]


def promtool(*arguments: str) -> subprocess.CompletedProcess[str]:
    program = shutil.which("promtool") or missing("promtool is not there: install Prometheus.")
    return subprocess.run([program, *arguments], cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)


def test_the_rules_are_valid():
    checked = promtool("check", "rules", str(RULES))

    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_each_alert_fires_on_what_it_is_for_and_on_nothing_else():
    tested = promtool("test", "rules", "tests/observe/alerts.test.yml")

    assert tested.returncode == 0, tested.stdout + tested.stderr


def test_each_alert_is_tried():
    tried = (ROOT / "tests" / "observe" / "alerts.test.yml").read_text(encoding="utf-8")

    assert [rule["alert"] for rule in ALERTS if rule["alert"] not in tried] == []


@pytest.mark.parametrize("rule", _RULES, ids=lambda rule: rule.get("alert") or rule["record"])
def test_a_rule_asks_for_metrics_and_labels_that_there_are(rule):
    assert asked(rule["expr"]) - exposed() - RECORDED == set()
    assert labels_asked(rule["expr"]) - labels() == set()


@pytest.mark.parametrize("rule", ALERTS, ids=lambda rule: rule["alert"])
def test_an_alert_names_its_runbook_which_names_the_alert(rule):
    page = ROOT / rule["annotations"]["runbook"]

    assert f"Alert `{rule['alert']}`." in page.read_text(encoding="utf-8")
    assert rule["annotations"]["runbook_url"].endswith(f"/operate/runbooks/{page.stem}")
    assert rule["labels"]["severity"] in {"warning", "critical"}


def test_every_runbook_belongs_to_an_alert():
    pages = {page.name for page in RUNBOOKS.glob("*.md")} - {"README.md"}

    assert pages == {rule["annotations"]["runbook"].rpartition("/")[2] for rule in ALERTS}
