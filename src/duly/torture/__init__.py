"""``duly torture``: Duly under faults, and the checker that proves or refutes its promises from what was recorded."""
