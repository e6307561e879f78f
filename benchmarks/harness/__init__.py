"""The benchmark's own parts: plan, rounds, results, report, and what starts and counts."""
