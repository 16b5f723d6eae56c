"""A checked call of a verb, any run of its points as a call of its own, and its result as flat arrays.

Every part runs the program chosen for the whole, so that a sweep in chunks gives bit for bit what one call gives.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from fastlyap import hardware
from fastlyap.errors import InputError
from fastlyap.machines import assembly, planning
from fastlyap.machines.planning import Plan
from fastlyap.sweeps.verbs import VERBS, options_of

LABELS = ("parameters", "x0", "dims", "system", "settings", "unit", "times")  # fields that do not vary by member


@dataclass(frozen=True)
class Job:
    """Points of a sweep to be computed.

    verb : name; request, plan : of these points; starts : flat members per point, one except with `members=`.
    """

    verb: str
    request: Any
    plan: Plan
    starts: int = 1

    def __len__(self) -> int:
        return len(self.request.members) // self.starts

    @property
    def shape(self) -> tuple[int, ...]:
        """The batch shape of the points."""
        shape = self.request.members.shape
        return shape[:-1] if self.averaged else shape

    @property
    def dims(self) -> tuple[str, ...]:
        """Names of the batch axes of the points."""
        return self.request.members.dims[: len(self.shape)]

    @property
    def averaged(self) -> bool:
        """Whether several starts make one point, so that the last axis of the batch is that of starts."""
        return self.request.members.dims[-1:] == ("start",)

    @property
    def bytes_of_a_point(self) -> int:
        """Bytes that the result of a point takes."""
        return 8 * VERBS[self.verb].numbers(self.request)

    def part(self, points: slice | np.ndarray) -> Job:
        """Some of the points, as a flat batch, in the program of the whole."""
        whole, count = self.request.members, self.starts

        def chosen(values: np.ndarray) -> np.ndarray:
            return values.reshape(-1, count, *values.shape[1:])[points].reshape(-1, *values.shape[1:])

        x = chosen(whole.x)
        shape, dims = ((len(x) // count, count), ("point", "start")) if self.averaged else ((len(x),), ("point",))
        past = None if whole.past is None else chosen(whole.past)
        members = replace(whole, x=x, p=chosen(whole.p), shape=shape, dims=dims, parameters={}, past=past)
        request = replace(self.request, members=members)
        if getattr(request, "state", None) is not None:
            request = replace(request, state={name: chosen(value) for name, value in request.state.items()})
        plan, most = self.plan, max(1, len(x))
        chunk = planning.chunk_size(most, plan.chunk, plan.width, plan.threads)
        share = most / max(plan.members, 1)
        plan = replace(
            plan, members=len(x), chunk=chunk, member_steps=int(plan.member_steps * share), seconds=plan.seconds * share
        )
        return replace(self, request=request, plan=plan)

    def on(self, threads: int | None) -> Job:
        """The same on so many threads; with None as it is."""
        if threads is None:
            return self
        chunk = planning.chunk_size(self.plan.members, self.plan.chunk, self.plan.width, threads)
        return replace(self, plan=replace(self.plan, threads=threads, chunk=chunk))

    def run(self, progress: Any = False) -> Any:
        """The result of these points."""
        result = VERBS[self.verb].run(self.request, self.plan, progress)
        return assembly.over_starts(result) if self.averaged else result

    def program_here(self) -> str:
        """The program that this machine would run the same plan as."""
        if self.plan.backend != "cpu":
            return self.plan.program
        return planning._program("cpu", self.request.integration, self.plan.width, self.plan.form)

    def for_this_machine(self) -> Job:
        """The same points in this machine's own program."""
        if self.plan.width > 1:
            width = hardware.lanes(self.request.integration.dtype)
            self = replace(self, plan=replace(self.plan, width=width))
        return replace(self, plan=replace(self.plan, program=self.program_here()))


def job_of(name: str, system: Any, points: Any, given: dict[str, Any], keep_state: bool = False) -> Job:
    """Check a call and plan it; nothing is compiled."""
    given = dict(given)
    x0 = given.pop("x0", None)
    verb, o = options_of(name, given)
    if keep_state:
        if verb is not VERBS["spectrum"] or o["members"] is not None or o["stderr_below"] is not None:
            raise InputError("`keep_state` is for sweeps of `spectrum` without `members` and `stderr_below`.")
        o["history"] = True
    request = verb.request(system, x0, points, o)
    starts = o["members"] if o.get("members") is not None else 1
    return Job(name, request, verb.plan(request, o["backend"], o["threads"]), int(starts))


def arrays_of(result: Any) -> dict[str, np.ndarray]:
    """Everything of a result that varies by member, by path; the batch axis is in front."""
    found = {}
    for field in dataclasses.fields(result):
        value = getattr(result, field.name)
        if field.name in LABELS or value is None:
            continue
        for name, array in value.items() if isinstance(value, dict) else [("", value)]:
            found[f"{field.name}/{name}" if name else field.name] = np.asarray(array)
    return found


def labels_of(result: Any) -> dict[str, Any]:
    """What a store says once of all members: class, settings, axes behind the batch, times."""
    axes = {name: list(result.axes(name)) for name in arrays_of(result) if "/" not in name}
    times = getattr(result, "times", None)
    return {
        "class": type(result).__name__, "result_settings": dict(result.settings), "axes": axes,
        "times": None if times is None else np.asarray(times).tolist(), "units": str(getattr(result, "unit", "")),
    }  # fmt: skip


def put_together(cls: type, arrays: dict[str, np.ndarray], manifest: dict[str, Any], labels: dict[str, Any]) -> Any:
    """A result of the class `cls` from its arrays, and its parameters, x0, dims and system."""
    fields: dict[str, Any] = {field.name: None for field in dataclasses.fields(cls) if field.name not in labels}
    fields.pop("unit", None)
    for path, array in arrays.items():
        name, slash, key = path.partition("/")
        if slash:
            fields[name] = {**(fields[name] or {}), key: array}
        else:
            fields[name] = array
    settings = {name: tuple(v) if isinstance(v, list) else v for name, v in manifest["result_settings"].items()}
    if "times" in fields:
        fields["times"] = np.array(manifest["times"])
    return cls(**{**fields, **labels, "settings": settings})
