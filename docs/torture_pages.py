"""The tables of `operate/faults.md`: made of what `duly torture --json` wrote, nothing else."""

from pathlib import Path

from duly.torture.sheet import read_sheets, tables

FIGURES = Path(__file__).parent / "torture"
BEGIN, END = "<!-- made by `make docs` from docs/torture -->", "<!-- the end of what is made -->"


def with_faults(page: str) -> str:
    """The page with its tables as the figures have them."""
    before, _, rest = page.partition(BEGIN)
    after = rest.partition(END)[2]
    made = tables(read_sheets(sorted(FIGURES.glob("*.json"))))
    return f"{before}{BEGIN}\n\n{made}\n{END}{after}"
