"""The pages that are made from the HTTP surface and its tests: `openapi.json`, and which test shows which sentence."""

import ast
import json
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from duly.api.app import application
from duly.engine.handlers import Handlers
from duly.engine.service import Service

ROOT = Path(__file__).parents[1]

STANDARDS = """# Standards

Which rule of which standard is followed, in our own words, and the test that shows it. The tests carry it:
`@pytest.mark.standard("RFC 9110", "15.4.5", "…")`. This page is made by `make docs`.
"""


def openapi() -> str:
    """`/openapi.json` of a service without handlers: what every service has in common."""
    return json.dumps(application(_no_service, Handlers()).openapi(), indent=1, sort_keys=True) + "\n"


def standards() -> str:
    """The sentences by standard and section."""
    found: dict[str, list[tuple[str, str, str]]] = defaultdict(list)
    for file in sorted((ROOT / "tests").rglob("test_*.py")):
        for name, section, sentence, test in _marked(ast.parse(file.read_text(encoding="utf-8"))):
            found[name].append((section, sentence, f"{file.relative_to(ROOT / 'tests')}: {test}"))
    parts = [STANDARDS]
    for name, rows in sorted(found.items()):
        parts.append(f"\n## {name}\n\n| section | sentence | shown by |\n| --- | --- | --- |\n")
        parts += [f"| {section} | {sentence} | `{test}` |\n" for section, sentence, test in sorted(rows, key=_order)]
    return "".join(parts)


def _order(row: tuple[str, str, str]) -> tuple[list[int], str, str]:
    return [int(number) for number in row[0].split(".")], row[1], row[2]


def _marked(tree: ast.Module) -> Iterator[tuple[str, str, str, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            for mark in node.decorator_list:
                if isinstance(mark, ast.Call) and ast.unparse(mark.func) == "pytest.mark.standard":
                    name, section, sentence = (ast.literal_eval(argument) for argument in mark.args)
                    yield name, section, sentence, node.name


def _no_service() -> Service:
    raise AssertionError
