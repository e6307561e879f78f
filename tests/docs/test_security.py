"""The page on security: each of its lines is shown by tests that exist."""

import ast
import re

import pytest

from tests.docs.pages import ROOT

PAGE = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
LINES = [
    line for line in PAGE.splitlines() if line.startswith("| ") and not line.startswith(("| cannot |", "| | ", "| ---"))
]
NAMED = sorted(set(re.findall(r"`([\w/]+\.py): (test_\w+)`", PAGE)))


@pytest.mark.parametrize("line", LINES, ids=lambda line: line[2:60])
def test_each_line_names_a_test(line):
    assert re.search(r"`[\w/]+\.py: test_\w+`", line)


@pytest.mark.parametrize(("file", "name"), NAMED, ids=str)
def test_each_test_that_is_named_exists(file, name):
    tree = ast.parse((ROOT / "tests" / file).read_text(encoding="utf-8"))

    assert name in {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
