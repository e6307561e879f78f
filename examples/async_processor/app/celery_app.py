"""The fleet: ``celery -A app.celery_app worker --loglevel=info``."""

from app.tasks import duly

app = duly.celery_app("async_processor")
