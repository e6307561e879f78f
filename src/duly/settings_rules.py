"""What follows from the settings taken together, and how they may be shown."""

import re
from collections.abc import Collection, Mapping
from difflib import get_close_matches
from ipaddress import ip_address
from typing import Literal

from duly.api.door import LOOPBACK
from duly.domain.errors import Misconfigured
from duly.settings import PREFIX, Settings

OTHER_VARIABLES = ("DULY_URL", "DULY_KEY")
"""Variables of the command line that are no settings of a service."""

_PASSWORD = re.compile(r"://([^:/?#]*):.*@", re.DOTALL)
_PASSWORD_FIELD = re.compile(r"([?&]\w*(?:password|passwd|pwd)=)[^&]*", re.IGNORECASE)


def safe_url(url: str) -> str:
    """The URL as it may be shown: without its password."""
    return _PASSWORD_FIELD.sub(r"\1***", _PASSWORD.sub(r"://\1:***@", url))


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach what listens on that host."""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def auth_required(settings: Settings) -> bool:
    """Whether whoever asks must say who they are."""
    return settings.auth == "required" or (
        settings.auth == "auto" and bool(settings.jwt_secret or settings.jwt_jwks_url)
    )


def check_bind(settings: Settings) -> None:
    """Raises Misconfigured where Duly would serve more than this machine without anybody having said so."""
    if auth_required(settings) or settings.allow_anonymous or is_loopback(settings.host):
        return
    raise Misconfigured(
        f"{PREFIX}HOST: nobody is asked who they are, so Duly listens on loopback only, not on {settings.host}. "
        f"Make keys (`duly keys create`) and set {PREFIX}AUTH=required. Where everybody who reaches the port may do "
        f"everything (a container behind a port published on 127.0.0.1), set {PREFIX}ALLOW_ANONYMOUS=true."
    )


def allowed_hosts(settings: Settings) -> Collection[str] | None:
    """The names under which a service answers; None: any, where anonymous access is allowed or everybody is asked."""
    return None if settings.allow_anonymous or auth_required(settings) else LOOPBACK


def public_docs(settings: Settings) -> Literal["public", "admin", "off"]:
    """Who sees the pages that describe the service."""
    if settings.docs != "auto":
        return settings.docs
    return "admin" if auth_required(settings) and not is_loopback(settings.host) else "public"


def public_metrics(settings: Settings) -> Literal["public", "read", "off"]:
    """Who may scrape the API."""
    if settings.metrics != "auto":
        return settings.metrics
    return "read" if auth_required(settings) and not is_loopback(settings.host) else "public"


def misspelt(environ: Mapping[str, str]) -> dict[str, str | None]:
    """Variables that start with ``DULY_`` and are no setting, each with the setting that was probably meant."""
    known = [PREFIX + name.upper() for name in Settings.model_fields]
    strange = sorted(
        name
        for name in environ
        if name.startswith(PREFIX) and not name.startswith("DULY_TEST_") and name not in (*known, *OTHER_VARIABLES)
    )
    return {name: next(iter(get_close_matches(name, known, 1)), None) for name in strange}
