"""Kill a sweep with SIGKILL at random moments until it is done, and compare every bit with an uninterrupted run.

python tests/faults/drill.py [KILLS] [SEED] [KILLS_OF_WORKERS]: of the driver, then of single workers.
"""

import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import henon_plane
import numpy as np

import fastlyap as fl

FIELDS = ("exponents", "stderr", "n_steps", "sum_rule", "conditioning", "failed_step", "status")


def start(store, *words):
    """The sweep in a process of its own, in a session of its own."""
    command = [sys.executable, str(Path(henon_plane.__file__)), str(store), *words]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)


def begun(store, process, more=0):
    """Wait until chunks are written, `more` of them; False where the process ended before."""
    ledger = Path(store) / "ledger" / "chunks" / "c"
    before = len(list(ledger.glob("*"))) if ledger.exists() else 0
    while process.poll() is None:
        if ledger.exists() and len(list(ledger.glob("*"))) > before + more:
            return True
        time.sleep(0.005)
    return False


def kill_driver(store, chance, *words):
    """Start or go on, kill the driver a random moment after its first chunk; whether it was still at work."""
    process = start(store, *words)
    if begun(store, process):
        time.sleep(chance.uniform(0.0, 0.3))
    alive = process.poll() is None
    if alive:
        os.killpg(process.pid, signal.SIGKILL)
    _, err = process.communicate()
    assert process.returncode in (0, -signal.SIGKILL), err.decode()
    return alive


def kill_worker(store, chance):
    """One run on two workers, one of which is killed; the end of the run must be a good one."""
    process = start(store, "workers")
    if begun(store, process):
        time.sleep(chance.uniform(0.0, 0.3))
    children = children_of(process.pid)
    if children:
        os.kill(chance.choice(children), signal.SIGKILL)
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err.decode()
    return bool(children)


def children_of(pid):
    """Worker processes of a pool, by /proc; not its tracker of resources."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(path.read_text().rsplit(")", 1)[1].split()[1])
            words = (path.parent / "cmdline").read_bytes()
        except (OSError, ValueError):
            continue
        if parent == pid and b"spawn_main" in words:
            found.append(int(path.parent.name))
    return found


def same(store, truth):
    """Assert that a finished store holds the numbers of an uninterrupted run."""
    found = fl.open_sweep(store)
    assert found.done == found.size, repr(found)
    result = found.result()
    for name in FIELDS:
        np.testing.assert_array_equal(getattr(result, name), getattr(truth, name), err_msg=name)


def truth():
    """The plain call, never interrupted, never stored."""
    return fl.spectrum(fl.systems.henon(), None, henon_plane.POINTS, progress=False, **henon_plane.HOW)


def main(kills=30, seed=0, of_workers=None):
    """The drill; prints what was survived."""
    chance, wanted = random.Random(seed), truth()
    folder = Path(tempfile.mkdtemp(prefix="fastlyap-drill-"))
    done = rounds = 0
    while done < kills:
        store = folder / f"driver {rounds}.zarr"
        while done < kills and kill_driver(store, chance):
            done += 1
        henon_plane.run(store)
        same(store, wanted)
        rounds += 1
    print(f"driver killed {done} times in {rounds} runs: every bit the same")
    done = 0
    while done < (kills if of_workers is None else of_workers):
        store = folder / f"worker {done}.zarr"
        done += kill_worker(store, chance)
        same(store, wanted)
    print(f"worker killed {done} times: every bit the same")
    shutil.rmtree(folder)


if __name__ == "__main__":
    main(*(int(word) for word in sys.argv[1:]))
