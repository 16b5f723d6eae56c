"""The verbs about orbits and exponents: `trajectory`, `spectrum`, `maximal`."""

from __future__ import annotations

from typing import Any

from fastlyap import cast
from fastlyap.errors import InputError
from fastlyap.machines import assembly, chunks, drives, noise
from fastlyap.machines import subspace as subspaces
from fastlyap.machines.planning import Plan, make_plan
from fastlyap.progress import check_wish
from fastlyap.request import SpectrumRequest, TrajectoryRequest
from fastlyap.result import Spectrum, Trajectory, raise_failures

TOLERANCE = {"float64": (1e-9, 1e-12), "float32": (1e-5, 1e-6)}
USUAL = (10_000, 1_000)  # steps and transient of a spectrum


def integration(system: Any, options: dict[str, Any], *, backward: bool = False) -> Any:
    """How a call's options step the system; the tolerances of the working type where none are given."""
    check_wish(options.get("progress"))
    default = TOLERANCE.get(str(options["dtype"]), TOLERANCE["float64"])
    rtol = default[0] if options["rtol"] is None else options["rtol"]
    atol = default[1] if options["atol"] is None else options["atol"]
    names = ("dt", "t0", "integrator", "escape_radius", "dtype")
    return cast.integration(
        system, rtol=rtol, atol=atol, backward=backward, **{name: options[name] for name in names}
    )


def spectrum_request(system: Any, x0: Any, parameters: Any, o: dict[str, Any]) -> SpectrumRequest:
    """Check every argument of `spectrum`; nothing has been compiled yet."""
    system = cast.system(system)
    if o["subspace"] is not None and o["resume"] is None:
        system = subspaces.restricted(system, o["subspace"], o["direction"])
    drive = drives.given(system, o["drive"])
    if o["resume"] is not None:
        return assembly.continued(system, o["resume"], o, drive)
    adjoint = cast.direction(o["direction"], system) == "adjoint"
    steps, transient = drives.counts(drive, o["steps"], o["transient"], USUAL, 1 + adjoint)
    how = integration(system, o)
    batch = drives.members(system, how, x0, parameters, drive, steps + (1 + adjoint) * transient)
    if o["members"] is not None:
        count = cast.count("members", o["members"], 1)
        batch = assembly.with_starts(batch, count, o["spread"], o["seed"])
    if system.subspace is not None:
        system = subspaces.placed(system, how, batch)
    seed = cast.count("seed", o["seed"], 0)
    noise.check_steps(system, how, steps + 2 * transient)
    below = None if o["stderr_below"] is None else cast.positive("stderr_below", o["stderr_below"])
    keep = o["history"]
    if keep not in ("auto", True, False):
        raise InputError(f'`history` must be "auto", True or False, got {keep!r}.')
    return SpectrumRequest(
        system, how, noise.keyed(batch, system, seed), subspaces.exponent_count(o["k"], system, batch), steps,
        transient, cast.every(o["every"]), o["direction"], below, seed, None if keep == "auto" else keep,
    )  # fmt: skip


def spectrum_plan(request: SpectrumRequest, backend: Any, threads: Any) -> Plan:
    """What `spectrum` runs."""
    return make_plan(
        "spectrum", request.system, request.integration, n_members=len(request.members), k=request.k,
        steps=request.steps + (0 if request.state is not None else request.transient), name=backend, threads=threads,
        past=request.members.extent,
    )  # fmt: skip


def spectrum(
    system: Any,
    x0: Any = None,
    parameters: Any = None,
    *,
    k: int | None = None,
    steps: int | None = None,
    transient: int | None = None,
    every: int | str = "auto",
    direction: str = "tangent",
    stderr_below: float | None = None,
    history: bool | str = "auto",
    members: int | None = None,
    spread: float | str = "auto",
    subspace: Any = None,
    resume: Spectrum | None = None,
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
) -> Spectrum:
    """Lyapunov exponents of every member of a batch, with standard errors.

    Parameters
    ----------
    system : System
    x0 : (..., n), or dict of component name to array, optional
        Initial states; batch axes in front. Default: the system's own. With a delay it is the constant history, or
        a function of the time t <= 0 that returns the state (..., n).
    parameters : dict of name to array, or `fl.grid(...)`, optional
        A parameter's own shape is that of its default; axes in front of it are batch axes.
    k : int, optional
        How many exponents, from the largest; all n by default. With a delay it may exceed n.
    steps, transient : int
        Steps that are averaged over, by default 10 000, and steps before them (state and frame evolve, nothing is
        counted), by default 1000. With a drive no transient and all steps of the drive that are left.
    every : int or "auto"
        Steps between reorthonormalisations. "auto" chooses for each member from its frame's conditioning.
    direction : "tangent" or "adjoint"
        "adjoint" pulls covectors back along the stored orbit; the exponents are the same up to O(1/T).
    stderr_below : float, optional
        Stop each member as soon as the standard errors of its k exponents are below this; members that have not
        got there after `steps` are `NOT_CONVERGED`.
    history : "auto", True or False
        Whether to keep what `Spectrum.history` and `resume` need ("auto": unless it takes more than 512 MB).
    members : int, optional
        Start so many nearby states per point, each with noise of its own: mean, error and spread over the starts.
    spread : float or "auto"
        Size of the perturbations of the starts; "auto" is 0.1 * (|x0_i| + the rms of x0), 0.1 at 0.
    subspace : (q, n), optional
        Rows that span the tangents to keep, q < n, invariant under the Jacobian along the orbit: with rows across a
        synchronised state the exponents are the transversal ones. k is at most q. A member that leaves the set on
        which the subspace is invariant ends `UNTRUSTED`.
    resume : Spectrum, optional
        Go on where that result ended, for `steps` more; bit for bit what one longer run gives. All other
        settings are those of the former call; a driven cell needs its drive again, as long as the whole.
    drive : (..., T, m) or callable, optional
        Inputs of a recurrent cell: step t, counted from the start of the transient, reads u[t] or drive(t) (..., m);
        0 for none. Batch axes in front.
    dt, t0, integrator, rtol, atol, escape_radius
        Integration: step and start time (flows), "rk4", "dopri5" or "euler", for separable Hamiltonian flows also
        "leapfrog" and "yoshida4", with noise "heun_sde" (Stratonovich), "euler" (Ito) or, if it is additive, "rk4";
        tolerances of dopri5; the largest |x_i| that is not an escape.
    dtype : "float64" or "float32"
    seed : int
        Of the initial frame, of the starts and of the noise: member e draws the words of
        `numpy.random.Philox(key=[seed, e], counter=[0, step, 1, 0])` at each step.
    backend : "auto", "cpu", "cuda" or "reference"
    threads : int, optional
    progress : bool or callable, optional
        None draws a bar on a terminal when the call lasts more than a second.
    throw : bool
        Raise one `MemberError` if members failed.

    Returns
    -------
    Spectrum
        Exponents in nats per unit time (flows) or per step (maps), largest first, batch axes in front.

    Raises
    ------
    InputError
        For wrong arguments, before anything is compiled.
    Interrupted
        On Ctrl-C; `.partial` holds the result so far.

    Notes
    -----
    Benettin et al. (1980); Shimada & Nagashima (1979). Standard errors are block standard errors, see
    `fastlyap.statistics.block_stderr`.
    """
    given = dict(locals())
    request = spectrum_request(given.pop("system"), given.pop("x0"), given.pop("parameters"), given)
    plan = spectrum_plan(request, backend, threads)
    result = chunks.spectrum(request, plan, progress)
    if members is not None and resume is None:
        result = assembly.over_starts(result)
    if throw:
        raise_failures(result)
    return result


def maximal(system: Any, x0: Any = None, parameters: Any = None, **options: Any) -> Spectrum:
    """The largest Lyapunov exponent alone; the arguments of `spectrum` without `k`.

    Returns
    -------
    Spectrum
        With k = 1.
    """
    if "k" in options:
        raise InputError("`k` has no place in `maximal`, which gives the largest exponent; use `spectrum`.")
    return spectrum(system, x0, parameters, k=1, **options)


def trajectory_request(system: Any, x0: Any, parameters: Any, o: dict[str, Any]) -> TrajectoryRequest:
    """Check every argument of `trajectory`; nothing has been compiled yet."""
    system = cast.system(system)
    how = integration(system, o, backward=True)
    seed = cast.count("seed", o["seed"], 0)
    drive = drives.given(system, o["drive"])
    steps, transient = drives.counts(drive, o["steps"], o["transient"], (None, 0))
    noise.check_steps(system, how, steps + transient)
    batch = noise.keyed(drives.members(system, how, x0, parameters, drive, steps + transient), system, seed)
    return TrajectoryRequest(system, how, batch, steps, transient, cast.count("every", o["every"], 1), seed)


def trajectory_plan(request: TrajectoryRequest, backend: Any, threads: Any) -> Plan:
    """What `trajectory` runs."""
    return make_plan(
        "trajectory", request.system, request.integration, n_members=len(request.members), k=0,
        steps=request.steps + request.transient, name=backend, threads=threads, past=request.members.extent,
    )  # fmt: skip


def trajectory(
    system: Any,
    x0: Any = None,
    parameters: Any = None,
    *,
    steps: int | None = None,
    every: int = 1,
    transient: int = 0,
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
) -> Trajectory:
    """Orbits of every member of a batch.

    Parameters
    ----------
    steps : int
        Steps after the transient; with a drive by default all that are left of it.
    every : int
        Keep every so many steps; T = steps // every states.
    dt : float, optional
        May be negative, without noise: backward in time.
    seed : int
        Of the noise.
    Others as in `spectrum`.

    Returns
    -------
    Trajectory
        `state (..., T, n)`, `times (T,)`; the start itself is not among them.
    """
    given = dict(locals())
    request = trajectory_request(given.pop("system"), given.pop("x0"), given.pop("parameters"), given)
    result = chunks.trajectory(request, trajectory_plan(request, backend, threads), progress)
    if throw:
        raise_failures(result)
    return result
