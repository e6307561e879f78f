"""What a visitor sees first: handlers that do real work, served by `make run`."""
