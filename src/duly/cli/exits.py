"""What the exit codes mean, between processes of ours and to the outside."""

OK = 0
FAILED = 1
"""The operation failed: what was asked for could not be done."""
USAGE = 2
"""The command line, a setting or the app is wrong: trying again will not help."""
RECYCLE = 75
"""A child has done its share and wants to be replaced (EX_TEMPFAIL of sysexits.h); never seen from outside."""
INTERRUPTED = 130
"""A second signal ended everything at once."""
