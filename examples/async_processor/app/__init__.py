"""Async processor: an API, and a Celery fleet that works for it."""
