"""The rules that every Compose file of the repository keeps, as functions that tell what breaks them."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import yaml

from duly.settings import PREFIX, Settings
from duly.settings_rules import OTHER_VARIABLES
from tests.support.dockerfiles import Stage, pinned, stage_of

SETTINGS = {*(PREFIX + name.upper() for name in Settings.model_fields), *OTHER_VARIABLES}
INTERNAL_PORTS = {"5432", "3306", "6379", "5672", "5671", "4369", "25672", "8081"}
ENDS = "service_completed_successfully"
CONDITIONS = {"service_healthy", ENDS}
UNTOLD = "$"  # stands for what only the environment knows

_SECRET = re.compile(r"(PASS|PASSWORD|SECRET|SECRETS|TOKEN|KEY|AUTH)$")
_OPTION = re.compile(r"^--?\w*pass(word)?$")
_USED = re.compile(r"\$\{(?P<name>\w+)(?P<rest>[^}]*)\}")
_PASSWORD_IN_URL = re.compile(r"://[^:/@\s]*:(?P<password>[^@/\s]+)@")


@dataclass(frozen=True)
class ComposeFile:
    """A Compose file, and where it lies."""

    path: Path
    content: Mapping[str, Any]

    @property
    def services(self) -> Mapping[str, Mapping[str, Any]]:
        """By name."""
        return self.content["services"]

    def stage(self, service: Mapping[str, Any]) -> Stage | None:
        """What the service is built from; None where its image is somebody else's."""
        build = service.get("build")
        if build is None:
            return None
        told = {"context": build} if isinstance(build, str) else build
        dockerfile = self.path.parent / told.get("context", ".") / told.get("dockerfile", "Dockerfile")
        return stage_of(dockerfile, told.get("target"))

    def lasting(self) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """The services that nobody waits to see ended."""
        ending = {name for service in self.services.values() for name, how in conditions(service) if how == ENDS}
        yield from ((name, service) for name, service in self.services.items() if name not in ending)


def read(path: Path) -> ComposeFile:
    """The file, with its anchors resolved and its variables left as they are."""
    return ComposeFile(path, yaml.safe_load(path.read_text(encoding="utf-8")))


def conditions(service: Mapping[str, Any]) -> list[tuple[str, str | None]]:
    """What the service waits for, and for what of it."""
    waits = service.get("depends_on", {})
    return [(name, waits[name].get("condition") if isinstance(waits, Mapping) else None) for name in waits]


def environment(service: Mapping[str, Any]) -> dict[str, str]:
    """Its variables, in whichever of the two forms they are written."""
    told = service.get("environment", {})
    if isinstance(told, list):
        told = dict(entry.partition("=")[::2] for entry in told)
    return {name: "" if value is None else str(value) for name, value in told.items()}


def example_env(path: Path) -> dict[str, str]:
    """The variables of the ``.env.example`` beside the file."""
    example = path.parent / ".env.example"
    lines = example.read_text(encoding="utf-8").splitlines() if example.exists() else []
    return dict(line.partition("=")[::2] for line in lines if line.strip() and not line.startswith("#"))


def flaws(file: ComposeFile) -> list[str]:
    """What breaks the rules, a sentence each."""
    rules = (images, health, waiting, ports, settings, restraint, secrets, examples)
    return sorted({flaw for rule in rules for flaw in rule(file)})


def images(file: ComposeFile) -> Iterator[str]:
    """Of every image one can say tomorrow which it was."""
    for name, service in file.services.items():
        stage = file.stage(service)
        image = defaulted(service["image"]) if stage is None else stage.image
        if not pinned(image):
            yield f"{name}: the image {image} is not pinned"


def health(file: ComposeFile) -> Iterator[str]:
    """Whoever runs on can be asked whether it is well."""
    for name, service in file.lasting():
        stage = file.stage(service)
        told = service.get("healthcheck", {})
        if told.get("disable") or not (told.get("test") or (stage is not None and stage.checked)):
            yield f"{name}: no health check"


def waiting(file: ComposeFile) -> Iterator[str]:
    """Who waits for a service says until when; and it is there whenever somebody waits for it."""
    for name, service in file.services.items():
        for other, condition in conditions(service):
            if condition not in CONDITIONS:
                yield f"{name}: waits for {other} without saying until when"
            missing = file.services.get(other) is None
            if missing or not _profiles(service) <= (_profiles(file.services[other]) or _profiles(service)):
                yield f"{name}: {other} is not there in every profile that {name} is in"


def ports(file: ComposeFile) -> Iterator[str]:
    """The host sees what people need, and on its own address only."""
    for name, service in file.services.items():
        for port in service.get("ports", []):
            host, inner = _published(port)
            if host != "127.0.0.1":
                yield f"{name}: port {inner} is published to everybody"
            if inner in INTERNAL_PORTS:
                yield f"{name}: port {inner} is nobody's business outside"


def settings(file: ComposeFile) -> Iterator[str]:
    """What looks like a setting of Duly's is one."""
    used = {match["name"] for text in _texts(file.content) for match in _USED.finditer(text)}
    for service in file.services.values():
        used |= environment(service).keys()
    for name in sorted(used | example_env(file.path).keys()):
        if name.startswith(PREFIX) and name not in SETTINGS:
            yield f"{name} is no setting"


def restraint(file: ComposeFile) -> Iterator[str]:
    """What is built here runs as nobody, and writes where it was told to only."""
    for name, service in file.services.items():
        stage = file.stage(service)
        if stage is None:
            continue
        user = str(service.get("user", stage.user)).partition(":")[0]
        if user in {"", "0", "root"}:
            yield f"{name}: runs as root"
        if service.get("read_only") is not True:
            yield f"{name}: may write to its root file system"


def secrets(file: ComposeFile) -> Iterator[str]:
    """No secret is written down: neither as a variable, nor as its default, nor in an address."""
    told = [(name, value) for service in file.services.values() for name, value in environment(service).items()]
    for name, value in [*told, *example_env(file.path).items()]:
        if _SECRET.search(name) and defaulted(value) and not _harmless(name, value):
            yield f"{name} has its value written down"
    for name, service in file.services.items():
        words = list(_texts([service.get("command", [])]))
        if any(_OPTION.search(option) and defaulted(value) for option, value in pairwise(words)):
            yield f"{name} has a password written down in its command"
    for text in [*_texts(file.content), *example_env(file.path).values()]:
        for match in _PASSWORD_IN_URL.finditer(defaulted(text, hidden=UNTOLD)):
            if match["password"] != UNTOLD:
                yield f"{match.group()} has a password written down"


def examples(file: ComposeFile) -> Iterator[str]:
    """What one must set is in ``.env.example``."""
    known = example_env(file.path)
    for text in _texts(file.content):
        for match in _USED.finditer(text):
            if match["rest"].startswith((":?", "?")) and match["name"] not in known:
                yield f"{match['name']} must be set, and .env.example does not have it"


def defaulted(text: str, hidden: str = "") -> str:
    """The text with the defaults of its variables; where one has none, ``hidden`` stands."""

    def default(match: re.Match[str]) -> str:
        rest = match["rest"]
        return (rest.removeprefix(":").removeprefix("-") if rest.startswith((":-", "-")) else "") or hidden

    return _USED.sub(default, text)


def _harmless(name: str, value: str) -> bool:
    """A choice, not a secret: DULY_AUTH=required, MARIADB_RANDOM_ROOT_PASSWORD=1."""
    return name == f"{PREFIX}AUTH" or (name.endswith("RANDOM_ROOT_PASSWORD") and value == "1")


def _profiles(service: Mapping[str, Any]) -> set[str]:
    return set(service.get("profiles", ()))


def _published(port: str | int | Mapping[str, Any]) -> tuple[str, str]:
    """Its address on the host, and its number inside."""
    if isinstance(port, Mapping):
        return str(port.get("host_ip", "")), str(port["target"])
    host, _, rest = defaulted(str(port), hidden="1").rpartition(":")
    return host.rpartition(":")[0], rest.partition("/")[0]


def _texts(value: object) -> Iterator[str]:
    """Every text in it."""
    match value:
        case str():
            yield value
        case Mapping():
            for inner in value.values():
                yield from _texts(inner)
        case list():
            for inner in value:
                yield from _texts(inner)
