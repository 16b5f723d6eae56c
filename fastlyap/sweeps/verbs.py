"""The verbs that can be swept: how their arguments are checked, planned and run, and how large their results are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any, NamedTuple

from fastlyap import directional, gradients, indicators, lyapunov
from fastlyap.errors import InputError
from fastlyap.kernel import layout
from fastlyap.machines import alignment, alternation, assembly, chunks, directions
from fastlyap.machines.alignment_result import Gali
from fastlyap.machines.finite_time_result import FiniteTime
from fastlyap.machines.gradient_result import Gradient
from fastlyap.machines.vectors_result import Vectors
from fastlyap.method import PathKernel
from fastlyap.request import GradientRequest, LayersRequest
from fastlyap.result import Spectrum, Trajectory
from fastlyap.trace.recorder import Recording

OWN = ("progress", "throw")  # what a sweep does itself
LABELS = ("parameters", "x0", "dims", "system", "settings", "unit", "times")  # fields that do not vary by member
GROUPS = ("inputs", "ledger", "driver")  # what else lies in a store


class Verb(NamedTuple):
    """A verb: itself, the check of its arguments, its plan, the run of a plan, numbers in a member's result, its class.

    own : arguments that only this verb has by position, with their defaults; `...` where one must be given.
    """

    function: Callable
    request: Callable
    plan: Callable
    run: Callable
    numbers: Callable
    result: type
    own: dict[str, Any] = {}


def _spectrum_numbers(request: Any) -> int:
    kept = layout.state_rows(request.system.dim, request.k) + layout.accumulator_rows(request.k) if request.keep else 0
    return 3 * request.k + 6 + kept


def _vectors_numbers(request: Any) -> int:
    n, k = request.system.dim, request.k
    stored = (request.steps // request.every) * (k * n + n + k) if request.store else 0
    return 33 * k * k + 3 * k + 3 + stored


def _finite_time_request(*given: Any) -> Any:
    request = directional.finite_time_request(*given)
    if isinstance(request, LayersRequest):
        raise InputError("`system` must be a System in a sweep, got a network; call `fl.finite_time` on it directly.")
    return request


def _spectrum(request: Any, plan: Any, progress: Any) -> Any:
    result = chunks.spectrum(request, plan, progress)
    return assembly.over_starts(result) if request.members.dims[-1:] == ("start",) else result


def _gradient_request(system: Any, x0: Any, parameters: Any, o: dict[str, Any]) -> GradientRequest:
    """As data that can travel: functions have been recorded, schedules are numbers."""
    objective, wrt = o["objective"], o["wrt"]
    if isinstance(objective, (tuple, list)) and len(objective) != 1:
        raise InputError("`objective` must be a single one in a sweep; sweep each of them into a store of its own.")
    request = gradients.gradient_request(system, objective, wrt, x0, parameters, {**o, "dtype": "float64"})
    if not isinstance(request, GradientRequest):
        raise InputError("`system` must be a System in a sweep, got a network; call `fl.gradient` on it directly.")
    if not all(isinstance(one, Recording) for one in request.objectives):
        raise InputError("`objective` must be recorded in a sweep, got compiled functions, which cannot be stored.")
    if isinstance(request.method, PathKernel) and callable(request.method.beta):
        method, n = request.method, request.system.dim
        schedule = method.matrices(request.steps, n) if method.by_matrix else method.schedule(request.steps)
        request = replace(request, method=replace(method, beta=schedule))
    return request


def _gradient(request: GradientRequest, plan: Any, progress: Any) -> Any:
    return gradients.run_gradient(request, plan.backend, plan.threads, progress)[0]


def _gradient_numbers(request: GradientRequest) -> int:
    kept = request.repetitions * request.width if request.keep_members else 0
    return 12 * request.width + 2 * request.system.dim + 20 + kept


SPECTRUM = Verb(
    lyapunov.spectrum, lyapunov.spectrum_request, lyapunov.spectrum_plan, _spectrum, _spectrum_numbers, Spectrum
)  # fmt: skip
VERBS = {
    "spectrum": SPECTRUM,
    "maximal": SPECTRUM,
    "vectors": Verb(
        directional.vectors, directional.vectors_request, directional.vectors_plan, directions.vectors,
        _vectors_numbers, Vectors,
    ),
    "finite_time": Verb(
        directional.finite_time, _finite_time_request, directional.finite_time_plan, alternation.finite_time,
        lambda request: 2 * request.k * (1 + request.system.dim) + request.system.dim + 4, FiniteTime,
    ),
    "gali": Verb(
        indicators.gali, indicators.gali_request, indicators.gali_plan, alignment.gali,
        lambda request: request.steps // request.every + request.system.dim + 3, Gali,
    ),
    "trajectory": Verb(
        lyapunov.trajectory, lyapunov.trajectory_request, lyapunov.trajectory_plan, chunks.trajectory,
        lambda request: (request.steps // request.every) * request.system.dim + 2, Trajectory,
    ),
    "gradient": Verb(
        gradients.gradient, _gradient_request, gradients.gradient_plan, _gradient, _gradient_numbers, Gradient,
        {"objective": ..., "wrt": None},
    ),
}  # fmt: skip


def taken(name: str) -> set[str]:
    """Names that the arrays of this verb's results have in a store, so that nothing else can."""
    return {field.name for field in fields(VERBS[name].result)} - set(LABELS) | set(GROUPS)


def options_of(name: Any, given: dict[str, Any]) -> tuple[Verb, dict[str, Any]]:
    """The verb called `name`, and all its keyword arguments with those given in place of the defaults."""
    if not isinstance(name, str) or name not in VERBS:
        raise InputError(f"`verb` must be one of {', '.join(map(repr, VERBS))}, got {name!r}.")
    verb = VERBS[name]
    defaults = {**(verb.function.__kwdefaults__ or {}), **verb.own}
    if name == "maximal":
        if "k" in given:
            raise InputError("`k` has no place in `maximal`, which gives the largest exponent; sweep `spectrum`.")
        defaults["k"] = 1
    for word in given:
        if word not in defaults or word in OWN:
            raise InputError(f"`{word}` is not an argument of a sweep of `{name}`.")
    if given.get("resume") is not None:
        raise InputError("`resume` continues the store in a sweep and is True or False; more `steps` need keep_state.")
    if "history" in given:
        raise InputError("`history` has no place in a sweep; keep_state=True keeps what more steps need.")
    chosen = {**defaults, **given}
    for word in (word for word, value in chosen.items() if value is ...):
        raise InputError(f"`{word}` is missing; a sweep of `{name}` needs it.")
    if name == "vectors" and "store" not in given:
        chosen["store"] = False
    if verb is SPECTRUM:
        chosen["history"] = False
    return verb, chosen
