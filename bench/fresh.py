"""Run in a process of its own: imports and the first two calls on one system, or a large sweep; prints JSON.

    python -m bench.fresh lorenz96 40
    python -m bench.fresh memory 1000000
"""

import json
import resource
import sys
import time


def first_calls(name: str, n: int) -> dict[str, float]:
    """Seconds of the imports, of the first and of the second call."""
    marks = [time.perf_counter()]
    import numba  # noqa: F401

    marks.append(time.perf_counter())
    import fastlyap as fl

    _ = fl.spectrum
    marks.append(time.perf_counter())
    from bench import workloads

    marks.append(time.perf_counter())
    system = workloads.lorenz96(n) if name == "lorenz96" else getattr(workloads, name)
    parameter = next(iter(system.parameters))
    value = float(system.parameters[parameter])
    batch = {parameter: workloads.sweep(value, 1.001 * value, 64)}
    for _ in range(2):
        start = time.perf_counter()
        fl.spectrum(system, parameters=batch, k=min(system.dim, 8), steps=20, transient=20, every=10, progress=False)
        marks.append(time.perf_counter() - start)
    names = ("numba", "fastlyap", "first", "second")
    return dict(zip(names, (marks[1] - marks[0], marks[2] - marks[1], *marks[4:]), strict=True))


def large_sweep(members: int) -> dict[str, float]:
    """Seconds and peak memory of 1000 steps of so many members."""
    import fastlyap as fl
    from bench.workloads import henon, sweep

    values = dict(a=sweep(1.0, 1.4, members))
    fl.spectrum(henon, parameters=dict(a=values["a"][:64]), steps=20, transient=20, progress=False)
    start = time.perf_counter()
    found = fl.spectrum(henon, parameters=values, steps=1000, transient=0, progress=False)
    spent = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {"seconds": spent, "bytes": peak, "members": found.exponents.shape[0]}


if __name__ == "__main__":
    what, size = sys.argv[1], int(sys.argv[2])
    print(json.dumps(large_sweep(size) if what == "memory" else first_calls(what, size)))
