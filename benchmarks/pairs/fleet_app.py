"""The handlers of ``app.py`` as a Celery application."""

from benchmarks.pairs.app import duly

celery_app = duly.celery_app()
