"""Makes the generated parts of the documentation anew: `make docs`.

- the rows of the settings, on the page and in the section where each one stands;
- the table of problems;
- the tables of metrics, and of what was measured under faults;
- the reference of Python names and of commands;
- `openapi.json`, and the table of standards and tests;
- the page of mistakes: what `mistakes.toml` says of each, and the tests that are marked with its number.
"""

import ast
import re
import sys
import tomllib
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from pathlib import Path

from pydantic import ByteSize

from docs import metrics_pages, reference_pages, standards_pages, torture_pages
from duly.api import problems
from duly.settings import PREFIX, Settings

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"

_ROW = re.compile(rf"^\| `({PREFIX}\w+)` \|.*\n", re.MULTILINE)
_UNITS = (("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1))

PROBLEMS = """# Problems

Every error that Duly answers over HTTP is a problem document ([RFC 9457](https://www.rfc-editor.org/rfc/rfc9457)) with
the media type `application/problem+json`. Its `code` is stable; `title` and `detail` are for people and may change.
`type` is an address that ends in the code.

| status | code | |
| --- | --- | --- |
"""

MISTAKES = """# Mistakes

What systems of "web framework, queue and database" get wrong, collected from the issue trackers of some twenty of them;
and for each, how Duly prevents it and which tests show that. The tests carry the number: `@pytest.mark.mistake(30)`. A
line without a test says so. This page is made by `make docs` from `docs/mistakes.toml` and the tests.
"""


def pages() -> Mapping[Path, str]:
    """Every generated page as it should be."""
    settings, metrics = DOCS / "operate" / "settings.md", DOCS / "operate" / "metrics.md"
    faults = DOCS / "operate" / "faults.md"
    return {
        metrics: metrics_pages.with_metrics(metrics.read_text(encoding="utf-8")),
        faults: torture_pages.with_faults(faults.read_text(encoding="utf-8")),
        settings: with_settings(settings.read_text(encoding="utf-8")),
        DOCS / "problems" / "README.md": PROBLEMS + "".join(_problem_rows()),
        DOCS / "mistakes.md": mistakes(),
        DOCS / "reference" / "python.md": reference_pages.python(),
        DOCS / "reference" / "commands.md": reference_pages.commands(),
        DOCS / "reference" / "openapi.json": standards_pages.openapi(),
        DOCS / "reference" / "standards.md": standards_pages.standards(),
    }


def with_settings(page: str) -> str:
    """The page with each row as the code has it. A setting that has no row yet gets one at the end."""
    rows = {PREFIX + name.upper(): row for name, row in _setting_rows().items()}
    known = set(_ROW.findall(page))
    kept = _ROW.sub(lambda row: rows.get(row[1], ""), page)
    return kept + "".join(row for name, row in rows.items() if name not in known)


def mistakes() -> str:
    """The page of mistakes."""
    shown = _tests_by_mistake()
    parts = [MISTAKES]
    for section in tomllib.loads((DOCS / "mistakes.toml").read_text(encoding="utf-8"))["section"]:
        parts.append(f"\n## {section['name']}\n")
        parts += [_mistake(entry, shown[entry["n"]]) for entry in section["mistake"]]
    return "".join(parts)


def _mistake(entry: Mapping[str, object], tests: Sequence[str]) -> str:
    lines = [f"\n**{entry['n']}. {entry['text']}**\n", f"{entry['how']}\n"]
    if tests:
        lines.append("Shown by " + ",\n".join(f"`{test}`" for test in tests) + ".\n")
    elif not entry.get("idle"):
        lines.append("*No test carries this number yet.*\n")
    return "".join(lines)


def _tests_by_mistake() -> Mapping[object, list[str]]:
    found: dict[object, list[str]] = defaultdict(list)
    for file in sorted((ROOT / "tests").rglob("test_*.py")):
        for number, name in _marked(ast.parse(file.read_text(encoding="utf-8"))):
            found[number].append(f"{file.relative_to(ROOT / 'tests')}: {name}")
    return found


def _marked(tree: ast.Module) -> Iterator[tuple[object, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            for mark in node.decorator_list:
                if isinstance(mark, ast.Call) and ast.unparse(mark.func) == "pytest.mark.mistake":
                    yield from ((ast.literal_eval(number), node.name) for number in mark.args)


def _problem_rows() -> Iterator[str]:
    rows = {*problems.TABLE.values(), *problems._ROUTING.values(), problems.INTERNAL}  # noqa: SLF001
    titles = {(row.status, row.code): _title(row.code) for row in rows}
    for (status, code), title in sorted(titles.items()):
        yield f"| {status} | [`{code}`]({code}.md) | {title} |\n"


def _title(code: str) -> str:
    page = DOCS / "problems" / f"{code}.md"
    return page.read_text(encoding="utf-8").partition("\n")[0].removeprefix("# ")


def _setting_rows() -> Mapping[str, str]:
    return {
        name: f"| `{PREFIX}{name.upper()}` | {_shown(field.get_default(call_default_factory=True))} "
        f"| {field.description} |\n"
        for name, field in Settings.model_fields.items()
    }


def _shown(default: object) -> str:
    match default:
        case timedelta():
            return f"`{_duration(default)}`"
        case (_, *_):
            return f"`{','.join(default)}`"
        case ByteSize():
            return f"`{default.human_readable(separator='').replace('.0', '')}`"
        case bool():
            return f"`{str(default).lower()}`"
        case {} | "" | ():
            return ""
        case _:
            return f"`{default}`"


def _duration(time: timedelta) -> str:
    seconds = round(time.total_seconds())
    return next(f"{seconds // size}{unit}" for unit, size in _UNITS if seconds % size == 0)


def main() -> None:
    """Write what differs, and say which pages that were."""
    for page, text in pages().items():
        if not page.exists() or page.read_text(encoding="utf-8") != text:
            page.write_text(text, encoding="utf-8")
            sys.stdout.write(f"{page.relative_to(ROOT)}\n")


if __name__ == "__main__":
    main()
