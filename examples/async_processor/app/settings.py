"""What may be set, in the environment or in ``.env``: four settings of this application's, and Duly's own."""

from pydantic_settings import BaseSettings, SettingsConfigDict
from sqlalchemy import make_url

from duly import Duly
from duly.settings import load_settings


class Options(BaseSettings):
    model_config = SettingsConfigDict(env_file=".env", env_ignore_empty=True, extra="ignore", frozen=True)

    database_url: str = "postgresql://postgres@127.0.0.1:5432/postgres"
    celery_broker_url: str = "redis://127.0.0.1:6379/0"
    celery_result_backend: str = "redis://127.0.0.1:6379/1"
    """Where Duly keeps results to be read again; Celery itself stores none."""
    demo_delay: float = 0.0
    """Seconds that each task takes longer, to be watched."""


options = Options()
database_url = make_url(options.database_url)
settings = load_settings(
    {
        "database_url": database_url.set(drivername="postgresql").render_as_string(hide_password=False),
        "broker_url": f"celery+{options.celery_broker_url}",
        "cache_url": options.celery_result_backend,
        "cache_ahead": True,
    }
)
duly = Duly(settings)
