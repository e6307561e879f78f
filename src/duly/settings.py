"""Every setting of Duly, read once from the environment (``DULY_…``) and from a ``.env`` file in the current folder."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from types import MappingProxyType
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, ByteSize, Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from duly.domain.amounts import duration, durations_by_name, names, rate
from duly.domain.errors import Misconfigured
from duly.domain.webhook import for_whom
from duly.links.guard import network_of

PREFIX = "DULY_"
SCHEMES = ("sqlite", "postgresql", "mysql", "mariadb")
SHORTEST_SECRET = 32


def _each(check: Callable[[str], object]) -> AfterValidator:
    def checked(texts: tuple[str, ...]) -> tuple[str, ...]:
        for text in texts:
            check(text)
        return texts

    return AfterValidator(checked)


Duration = Annotated[timedelta, BeforeValidator(duration)]
Names = Annotated[tuple[str, ...], NoDecode, BeforeValidator(names)]
RatePerTime = Annotated[str, AfterValidator(rate)]
DurationsByName = Annotated[Mapping[str, Duration], NoDecode, BeforeValidator(durations_by_name)]


class Settings(BaseSettings):
    """How this process is set up. Durations are seconds or text such as ``30s``, ``5m``, ``7d``; sizes ``1MiB``."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_file=".env",
        env_file_encoding="utf-8",
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,
        use_attribute_docstrings=False,
    )

    database_url: str = Field(
        default="sqlite:///duly.db",
        repr=False,
        description="Where the tasks live: sqlite:///file.db, postgresql://…, mysql://… or mariadb://….",
    )
    database_timeout: Duration = Field(
        default=timedelta(seconds=10), gt=timedelta(), description="How long one call of the database may take."
    )
    database_replica_url: str = Field(
        default="", repr=False, description="A read replica of the database that serves lists; empty: the database."
    )

    broker_url: str = Field(
        default="",
        repr=False,
        description="What tells workers of ready tasks: amqp://…, redis://…, celery+redis://…; empty: they look.",
    )
    bell_url: str = Field(
        default="",
        repr=False,
        description="What wakes idle processes: redis://…, postgresql://…, none; empty: the database, where it can.",
    )
    cache_url: str = Field(
        default="",
        repr=False,
        description="What keeps status reads off the database: redis://…, memory:// (this process); empty: nothing.",
    )

    cache_ahead: bool = Field(
        default=False,
        description="Put tasks into the cache when they are submitted and when they end, before any read.",
    )

    host: str = Field(default="127.0.0.1", min_length=1, description="Address that the API listens on.")
    port: int = Field(default=8000, ge=0, le=65_535, description="Port that the API listens on; 0 takes a free one.")
    allow_anonymous: bool = Field(
        default=False, description="Serve everybody who can reach the port, even on an address that is not loopback."
    )
    max_body: ByteSize = Field(
        default=ByteSize(1024 * 1024), ge=1024, description="The largest request body that is taken."
    )

    auth: Literal["auto", "required", "none"] = Field(
        default="auto",
        description="Whether clients must say who they are; auto: yes if a JWT setting is given, else no.",
    )
    jwt_secret: str = Field(
        default="", repr=False, description="Shared secret of JWTs signed with HS256, 32 characters or more."
    )
    jwt_jwks_url: str = Field(
        default="", description="Where the public keys of JWTs are (RS256, ES256, EdDSA): an https address."
    )
    jwt_issuer: str = Field(default="", description="The `iss` that a JWT must have.")
    jwt_audience: str = Field(default="", description="The `aud` that a JWT must have.")
    jwt_leeway: Duration = Field(
        default=timedelta(seconds=30), description="How far the clocks of a JWT's issuer and ours may be apart."
    )
    token_lifetime: Duration = Field(
        default=timedelta(minutes=15), gt=timedelta(), description="How long a token of `POST /v1/token` is good."
    )
    docs: Literal["auto", "public", "admin", "off"] = Field(
        default="auto",
        description="Who sees `/docs` and `/openapi.json`; auto: all if nobody is asked or on loopback, else admin.",
    )
    metrics: Literal["auto", "public", "read", "off"] = Field(
        default="auto",
        description="Who may scrape `/metrics`; auto: all if nobody is asked or on loopback, else `tasks:read`.",
    )
    metrics_dir: str = Field(
        default="",
        description="Folder in which processes of one machine add up their metrics; `duly` makes one for its own.",
    )
    limit_submit: RatePerTime = Field(
        default="", description="Submits of one identity, as in 600/1m; a batch counts as its tasks; empty: any number."
    )
    limit_read: RatePerTime = Field(default="", description="The same for reads.")
    limit_control: RatePerTime = Field(default="", description="The same for cancel, retry, delete, pause and resume.")

    limits_url: str = Field(
        default="",
        repr=False,
        description="Where API processes count together: redis://…; none: each alone; empty: any Redis named above.",
    )

    max_pending: int = Field(
        default=0,
        ge=0,
        description="So many tasks may be pending in a queue, about, before submits are refused (429); 0: any number.",
    )
    max_streams: int = Field(
        default=5_000, ge=1, description="Event streams that one API process keeps open at the same time."
    )
    max_streams_each: int = Field(
        default=500, ge=1, description="Of these, those of one identity, where clients must say who they are."
    )

    callback_secrets: Annotated[Names, _each(for_whom)] = Field(
        default=(),
        repr=False,
        description="Secrets that sign callbacks: whsec_… for any receiver, host=whsec_… for one; empty: no callbacks.",
    )
    callback_networks: Annotated[Names, _each(network_of)] = Field(
        default=(), description="Networks that are not public and that callbacks may reach all the same: 10.0.0.0/8."
    )

    queues: Names = Field(
        default=("default",),
        min_length=1,
        description="Queues that a worker serves, separated by commas; not set: all that the app's handlers name.",
    )
    slots: int = Field(default=20, ge=1, le=10_000, description="Tasks that one worker process runs at the same time.")
    lease: Duration = Field(
        default=timedelta(seconds=30),
        ge=timedelta(milliseconds=300),
        description="How long a worker's claim is believed without a sign of life; renewed three times as often.",
    )
    grace: Duration = Field(
        default=timedelta(seconds=30),
        description="How long a process that is told to end takes: what runs may end; what does not is put back.",
    )
    poll_interval: Duration = Field(
        default=timedelta(seconds=1),
        ge=timedelta(milliseconds=10),
        description="How often an idle worker looks for tasks when nothing wakes it; with many workers and a bell "
        "between them each looks more seldom, and every 5 s at least.",
    )
    default_timeout: Duration = Field(
        default=timedelta(hours=1),
        gt=timedelta(),
        description="How long one attempt may take when neither task nor type says otherwise.",
    )
    stall_limit: Duration = Field(
        default=timedelta(minutes=5),
        gt=timedelta(),
        description="A worker whose event loop stands still for longer writes its stacks to the log and ends.",
    )
    max_result: ByteSize = Field(
        default=ByteSize(1024 * 1024), ge=1024, description="The largest result that a task may return."
    )
    max_tasks_per_process: int = Field(
        default=0, ge=0, description="Replace a worker process after this many tasks; 0: never."
    )
    max_memory_mb: int = Field(
        default=0, ge=0, description="Replace a worker process that uses more megabytes of memory; 0: never."
    )

    retention_done: Duration = Field(
        default=timedelta(days=7), description="How long completed and cancelled tasks are kept."
    )
    retention_failed: Duration = Field(default=timedelta(days=30), description="How long failed tasks are kept.")
    retention_queues: DurationsByName = Field(
        default_factory=dict[str, timedelta],
        description="Queues that keep all their final tasks for another time: media=1d,mail=90d.",
    )
    purged_kept: Duration = Field(
        default=timedelta(days=30),
        description="How long the ids of purged and deleted tasks are remembered (410 instead of 404).",
    )

    log_format: Literal["auto", "json", "console"] = Field(
        default="auto", description="Form of the log; auto: console on a terminal, else json."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="The least important lines that are written."
    )

    @field_validator("database_url")
    @classmethod
    def _known_scheme(cls, url: str) -> str:
        scheme, sign, rest = url.partition("://")
        if scheme not in SCHEMES or not sign or not rest.strip("/"):
            known = "sqlite:///duly.db, postgresql://user@host/name, mysql://user@host/name"
            raise ValueError(f"it must look like {known} or mariadb://user@host/name")
        return url

    @field_validator("jwt_secret")
    @classmethod
    def _long_enough(cls, secret: str) -> str:
        if secret and len(secret) < SHORTEST_SECRET:
            raise ValueError(f"a secret of {SHORTEST_SECRET} characters or more, from chance: openssl rand -hex 32")
        return secret

    @field_validator("auth", "docs", "metrics", "log_format", "log_level", mode="before")
    @classmethod
    def _lower_case(cls, word: object) -> object:
        return word.lower() if isinstance(word, str) else word

    @field_validator("queues")
    @classmethod
    def _each_once(cls, queues: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(queues))


def load_settings(overrides: Mapping[str, object] = MappingProxyType({})) -> Settings:
    """Read the environment; ``overrides`` (from the command line) win. Raises Misconfigured, naming each bad variable.

    An override that is None counts as not given.
    """
    try:
        return Settings.model_validate({name: value for name, value in overrides.items() if value is not None})
    except ValidationError as error:
        raise Misconfigured("\n".join(_complaint(flaw["loc"], flaw["msg"]) for flaw in error.errors())) from None
    except OSError as error:
        raise Misconfigured(f".env: it cannot be read: {error}") from None


def _complaint(place: tuple[int | str, ...], message: str) -> str:
    name = PREFIX + str(place[0]).upper() if place else ".env"
    plain = message.removeprefix("Value error, ").removeprefix("Input ")
    return f"{name}: {plain}."
