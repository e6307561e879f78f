"""The look-up of known weaknesses: it fails for what it finds, and says when it could not look."""

import importlib.util
import json
from pathlib import Path

import pytest

AUDIT = Path(__file__).parents[2] / ".ci" / "audit.py"

CLEAN = {"name": "httpx", "version": "0.28.1", "vulns": []}
SKIPPED = {"name": "duly", "skip_reason": "Dependency not found on PyPI"}
WEAK = {"name": "jinja2", "version": "2.4", "vulns": [{"id": "PYSEC-2014-8", "fix_versions": ["2.7.3"]}]}
WORSE = {"name": "pillow", "version": "1.0", "vulns": [{"id": "PYSEC-1", "fix_versions": []}]}


@pytest.fixture(scope="module")
def audit():
    spec = importlib.util.spec_from_file_location("audit", AUDIT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def report(*packages):
    return json.dumps({"dependencies": packages, "fixes": []})


def test_a_known_weakness_fails_and_is_named(audit):
    assert audit.verdict(report(CLEAN, WEAK, WORSE), "") == (
        True,
        "known weaknesses:\n  jinja2 2.4: PYSEC-2014-8 (mended in 2.7.3)\n  pillow 1.0: PYSEC-1 (mended in none yet)",
    )


def test_what_was_looked_up_is_counted(audit):
    assert audit.verdict(report(CLEAN, SKIPPED), "") == (False, "1 of 2 packages audited, no weakness is known.")


def test_an_index_without_advisories_is_no_clean_audit(audit):
    """Behind an index mirror pip-audit skips every package, says so among its rows, and succeeds."""
    failed, said = audit.verdict(report(SKIPPED, SKIPPED), "")

    assert (failed, said) == (
        False,
        "NOT AUDITED: the index that answers knows advisories of none of the 2 packages.",
    )


def test_without_a_network_it_says_so_and_does_not_fail(audit):
    assert audit.verdict("", "ConnectionError: no route") == (
        False,
        "NOT AUDITED: the advisories cannot be reached: ConnectionError: no route",
    )
