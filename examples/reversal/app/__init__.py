"""Reversal: an API and its workers."""
