"""Subscribers to domain events: logs."""
