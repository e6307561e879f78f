"""The command line: parses, calls, prints. Everything it starts is built by ``duly.assembly``."""
