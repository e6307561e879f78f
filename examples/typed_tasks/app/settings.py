"""What may be set, in the environment or in ``.env``: Duly's own settings, and three of this application's."""

from pydantic_settings import BaseSettings, SettingsConfigDict

from duly import Duly
from duly.settings import load_settings


class Options(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="TASKS_", env_file=".env", extra="ignore", frozen=True)

    max_attempts: int = 3
    """So often a task may fail before it stays failed."""
    first_retry: float = 1.0
    """Seconds before the first retry, at most; they double with each failure."""
    demo_delay: float = 0.0
    """Seconds that each step takes longer, to be watched."""


options = Options()
settings = load_settings()
duly = Duly(settings)
