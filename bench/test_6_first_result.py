"""From a fresh process to the first result: imports, then the call with an empty and with a filled kernel cache.

Numba loads most of its own modules when it first compiles or reads compiled code; that is timed apart, on a trivial
function, and added in the remarks.
"""

import numpy as np
import pytest

from bench.processes import fresh

SECTION = "6. First result in a fresh process, 64 members"
CASES = {  # label: (system, size, cold aim)
    "Henon, n = 2": ("henon", 2, "<= 5"),
    "Lorenz 63, n = 3": ("lorenz63", 3, "<= 5"),
    "Lorenz 96, n = 8": ("lorenz96", 8, "<= 9"),
    "Lorenz 96, n = 40": ("lorenz96", 40, ""),
    "Lorenz 96, n = 400": ("lorenz96", 400, "that of n = 40"),
}


@pytest.mark.parametrize("label", CASES)
def test_first_result(book, sizes, tmp_path, label):
    name, size, aim = CASES[label]
    cold, warm = [], []
    for repeat in range(sizes.repeats):
        cache = tmp_path / str(repeat)
        cold.append(fresh(name, size, cache))
        warm.append(fresh(name, size, cache))
    for runs, state, wish in ((cold, "cold", aim), (warm, "warm", "<= 0.5" if size <= 4 else "")):
        seconds = [run["first call"] for run in runs]
        loaded = np.median([run["numba's first use"] + run["first call"] for run in runs])
        whole = np.median([sum(run.values()) - run["second call"] for run in runs])
        note = f"{loaded:.2g} s with numba's first use, {whole:.2g} s with all imports; again {again(runs):.2g} s"
        book.add(
            SECTION, f"{label}, {state} cache", float(np.median(seconds)), unit="s", low=min(seconds),
            high=max(seconds), aim=wish, note=note,
        )  # fmt: skip
    if label == next(iter(CASES)):
        for part in ("import numba", "numba's first use", "import fastlyap"):
            book.add(SECTION, part, float(np.median([run[part] for run in cold + warm])), unit="s", note="apart")


def again(runs):
    """Seconds of a second call."""
    return np.median([run["second call"] for run in runs])
