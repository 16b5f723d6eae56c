"""Start `bench.fresh` in a process of its own, with a kernel cache of its own."""

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def fresh(what: str, size: int, cache: Path) -> dict[str, float]:
    """What `python -m bench.fresh what size` measured, with kernels kept in `cache`."""
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "FASTLYAP_CACHE_DIR": str(cache), "PYTHONPATH": os.pathsep.join(paths)}
    command = [sys.executable, "-m", "bench.fresh", what, str(size)]
    done = subprocess.run(command, env=environment, cwd=ROOT, check=True, capture_output=True, text=True)
    return json.loads(done.stdout)
