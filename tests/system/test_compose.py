"""The Compose files keep the rules, and a file that breaks one is found out."""

from collections.abc import Callable, Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml

from duly import __version__
from tests.support import compose
from tests.support.dockerfiles import pinned, stages

ROOT = Path(__file__).parents[2]
OURS = ROOT / "compose.yaml"
FILES = sorted(
    path
    for path in [*ROOT.glob("*compose*.y*ml"), *(ROOT / "examples").rglob("*compose*.y*ml")]
    if ".venv" not in path.parts
)
DOCKERFILES = sorted([ROOT / "Dockerfile", *(ROOT / "examples").rglob("Dockerfile*")])
PROFILES = {"dev", "embedded", "postgres", "postgres-rabbitmq", "postgres-redis", "mariadb", "celery", "observe"}

Services = dict[str, dict[str, Any]]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_compose_file_keeps_the_rules(path: Path):
    assert compose.flaws(compose.read(path)) == []


def _unpinned(services: Services) -> None:
    services["postgres"]["image"] = "postgres:latest"


def _untagged(services: Services) -> None:
    services["postgres"]["image"] = "postgres"


def _pinned_loosely_by_default(services: Services) -> None:
    services["redis"]["image"] = "redis:${REDIS_TAG:-7}"


def _without_health_check(services: Services) -> None:
    del services["rabbitmq"]["healthcheck"]


def _with_health_check_off(services: Services) -> None:
    services["worker"]["healthcheck"] = {"disable": True}


def _waiting_for_nothing_in_particular(services: Services) -> None:
    services["api-mariadb"]["depends_on"] = ["migrate-mariadb"]


def _waiting_for_a_start_only(services: Services) -> None:
    services["grafana"]["depends_on"] = {"prometheus": {"condition": "service_started"}}


def _waiting_for_what_is_not_started(services: Services) -> None:
    services["api-mariadb"]["depends_on"]["redis"] = {"condition": "service_healthy"}


def _published_to_all(services: Services) -> None:
    services["api"]["ports"] = ["${PORT:-8000}:8000"]


def _published_database(services: Services) -> None:
    services["postgres"]["ports"] = ["127.0.0.1:5432:5432"]


def _published_broker_in_the_long_form(services: Services) -> None:
    services["rabbitmq"]["ports"] = [{"target": 5672, "published": 5672, "host_ip": "127.0.0.1"}]


def _misspelt(services: Services) -> None:
    services["worker"]["environment"] = {"DULY_SLOT": "5"}


def _misspelt_in_a_list(services: Services) -> None:
    services["worker"]["environment"] = ["DULY_SLOT=5"]


def _misspelt_variable(services: Services) -> None:
    services["worker"]["environment"] = {"DULY_SLOTS": "${DULY_SLOT:-5}"}


def _root(services: Services) -> None:
    services["api"]["user"] = "0:0"


def _writable(services: Services) -> None:
    del services["api"]["read_only"]


def _literal_password(services: Services) -> None:
    services["postgres"]["environment"]["POSTGRES_PASSWORD"] = "hunter2"  # noqa: S105 - the fault that is planted


def _default_password(services: Services) -> None:
    services["postgres"]["environment"]["POSTGRES_PASSWORD"] = "${PARTS_PASSWORD:-hunter2}"  # noqa: S105 - the same


def _password_in_an_address(services: Services) -> None:
    services["api"]["environment"] = {"DULY_DATABASE_URL": "postgresql://duly:hunter2@postgres/duly"}


def _password_in_a_command(services: Services) -> None:
    services["redis"]["command"] = ["redis-server", "--requirepass", "hunter2"]


def _asked_for_and_not_in_the_example(services: Services) -> None:
    services["postgres"]["environment"]["POSTGRES_PASSWORD"] = "${DATABASE_PASSWORD:?}"  # noqa: S105 - a name


PLANTED: list[tuple[Callable[[Services], None], str]] = [
    (_unpinned, "postgres: the image postgres:latest is not pinned"),
    (_untagged, "postgres: the image postgres is not pinned"),
    (_pinned_loosely_by_default, "redis: the image redis:7 is not pinned"),
    (_without_health_check, "rabbitmq: no health check"),
    (_with_health_check_off, "worker: no health check"),
    (_waiting_for_nothing_in_particular, "api-mariadb: waits for migrate-mariadb without saying until when"),
    (_waiting_for_a_start_only, "grafana: waits for prometheus without saying until when"),
    (_waiting_for_what_is_not_started, "api-mariadb: redis is not there in every profile that api-mariadb is in"),
    (_published_to_all, "api: port 8000 is published to everybody"),
    (_published_database, "postgres: port 5432 is nobody's business outside"),
    (_published_broker_in_the_long_form, "rabbitmq: port 5672 is nobody's business outside"),
    (_misspelt, "DULY_SLOT is no setting"),
    (_misspelt_in_a_list, "DULY_SLOT is no setting"),
    (_misspelt_variable, "DULY_SLOT is no setting"),
    (_root, "api: runs as root"),
    (_writable, "api: may write to its root file system"),
    (_literal_password, "POSTGRES_PASSWORD has its value written down"),
    (_default_password, "POSTGRES_PASSWORD has its value written down"),
    (_password_in_an_address, "://duly:hunter2@ has a password written down"),
    (_password_in_a_command, "redis has a password written down in its command"),
    (_asked_for_and_not_in_the_example, "DATABASE_PASSWORD must be set, and .env.example does not have it"),
]


@pytest.mark.parametrize(("plant", "flaw"), PLANTED, ids=[plant.__name__.strip("_") for plant, _ in PLANTED])
def test_a_fault_that_is_planted_is_told_and_nothing_else(plant: Callable[[Services], None], flaw: str):
    content = deepcopy(dict(compose.read(OURS).content))
    plant(content["services"])

    assert compose.flaws(compose.ComposeFile(OURS, content)) == [flaw]


def test_what_stands_in_the_example_of_the_environment_is_looked_at_too(tmp_path: Path):
    (tmp_path / ".env.example").write_text("# secrets\nDULY_SLOT=3\nDULY_JWT_SECRET=0123456789abcdef\n")
    path = tmp_path / "compose.yaml"
    path.write_text(yaml.safe_dump({"services": {}}))

    assert compose.flaws(compose.read(path)) == [
        "DULY_JWT_SECRET has its value written down",
        "DULY_SLOT is no setting",
    ]


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_dockerfile_stands_on_images_that_are_pinned(path: Path):
    assert [stage.image for stage in stages(path) if not pinned(stage.image)] == []


@pytest.mark.parametrize(
    ("line", "flawed"),
    [("FROM python", True), ("FROM python:latest", True), ("ARG B=python:3\nFROM ${B}", True), ("FROM a:1.2.3", False)],
)
def test_a_base_that_is_not_pinned_is_found_out(line: str, flawed: bool, tmp_path: Path):
    (tmp_path / "Dockerfile").write_text(f"{line} AS made\nUSER 1\n")

    assert [not pinned(stage.image) for stage in stages(tmp_path / "Dockerfile")] == [flawed]


def test_the_dockerfile_has_the_four_roles_and_none_is_root():
    found = {stage.name: stage for stage in stages(ROOT / "Dockerfile")}

    assert {found[role].user for role in ("api", "worker", "dev", "migrate")} == {"10001:10001"}
    assert [found[role].checked for role in ("api", "worker", "dev")] == [True, True, True]


def test_the_services_name_this_version_and_every_profile_is_there():
    services: Mapping[str, Mapping[str, Any]] = compose.read(OURS).services

    built = {service["image"].rpartition(":")[2] for service in services.values() if "build" in service}
    assert built == {__version__}
    assert {profile for service in services.values() for profile in service["profiles"]} == PROFILES


def test_prometheus_looks_where_api_and_workers_are():
    scraped = yaml.safe_load((ROOT / "observe/prometheus/prometheus.yml").read_text())["scrape_configs"]
    services = compose.read(OURS).services.values()

    asked = {(name, dns["port"]) for job in scraped for dns in job["dns_sd_configs"] for name in dns["names"]}
    named = {alias for service in services for alias in _aliases(service)}
    assert asked == {("duly-api", 8000), ("duly-worker", 8081)}
    assert named == {"duly-api", "duly-worker"}


def _aliases(service: Mapping[str, Any]) -> list[str]:
    networks = service.get("networks", {})
    return [] if isinstance(networks, list) else networks.get("default", {}).get("aliases", [])
