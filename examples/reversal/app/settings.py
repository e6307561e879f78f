"""What may be set, in the environment or in ``.env``: Duly's own settings, and two of this application's."""

from pydantic_settings import BaseSettings, SettingsConfigDict

from duly import Duly
from duly.settings import load_settings


class Options(BaseSettings):
    model_config = SettingsConfigDict(env_file=".env", env_ignore_empty=True, extra="ignore", frozen=True)

    database_url: str | None = None
    """DATABASE_URL; without it DULY_DATABASE_URL counts."""
    demo_delay: float = 0.0
    """Seconds that each task takes longer, to be watched."""


options = Options()
settings = load_settings({"database_url": options.database_url, "cache_ahead": True})
duly = Duly(settings)
