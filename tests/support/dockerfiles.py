"""What a Dockerfile says of its stages: as much of it as the tests ask."""

import re
from dataclasses import dataclass, replace
from pathlib import Path

_FROM = re.compile(r"FROM\s+(?:--\S+\s+)*(?P<base>\S+)(?:\s+AS\s+(?P<name>\S+))?", re.IGNORECASE)
_ARGUMENT = re.compile(r"\$\{?(\w+)\}?")


@dataclass(frozen=True)
class Stage:
    """One ``FROM``. What it takes from its base is in it; ``image``: what it stands on in the end."""

    name: str
    image: str
    user: str = "root"
    checked: bool = False


def stages(dockerfile: Path) -> list[Stage]:
    """All stages, in the file's order."""
    found: list[Stage] = []
    arguments: dict[str, str] = {}
    for line in dockerfile.read_text(encoding="utf-8").replace("\\\n", " ").splitlines():
        word, _, rest = line.strip().partition(" ")
        match word.upper():
            case "ARG" if not found:
                name, _, default = rest.strip().partition("=")
                arguments[name] = default
            case "FROM":
                found.append(_begun(line.strip(), arguments, found))
            case "USER":
                found[-1] = replace(found[-1], user=rest.strip())
            case "HEALTHCHECK":
                found[-1] = replace(found[-1], checked=rest.strip().upper() != "NONE")
    return found


def _begun(line: str, arguments: dict[str, str], before: list[Stage]) -> Stage:
    told = _FROM.match(line)
    assert told is not None, line
    base = _ARGUMENT.sub(lambda use: arguments.get(use[1], ""), told["base"])
    name = told["name"] or ""
    for stage in before:
        if stage.name == base:
            return replace(stage, name=name)
    return Stage(name, base)


def stage_of(dockerfile: Path, target: str | None) -> Stage:
    """The stage that is built: the one that is named, else the last."""
    found = stages(dockerfile)
    return found[-1] if target is None else next(stage for stage in found if stage.name == target)


def pinned(image: str) -> bool:
    """Whether the name means the same image tomorrow: a digest, or a tag with two numbers at least."""
    name, _, digest = image.partition("@")
    tag = name.rpartition("/")[2].partition(":")[2]
    return digest.startswith("sha256:") or re.match(r"v?\d+\.\d+", tag) is not None
