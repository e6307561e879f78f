"""The documentation says what is so: its links lead somewhere, and its lists are complete."""

import re
from pathlib import Path

import pytest

from docs import generate
from duly.api import problems
from duly.settings import PREFIX
from tests.docs.pages import ROOT, anchors, links, pages

DOCS = ROOT / "docs"


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path):
    broken = [target for target in links(page) if not _resolves(page, target)]

    assert broken == []


def test_every_page_of_the_docs_can_be_reached_from_the_first():
    reached, rest = set(), [DOCS / "README.md"]
    while rest:
        page = rest.pop()
        if page not in reached:
            reached.add(page)
            rest += [_target(page, target) for target in links(page) if target.partition("#")[0].endswith(".md")]

    assert [page for page in pages() if page.is_relative_to(DOCS) and page not in reached] == []


def test_every_problem_has_a_page_and_every_page_a_problem():
    rows = [*problems.TABLE.values(), *problems._ROUTING.values(), problems.INTERNAL]
    listed = (DOCS / "problems" / "README.md").read_text()

    assert {page.stem for page in (DOCS / "problems").glob("*.md")} - {"README"} == {row.code for row in rows}
    for row in rows:
        assert f"`{row.code}`, status {row.status}." in (DOCS / "problems" / f"{row.code}.md").read_text()
        assert f"| {row.status} | [`{row.code}`]({row.code}.md) |" in listed


def test_generated_pages_are_up_to_date():
    """If not: `make docs`."""
    made = {page: text for page, text in generate.pages().items() if page.name != "mistakes.md"}

    assert [page for page, text in made.items() if page.read_text(encoding="utf-8") != text] == []


@pytest.mark.full
def test_the_page_of_mistakes_names_the_tests_that_there_are():
    """If not: `make docs`. Not in the gate, where it would fail with every test that is given a number."""
    assert (DOCS / "mistakes.md").read_text(encoding="utf-8") == generate.mistakes()


def test_every_setting_stands_in_a_section():
    last = (DOCS / "operate" / "settings.md").read_text().rpartition("## ")[2]

    assert last.startswith("Logs")
    assert set(re.findall(rf"`({PREFIX}\w+)`", last)) == {"DULY_LOG_FORMAT", "DULY_LOG_LEVEL"}


def _target(page: Path, target: str) -> Path:
    place = target.partition("#")[0]
    return (page.parent / place).resolve() if place else page


def _resolves(page: Path, target: str) -> bool:
    found, anchor = _target(page, target), target.partition("#")[2]
    return found.exists() and (not anchor or anchor in anchors(found))
