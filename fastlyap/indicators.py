"""The verb of chaos indicators beside exponents: `gali`."""

from __future__ import annotations

from typing import Any

from fastlyap import cast
from fastlyap.errors import InputError
from fastlyap.lyapunov import integration
from fastlyap.machines import alignment, drives, noise, route
from fastlyap.machines.alignment import GaliRequest
from fastlyap.machines.alignment_result import Gali
from fastlyap.machines.planning import Plan, make_plan
from fastlyap.result import raise_failures


def gali_request(system: Any, x0: Any, parameters: Any, o: dict[str, Any]) -> GaliRequest:
    """Check every argument of `gali`; nothing has been compiled yet."""
    system = cast.system(system)
    if system.delays:
        raise InputError(f"`system` {system.name} has a delay, which only `spectrum` and `trajectory` can handle yet.")
    k = cast.exponent_count(cast.count("k", o["k"], 2), system.dim)
    drive = drives.given(system, o["drive"])
    steps, transient = drives.counts(drive, o["steps"], o["transient"], (10_000, 0))
    every = cast.count("every", o["every"], 1)
    if steps < every:
        raise InputError(f"`steps` must be at least `every`, {every}, or no values are shown; got {steps}.")
    steps -= steps % every
    threshold = cast.positive("threshold", o["threshold"])
    if threshold >= 1.0:
        raise InputError(f"`threshold` must be below 1, the index of orthogonal vectors, got {threshold:g}.")
    how = integration(system, o)
    seed = cast.count("seed", o["seed"], 0)
    noise.check_steps(system, how, steps + transient)
    members = noise.keyed(drives.members(system, how, x0, parameters, drive, steps + transient), system, seed)
    inner = route.interval(system.kind, every)
    return GaliRequest(system, how, members, k, steps, transient, every, inner, threshold, seed)


def gali_plan(request: GaliRequest, backend: Any, threads: Any) -> Plan:
    """What `gali` runs."""
    if backend == "cuda":
        raise InputError('`backend` "cuda" does not do `gali`; use "cpu".')
    return make_plan(
        "gali", request.system, request.integration, n_members=len(request.members), k=request.k,
        steps=request.steps + request.transient, name=backend, threads=threads,
    )  # fmt: skip


def gali(
    system: Any,
    x0: Any = None,
    parameters: Any = None,
    *,
    k: int = 2,
    steps: int | None = None,
    transient: int = 0,
    every: int = 10,
    threshold: float = 1e-12,
    drive: Any = None,
    dt: float | None = None,
    t0: float = 0.0,
    integrator: str | None = None,
    rtol: float | None = None,
    atol: float | None = None,
    escape_radius: float = 1e8,
    dtype: str = "float64",
    seed: int = 0,
    backend: str = "auto",
    threads: int | None = None,
    progress: Any = None,
    throw: bool = False,
) -> Gali:
    """Generalised alignment index GALI_k of every member of a batch, a quick indicator of chaos.

    k deviation vectors start orthonormal and are normalised one by one. For chaotic orbits the volume they span falls
    like exp(-((l_1 - l_2) + ... + (l_1 - l_k)) t); for regular ones of Hamiltonian flows it stays (k up to the
    dimension of the torus) or falls by a power of t. GALI_2 tells what SALI tells, `Gali.sali`.

    Parameters
    ----------
    system : System
    x0, parameters
        As in `spectrum`.
    k : int
        Deviation vectors, 2 to n.
    steps, transient : int
        Steps with vectors, by default 10 000 or as many as the drive has left, and steps of the orbit alone before.
    every : int
        Steps between two values; T = steps // every of them.
    threshold : float
        Below it an orbit counts as chaotic, and the time is noted.
    drive, dt, t0, integrator, rtol, atol, escape_radius, dtype, seed, backend, threads, progress, throw
        As in `spectrum`.

    Returns
    -------
    Gali
        `values (..., T)`, `times (T,)`, `threshold_time (...)`.

    Raises
    ------
    InputError
        For wrong arguments, before anything is compiled.
    Interrupted
        On Ctrl-C; `.partial` holds the members that were done.

    Notes
    -----
    Skokos, Bountis & Antonopoulos, Physica D 231 (2007) 30.
    """
    given = dict(locals())
    request = gali_request(given.pop("system"), given.pop("x0"), given.pop("parameters"), given)
    result = alignment.gali(request, gali_plan(request, backend, threads), progress)
    if throw:
        raise_failures(result)
    return result
