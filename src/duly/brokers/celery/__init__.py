"""Celery as the fleet that runs tasks: hints are Celery messages, each with the id of one task."""
