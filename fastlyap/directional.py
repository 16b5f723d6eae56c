"""The verbs about directions: `vectors`, `finite_time`."""

from __future__ import annotations

from typing import Any

from fastlyap import cast, hardware
from fastlyap.errors import InputError
from fastlyap.lyapunov import integration
from fastlyap.machines import alternation, deep, delays, directions, drives, noise, route
from fastlyap.machines.finite_time_result import FiniteTime
from fastlyap.machines.layer_request import layers_request
from fastlyap.machines.planning import Plan
from fastlyap.machines.vectors_result import Vectors
from fastlyap.networks.network import Network
from fastlyap.request import FiniteTimeRequest, LayersRequest, VectorsRequest
from fastlyap.result import raise_failures

KINDS = ("covariant", "backward", "forward", "adjoint_covariant")
SHORTEST, LONGEST = 1_000, 10_000  # steps of an automatic warm-up


def _warmup(value: Any, steps: int, every: int) -> tuple[int, int]:
    """Steps of the warm-up before and after the window."""
    if isinstance(value, str):
        if value != "auto":
            raise InputError(f'`warmup` must be "auto", a number of steps or (forward, backward), got {value!r}.')
        length = -(-min(max(steps, SHORTEST), LONGEST) // every) * every
        return length, length
    if isinstance(value, (tuple, list)):
        if len(value) != 2:
            raise InputError(f"`warmup` must be one number or (forward, backward), got {len(value)} values.")
        return cast.count("warmup[0]", value[0], 1), cast.count("warmup[1]", value[1], 1)
    length = cast.count("warmup", value, 1)
    return length, length


def _window(drive: Any, steps: Any, warmup: Any, every: int) -> tuple[int, tuple[int, int]]:
    """Steps of the window, a multiple of `every`, and of the warm-ups; with a drive they share what it has."""
    room = None if drive is None or drive.steps >= drives.UNENDING else drive.steps
    if steps is None and room is not None:
        before, after = (room // 4, room // 4) if isinstance(warmup, str) else _warmup(warmup, room, every)
        steps = room - before - after
    steps = drives.counts(drive, steps, 0, (None, 0)).steps
    if steps < every:
        raise InputError(f"`steps` must be at least `every`, {every}, or no vectors are shown; got {steps}.")
    steps -= steps % every
    found = _warmup(warmup, steps, every)
    if warmup == "auto" and room is not None:
        length = max(1, min(found[0], (room - steps) // 2))
        found = (length, length)
    return steps, found


def _without_delay(system: Any) -> Any:
    """`system` if it is one whose states are points."""
    cast.system(system)
    if system.delays:
        raise InputError(f"`system` {system.name} has a delay, which only `spectrum` and `trajectory` can handle yet.")
    return system


def vectors_request(system: Any, x0: Any, parameters: Any, o: dict[str, Any]) -> VectorsRequest:
    """Check every argument of `vectors`; nothing has been compiled yet."""
    system = _without_delay(system)
    kind = cast.choice("kind", o["kind"], KINDS)
    if kind in ("forward", "adjoint_covariant"):
        cast.direction("adjoint", system)
    drive, every = drives.given(system, o["drive"]), cast.count("every", o["every"], 1)
    steps, warmup = _window(drive, o["steps"], o["warmup"], every)
    how = integration(system, o)
    seed = cast.count("seed", o["seed"], 0)
    noise.check_steps(system, how, sum(warmup) + steps)
    batch = drives.members(system, how, x0, parameters, drive, sum(warmup) + steps)
    members = noise.keyed(batch, system, seed)
    delays.check_ready(system, members)
    if not isinstance(o["store"], bool):
        raise InputError(f"`store` must be True or False, got {o['store']!r}.")
    k = cast.exponent_count(o["k"], system.dim)
    if o["store"]:
        _check_room(len(members), steps // every, k * system.dim + system.dim + k)
    return VectorsRequest(system, how, members, kind, k, steps, warmup, every, o["store"], seed)


def _check_room(members: int, times: int, numbers: int) -> None:
    """Refuse results that cannot fit."""
    size = 8.0 * members * times * numbers
    if size > hardware.memory():
        raise InputError(
            f"`store` would keep {size / 2**30:,.0f} GB of vectors ({members:,} members at {times:,} times), more than "
            "this machine's memory; use store=False, a larger `every` or a smaller `k`."
        )


def vectors_plan(request: VectorsRequest, backend: Any, threads: Any) -> Plan:
    """What `vectors` runs."""
    return _on_cpu(route.vectors_plan(request, backend, threads))


def _on_cpu(plan: Plan) -> Plan:
    """The plan, unless it is for a card."""
    if plan.backend == "cuda":
        raise InputError(f'`backend` "cuda" cannot run `{plan.verb}` yet; use "cpu".')
    return plan


def vectors(
    system: Any,
    x0: Any = None,
    parameters: Any = None,
    *,
    kind: str = "covariant",
    k: int | None = None,
    steps: int | None = None,
    warmup: str | int | tuple[int, int] = "auto",
    every: int = 1,
    store: bool = True,
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
) -> Vectors:
    """Lyapunov vectors along the orbit of every member of a batch, and the angles between them.

    Parameters
    ----------
    system : System
    x0, parameters
        As in `spectrum`.
    kind : "covariant", "backward", "forward" or "adjoint_covariant"
        "backward": the orthonormal frame that the tangent dynamics makes of the far past. "forward": the one that the
        adjoint makes of the far future. "covariant": the directions that the tangent dynamics carries into each other,
        each growing at its own exponent, both ways in time. "adjoint_covariant": the same of the adjoint, computed by
        itself; the dual basis, w_i . v_j = 0 for i != j.
    k : int, optional
        How many vectors, from the leading one; all n by default.
    steps : int
        Length of the window; T = steps // every times of it are shown. With a drive by default what warm-ups leave.
    warmup : "auto", int or (int, int)
        Steps before and after the window, over which directions settle. "auto": as many as the window has, but at
        least 1000 and at most 10 000. `Vectors.separation` says what that came to.
    every : int
        Show every so many steps.
    store : bool
        Whether to keep vectors, states and local growth; without, angle statistics and exponents alone, which fit in
        memory for 10^5 members.
    backend : "auto", "cpu" or "reference"
    Others as in `spectrum`.

    Returns
    -------
    Vectors
        Batch axes in front.

    Raises
    ------
    InputError
        For wrong arguments, before anything is compiled.
    Interrupted
        On Ctrl-C; `.partial` holds the members that were done.

    Notes
    -----
    Ginelli et al., Phys. Rev. Lett. 99 (2007), 130601; Kuptsov & Parlitz, J. Nonlinear Sci. 22 (2012), 727. Memory
    grows as the square root of the steps where it must, see `plan`.
    """
    given = dict(locals())
    request = vectors_request(given.pop("system"), given.pop("x0"), given.pop("parameters"), given)
    plan = vectors_plan(request, backend, threads)
    result = directions.vectors(request, plan, progress)
    if throw:
        raise_failures(result)
    return result


def finite_time_request(
    system: Any, x0: Any, parameters: Any, o: dict[str, Any]
) -> FiniteTimeRequest | LayersRequest:  # fmt: skip
    """Check every argument of `finite_time`; nothing has been compiled yet."""
    if isinstance(system, Network):
        return layers_request(system, x0, parameters, o)
    system = _without_delay(system)
    if o["layers"] is not None:
        raise InputError(f"`layers` is for networks; the stretch of {system.name} is `steps` long.")
    cast.direction("adjoint", system)
    drive = drives.given(system, o["drive"])
    steps, transient = drives.counts(drive, o["steps"], o["transient"], (None, 0))
    how = integration(system, o, backward=True)
    seed = cast.count("seed", o["seed"], 0)
    noise.check_steps(system, how, steps + transient)
    members = noise.keyed(drives.members(system, how, x0, parameters, drive, steps + transient), system, seed)
    delays.check_ready(system, members)
    usual = 1e-4 if how.dtype == "float32" else 1e-10
    tolerance = usual if o["tolerance"] is None else cast.positive("tolerance", o["tolerance"])
    return FiniteTimeRequest(
        system, how, members, cast.exponent_count(o["k"], system.dim), steps, transient, tolerance,
        cast.count("max_sweeps", o["max_sweeps"], 1), seed,
    )  # fmt: skip


def finite_time_plan(request: FiniteTimeRequest | LayersRequest, backend: Any, threads: Any) -> Plan:
    """What `finite_time` runs."""
    if isinstance(request, LayersRequest):
        return deep.plan(request, backend, threads)
    return _on_cpu(route.finite_time_plan(request, backend, threads))


def finite_time(
    system: Any,
    x0: Any = None,
    parameters: Any = None,
    *,
    steps: int | None = None,
    transient: int = 0,
    k: int | None = None,
    tolerance: float | None = None,
    max_sweeps: int = 100,
    layers: slice | None = None,
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
) -> FiniteTime:
    """Finite-time exponents: log singular values of the product of `steps` steps over their time, with directions.

    Parameters
    ----------
    system : System or Network
    x0, parameters
        As in `spectrum`; `fl.grid(x0=dict(x=xs, y=ys))` is a field of exponents in one call. For a network samples
        (..., B, width): every sample has exponents of its own, in nats per layer, those of its Jacobian.
    steps : int
        Length of the stretch; with a drive by default all steps of it that are left.
    transient : int
        Steps of the orbit before it.
    k : int, optional
        How many, from the largest; all n by default, of a network as many as its narrowest layer is wide.
    tolerance : float, optional
        Of each log singular value, relative where it is above 1; 1e-10 by default, 1e-4 in float32.
    max_sweeps : int
        Members that need more sweeps, there and back, are `NOT_CONVERGED`: singular values that lie close together
        take many.
    layers : slice, optional
        Of a network, which of its layers; all but the read-out by default. One layer is a weighted map with what
        follows up to the next; a block that its input bypasses counts as one.
    dt : float, optional
        Negative: backward in time, so that attracting structures take the part of repelling ones.
    backend : "auto", "cpu" or "reference"
    Others as in `spectrum`.

    Returns
    -------
    FiniteTime
        Batch axes in front.

    Raises
    ------
    InputError
        For wrong arguments, before anything is compiled.
    Interrupted
        On Ctrl-C; `.partial` holds the members that were done.

    Notes
    -----
    Subspace iteration on A'A by tangent and adjoint sweeps in turn, without forming the product A of the steps. Of
    networks the triangular factors of one sweep are decomposed, which is exact. Exponents of -inf, where no path is
    alive, are counted in `n_dead`; that alone is no caution.
    """
    given = dict(locals())
    request = finite_time_request(given.pop("system"), given.pop("x0"), given.pop("parameters"), given)
    plan = finite_time_plan(request, backend, threads)
    if isinstance(request, LayersRequest):
        result = deep.finite_time(request, plan, progress)
    else:
        result = alternation.finite_time(request, plan, progress)
    if throw:
        raise_failures(result)
    return result
