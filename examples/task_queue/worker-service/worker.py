"""The worker: ``python -m worker-service.worker``, in the example's folder."""

import asyncio
import sys

from duly.cli.main import main
from handlers import duly

if __name__ == "__main__":
    asyncio.run(duly.migrate())
    main(["worker", "handlers:duly", *sys.argv[1:]])
