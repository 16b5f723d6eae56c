"""The verb `plan`: what a call of another verb would run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastlyap import cast, directional, indicators, lyapunov
from fastlyap.errors import InputError
from fastlyap.machines.planning import Plan

VERBS: dict[str, tuple[Callable, Callable, Callable]] = {  # verb: (itself, checks its arguments, plans it)
    "spectrum": (lyapunov.spectrum, lyapunov.spectrum_request, lyapunov.spectrum_plan),
    "maximal": (lyapunov.spectrum, lyapunov.spectrum_request, lyapunov.spectrum_plan),
    "vectors": (directional.vectors, directional.vectors_request, directional.vectors_plan),
    "finite_time": (directional.finite_time, directional.finite_time_request, directional.finite_time_plan),
    "gali": (indicators.gali, indicators.gali_request, indicators.gali_plan),
}


def plan(verb: str, system: Any, x0: Any = None, parameters: Any = None, **options: Any) -> Plan:
    """What a call of a verb would run, without running it.

    Parameters
    ----------
    verb : "spectrum", "maximal", "vectors", "finite_time" or "gali"
    Others as in the verb.

    Returns
    -------
    Plan
        Printable: backend, program, family, chunks, work, memory, and whether the code is compiled already.
    """
    run, check, make = VERBS[cast.choice("verb", verb, tuple(VERBS))]
    if verb == "maximal":
        options["k"] = 1
    defaults = dict(run.__kwdefaults__ or {})
    required = (run.__annotations__.keys() & {"steps"}) - defaults.keys()
    unknown = [name for name in options if name not in defaults and name not in required]
    if unknown:
        raise InputError(f"`{unknown[0]}` is not an argument of `{verb}`.")
    for name in required - options.keys():
        raise InputError(f"`{name}` is missing; `{verb}` needs it.")
    o = {**defaults, **options}
    return make(check(system, x0, parameters, o), o["backend"], o["threads"])
