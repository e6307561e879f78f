"""Typed tasks: an API and its workers."""
