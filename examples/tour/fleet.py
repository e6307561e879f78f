"""The tour's handlers for a Celery fleet: `celery -A tour.fleet.celery_app worker`."""

from tour.app import duly

celery_app = duly.celery_app()
