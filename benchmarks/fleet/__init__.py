"""Many workers on one PostgreSQL: what they cost idle, and how they share work."""
