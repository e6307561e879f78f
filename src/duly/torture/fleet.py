"""The handlers of a torture as a Celery application."""

from duly.torture.app import duly

celery_app = duly.celery_app()
