"""The steps. Each only adds, or drops what the version before no longer uses."""
