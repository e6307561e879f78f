"""The reference of Python names and of commands, made from the code itself."""

import ast
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

import duly
from duly import client, testing
from duly.cli.main import build

PYTHON = """# Python

Made from the code by `make docs`. What is not here is not public.
"""

COMMANDS = """# Commands

Made from the code by `make docs`. `duly --help` and `duly <command> --help` say the same. A command exits with 0 when
it is done, with 1 when the operation failed, and with 2 when the command line, a setting or the app is wrong.
"""

_MARKUP = re.compile(r"\[/?bold\]")


def python() -> str:
    """The page of the public names."""
    sections = (
        ("`duly`: what an application imports", duly, duly.__all__),
        ("`duly.testing`: for tests of handlers", testing, testing.__all__),
        ("`duly.client`: a running service, over HTTP", client, client.__all__),
    )
    parts = [PYTHON]
    for title, module, names in sections:
        parts.append(f"\n## {title}\n")
        parts += [_name(getattr(module, name)) for name in names if inspect.isclass(getattr(module, name))]
        parts += [_name(getattr(module, name)) for name in names if inspect.isfunction(getattr(module, name))]
    return "".join(parts)


def commands() -> str:
    """The page of the commands."""
    group: Any = typer.main.get_command(build())
    return COMMANDS + "".join(_command(name, command) for name, command in _leaves(group, ""))


def _leaves(group: Any, prefix: str) -> Iterator[tuple[str, Any]]:
    """The commands, also those in groups, by their whole names."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from _leaves(command, f"{prefix}{name} ")
        else:
            yield prefix + name, command


def _name(thing: Any) -> str:
    tree = _source(thing)
    shown = [f"\n### `{tree.name}`\n\n{_text(tree)}"]
    if isinstance(tree, ast.ClassDef):
        shown.append(_fields(tree))
        shown += [_method(node) for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    else:
        shown.append(f"```python\n{_signature(tree)}\n```\n")
    return "".join(part for part in shown if part)


def _fields(tree: ast.ClassDef) -> str:
    """What a dataclass takes, or the members of an enumeration."""
    lines = [ast.unparse(node) for node in tree.body if isinstance(node, ast.AnnAssign | ast.Assign)]
    public = [line for line in lines if not line.startswith(("_", "model_config"))]
    return "\n```python\n" + "\n".join(public) + "\n```\n" if public and tree.name != "Settings" else ""


def _method(node: ast.FunctionDef | ast.AsyncFunctionDef) -> str:
    if node.name.startswith("_") or any(ast.unparse(mark) == "overload" for mark in node.decorator_list):
        return ""
    if any(ast.unparse(mark) == "property" for mark in node.decorator_list):
        return f"\n**`{node.name}`** {_text(node)}"
    return f"\n```python\n{_signature(node)}\n```\n\n{_text(node)}"


def _signature(node: ast.FunctionDef | ast.AsyncFunctionDef) -> str:
    keyword = "async def" if isinstance(node, ast.AsyncFunctionDef) else "def"
    return f"{keyword} {node.name}({_plain(node.args)}) -> {_plain(node.returns) if node.returns else None}: ..."


def _text(node: ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) -> str:
    return (ast.get_docstring(node) or "").replace("``", "`") + "\n"


def _source(thing: Any) -> ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef:
    wanted = inspect.unwrap(thing)
    file = Path(str(inspect.getsourcefile(wanted)))
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and node.name == wanted.__name__:
            return node
    raise LookupError(f"{thing!r} is not at the top level of {file}")


def _command(name: str, command: Any) -> str:
    shown = [parameter for parameter in command.params if not getattr(parameter, "hidden", False)]
    arguments = " ".join(_metavar(one) for one in shown if one.param_type_name == "argument")
    text = _MARKUP.sub("`", inspect.cleandoc(command.help or ""))
    head = f"\n## `duly {name}{' ' + arguments if arguments else ''}`\n\n{text}\n"
    return head + "".join(_options(shown))


def _options(parameters: list[Any]) -> Iterator[str]:
    rows = [_option(one) for one in parameters]
    if rows:
        yield "\n| | |\n| --- | --- |\n"
        yield from rows


def _option(parameter: Any) -> str:
    names = ", ".join(f"`{name}`" for name in parameter.opts if name.startswith("-")) or f"`{parameter.name}`"
    default = parameter.default
    plain = isinstance(default, str | int) and not isinstance(default, bool) and "[default" not in _help(parameter)
    return f"| {names} | {_help(parameter)}{f' Default: `{default}`.' if plain else ''} |\n"


def _help(parameter: Any) -> str:
    return " ".join(str(getattr(parameter, "help", None) or "").split()).replace("|", "\\|")


def _metavar(argument: Any) -> str:
    name = str(argument.metavar or argument.name.upper())
    return name if argument.required else f"[{name}]"


def _plain(node: ast.AST) -> str:
    """The annotation as it reads where nothing is imported late."""
    return re.sub(r"'([A-Z]\w*)'", r"\1", ast.unparse(node))
