"""``python -m app.workers.worker``: ``duly worker app.handlers:duly``, with tables to work on, whoever starts first."""

import asyncio
import sys

from app.table import prepare
from duly.cli.main import main

if __name__ == "__main__":
    asyncio.run(prepare())
    main(["worker", "app.handlers:duly", *sys.argv[1:]])
