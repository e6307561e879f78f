"""Rules about the code and the tests themselves, read from them."""

import ast
from pathlib import Path

import pytest

from tests.contracts import places

ROOT = Path(__file__).parents[2]


def _imports(folder: str) -> set[tuple[str, str]]:
    found = set()
    for file in (ROOT / folder).rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found |= {(alias.name, str(file.relative_to(ROOT))) for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                found |= {(f"{node.module}.{alias.name}", str(file.relative_to(ROOT))) for alias in node.names}
    return found


@pytest.mark.mistake(46)
def test_nothing_that_could_run_code_out_of_data_is_imported():
    dangerous = ("pickle", "marshal", "shelve", "dill", "cloudpickle", "jsonpickle", "yaml")

    assert [(name, file) for name, file in _imports("src") if name.partition(".")[0] in dangerous] == []


@pytest.mark.mistake(46)
def test_modules_are_imported_by_name_only_where_the_command_line_or_a_registered_handler_gives_it():
    importing = {
        str(file.relative_to(ROOT / "src" / "duly"))
        for file in (ROOT / "src").rglob("*.py")
        if "import_module(" in (text := file.read_text(encoding="utf-8")) or "__import__(" in text
    }

    # These two import what a table in their own text names, and nothing else.
    ours = {"__init__.py", "cli/main.py"}
    assert importing - ours == {"cli/load.py", "engine/child.py"}


@pytest.mark.mistake(52)
def test_no_test_has_a_mock():
    mocks = ("unittest", "mock", "pytest_mock", "fakeredis", "mongomock")

    assert [(name, file) for name, file in _imports("tests") if name.partition(".")[0] in mocks] == []


@pytest.mark.mistake(52)
def test_the_contract_suite_runs_on_every_database_that_is_promised():
    assert set(places.KINDS) == {"memory", "sqlite", "postgresql", "mysql"}
