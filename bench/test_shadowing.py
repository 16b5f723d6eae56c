"""Shadowing of Lorenz 63 over many parameter values and members, against NumPy over all of them at once.

Both walk the same orbits with the same numbers of modes and lengths of segments, on one thread, and must agree in every
member's derivative first. The last rows show that the cost of a member grows linearly.
"""

import time

import numpy as np
import pytest

import fastlyap as fl
from bench.contenders import numpy_shadowing, numpy_shadowing_rows
from bench.timing import Contender
from bench.workloads import lorenz63, sweep
from fastlyap import cast
from fastlyap.machines.gradient_starts import repeated

SECTION = "X. Shadowing"
DT, LENGTH, MEMBERS, VALUES = 0.005, 40, 16, 1000

pytestmark = pytest.mark.benchmark(timer=time.process_time, group="shadowing")


def mean_z(x, p):
    return x.z


def ours(rho, segments, members=MEMBERS, method=None, **options):
    """The derivative of <z> by rho from the system's perturbed start."""
    how = dict(steps=segments * LENGTH, transient=0, dt=DT, threads=1, progress=False, keep_members=True) | options
    return fl.gradient(
        lorenz63, fl.average(mean_z), "rho", parameters={"rho": rho}, members=members,
        method=method or fl.Shadowing(segment=LENGTH, modes=2), **how,
    )  # fmt: skip


def theirs(rho, segments, rows=False):
    """The same by NumPy, from the same starts and with the same covector at the end; with `rows` members come first."""
    starts = repeated(cast.members(lorenz63, None, {"rho": rho}), MEMBERS, "auto", 0)
    random = np.random.Generator(np.random.Philox(key=[0, 2**63])).standard_normal((2, 3))[0]
    if rows:
        return numpy_shadowing_rows.shadowing(starts.x, np.repeat(rho, MEMBERS), DT, segments, LENGTH, random)
    x = np.ascontiguousarray(starts.x.T)
    return numpy_shadowing.shadowing(x, np.repeat(rho, MEMBERS), DT, segments, LENGTH, random)


def contender(name, rho, segments, members=MEMBERS, **options):
    run = theirs if name.startswith("numpy") else ours
    more = options if run is theirs else dict(members=members) | options
    return Contender(name, lambda: run(rho, segments, **more), float(rho.size * members * segments * LENGTH))


def test_against_numpy(compare, book, sizes):
    rho = sweep(25.0, 50.0, int(VALUES * sizes.scale))
    few = sweep(25.0, 50.0, 5)
    for rows in (False, True):
        np.testing.assert_allclose(ours(few, 12).members["rho"].ravel(), theirs(few, 12, rows), rtol=1e-5)
    segments = int(250 * sizes.scale)
    us, automatic = contender("fastlyap", rho, segments), contender("automatic", rho, segments, method=fl.Shadowing())
    found = compare(us, automatic, contender("numpy", rho, 4), contender("numpy rows", rho, 4, rows=True))
    label = f"Lorenz 63, {rho.size} values x {MEMBERS} members"
    note = "members first, vectors in rows, as one writes it"
    book.ratio(SECTION, f"{label}, against numpy", found.ratio("numpy rows", "fastlyap"), aim=">= 30", note=note)
    note = "members last, arrays laid out for long loops"
    book.ratio(SECTION, f"{label}, against the quickest numpy", found.ratio("numpy", "fastlyap"), note=note)
    book.add(SECTION, f"{label}, rate", found.rate("fastlyap") / 1e6, unit="M member-steps/s", note="there and back")
    note = "with the short runs that choose modes and segments of every value"
    book.ratio(SECTION, f"{label}, automatic, cost over fixed", found.ratio("automatic", "fastlyap"), note=note)


@pytest.mark.parametrize("what", ["steps", "members", "values"])
def test_cost_grows_linearly(what, compare, book, sizes):
    rho, members, segments = sweep(25.0, 50.0, int(64 * sizes.scale)), MEMBERS, int(100 * sizes.scale)
    larger = {
        "steps": (rho, 4 * segments, members), "members": (rho, segments, 4 * members),
        "values": (sweep(25.0, 50.0, 4 * rho.size), segments, members),
    }[what]  # fmt: skip
    small = contender("small", rho, segments, members)
    large = contender("large", larger[0], larger[1], larger[2])
    found = compare(small, large)
    ratio = found.ratio("large", "small")
    book.ratio(SECTION, f"cost of a member-step, 4 times the {what}", ratio, aim="about 1")


@pytest.mark.parametrize("modes", [1, 2, 4, 8])
def test_cost_of_modes(modes, compare, book, sizes):
    """Of Lorenz 96 with 8 states: each covector costs the same."""
    from bench.workloads import lorenz96

    system, steps = lorenz96(8), int(2000 * sizes.scale)

    def run(modes):
        how = dict(steps=steps, transient=0, threads=1, progress=False, members=16)
        method = fl.Shadowing(segment=10, modes=modes)
        return fl.gradient(system, fl.average(lambda x, p: x[0] * x[0]), "F", method=method, **how)

    one, more = (Contender(f"{m} modes", lambda m=m: run(m), 16.0 * steps * (m + 1)) for m in (1, modes))
    found = compare(one) if modes == 1 else compare(more, one)
    if modes > 1:
        ratio = found.ratio(more.name, one.name)
        book.ratio(SECTION, f"Lorenz 96, 8 states, cost of a covector among {modes + 1}, over that among 2", ratio)
