"""Finds the app that a command names: ``module:attribute``, with the app's folder first on the path."""

import importlib
import sys
import traceback
from pathlib import Path
from types import ModuleType
from typing import TypeVar

from duly.domain.errors import Misconfigured

T = TypeVar("T")


def find(reference: str, folder: Path, kind: type[T]) -> T:
    """The object that is meant. Raises Misconfigured, saying what was tried and what is there instead."""
    module_name, _, attribute = reference.partition(":")
    if not module_name or not attribute:
        raise Misconfigured(
            f"{reference!r} names no app: write module:attribute, as in app:duly for `duly = Duly()` in app.py."
        )
    module = _import(module_name, folder)
    found: object = module
    for name in attribute.split("."):
        if not hasattr(found, name):
            raise Misconfigured(f"{module_name} ({module.__file__}) has no {attribute!r}. {_others(module, kind)}")
        found = getattr(found, name)
    if not isinstance(found, kind):
        raise Misconfigured(
            f"{reference} is of type {type(found).__name__}, not {kind.__name__}. {_others(module, kind)}"
        )
    return found


def _import(name: str, folder: Path) -> ModuleType:
    place = str(folder.resolve())
    if place not in sys.path:
        sys.path.insert(0, place)
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and (name == error.name or name.startswith(f"{error.name}.")):
            raise Misconfigured(
                f"There is no module {error.name!r}: looked in {place}, then where Python finds installed packages. "
                f"Change to the app's folder, or name it with --app-dir."
            ) from None
        raise Misconfigured(_broken(name, error)) from error
    except Exception as error:  # the user's module may raise anything while it is imported
        raise Misconfigured(_broken(name, error)) from error


def _broken(name: str, error: Exception) -> str:
    """The user's own frames: ours and the import machinery's say nothing."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = (__file__, importlib.__file__)
    own = [frame for frame in frames if not frame.filename.startswith("<frozen") and frame.filename not in ours]
    told = "".join([*traceback.format_list(own), *traceback.format_exception_only(error)])
    return f"The module {name!r} was found, but importing it failed:\n{told.rstrip()}"


def _others(module: ModuleType, kind: type[object]) -> str:
    names = sorted(name for name, value in vars(module).items() if isinstance(value, kind))
    if not names:
        return f"There is no {kind.__name__} in it."
    return "There is " + ", ".join(f"{module.__name__}:{name}" for name in names) + "."
