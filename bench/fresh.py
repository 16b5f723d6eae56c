"""Run in a process of its own: imports and the first two calls on one system, or a large sweep; prints JSON.

`python -m bench.fresh lorenz96 40`, `python -m bench.fresh memory 1000000`.
"""

import json
import sys
import time


def first_calls(name: str, n: int) -> dict[str, float]:
    """Seconds of the imports, of Numba's own first use, and of our first and second call."""
    spent = {}

    def lap(key: str) -> None:
        spent[key] = time.perf_counter() - sum(spent.values()) - begin

    begin = time.perf_counter()
    import numba

    lap("import numba")
    numba.njit(lambda: 0)()  # it loads most of its own modules when it compiles for the first time
    lap("numba's first use")
    import fastlyap as fl

    _ = fl.spectrum
    lap("import fastlyap")
    from bench import workloads

    system = workloads.lorenz96(n) if name == "lorenz96" else getattr(workloads, name)
    parameter = next(iter(system.parameters))
    value = float(system.parameters[parameter])
    batch = {parameter: workloads.sweep(value, 1.001 * value, 64)}
    lap("rule")
    for call in ("first call", "second call"):
        fl.spectrum(system, parameters=batch, k=min(n, 8), steps=20, transient=20, every=10, progress=False)
        lap(call)
    return spent


def large_sweep(members: int) -> dict[str, float]:
    """Seconds and peak memory of 1000 steps of so many members."""
    import fastlyap as fl
    from bench.workloads import henon, sweep

    values = dict(a=sweep(1.0, 1.4, members))
    fl.spectrum(henon, parameters=dict(a=values["a"][:64]), steps=20, transient=20, progress=False)
    start = time.perf_counter()
    found = fl.spectrum(henon, parameters=values, steps=1000, transient=0, progress=False)
    spent = time.perf_counter() - start
    return {"seconds": spent, "bytes": peak_memory(), "members": found.exponents.shape[0]}


def peak_memory() -> int:
    """Bytes this program has held at most; `getrusage` would count its parent's before the start."""
    with open("/proc/self/status", encoding="utf-8") as f:
        return next(int(line.split()[1]) * 1024 for line in f if line.startswith("VmHWM:"))


if __name__ == "__main__":
    what, size = sys.argv[1], int(sys.argv[2])
    print(json.dumps(large_sweep(size) if what == "memory" else first_calls(what, size)))
