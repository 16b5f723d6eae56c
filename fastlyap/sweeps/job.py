"""A checked call of a verb, any run of its points as a call of its own, and its result as flat arrays.

Every part runs the program chosen for the whole, so that a sweep in chunks gives bit for bit what one call gives.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from fastlyap import hardware, labels
from fastlyap.errors import InputError
from fastlyap.machines import planning
from fastlyap.machines.gradient_reasons import REASONS, packed, unpacked
from fastlyap.machines.planning import Plan
from fastlyap.sweeps.verbs import LABELS, VERBS, options_of, taken


@dataclass(frozen=True)
class Job:
    """Points of a sweep to be computed.

    verb : name; request, plan : of these points; starts : members that make one point together, along the last axis of
    the batch, or None where that has no such axis; axes : values along axes of the whole batch, where they were given.
    """

    verb: str
    request: Any
    plan: Plan
    starts: int | None = None
    axes: dict[str, np.ndarray] = dataclasses.field(default_factory=dict, repr=False)

    def __len__(self) -> int:
        return len(self.request.members) // (self.starts or 1)

    @property
    def shape(self) -> tuple[int, ...]:
        """The batch shape of the points."""
        shape = self.request.members.shape
        return shape if self.starts is None else shape[:-1]

    @property
    def dims(self) -> tuple[str, ...]:
        """Names of the batch axes of the points."""
        return self.request.members.dims[: len(self.shape)]

    @property
    def bytes_of_a_point(self) -> int:
        """Bytes that the result of a point takes."""
        return 8 * VERBS[self.verb].numbers(self.request)

    def part(self, points: slice | np.ndarray) -> Job:
        """Some of the points, as a flat batch, in the program of the whole."""
        whole, count = self.request.members, self.starts or 1

        def chosen(values: np.ndarray) -> np.ndarray:
            own = values.shape[1:]
            some = values.reshape(len(self), count, *own)[points]
            return some.reshape(len(some) * count, *own)

        x = chosen(whole.x)
        shape: tuple[int, ...] = (len(x),)
        dims: tuple[str, ...] = ("point",)
        if self.starts is not None:
            shape, dims = (len(x) // count, count), ("point", whole.dims[-1])
        past = None if whole.past is None else chosen(whole.past)
        members = replace(whole, x=x, p=chosen(whole.p), shape=shape, dims=dims, parameters={}, past=past)
        request = replace(self.request, members=members)
        if hasattr(request, "part"):  # what chooses its program by the number of members
            request = replace(request, part=self.plan.width > 1)
        if getattr(request, "state", None) is not None:
            request = replace(request, state={name: chosen(value) for name, value in request.state.items()})
        plan, most = self.plan, max(1, len(x))
        chunk = planning.chunk_size(most, plan.chunk, plan.width, plan.threads)
        share = most / max(plan.members, 1)
        plan = replace(
            plan, members=len(x), chunk=chunk, member_steps=int(plan.member_steps * share), seconds=plan.seconds * share
        )
        return replace(self, request=request, plan=plan, axes={})

    def on(self, threads: int | None) -> Job:
        """The same on so many threads; with None as it is."""
        if threads is None:
            return self
        chunk = planning.chunk_size(self.plan.members, self.plan.chunk, self.plan.width, threads)
        return replace(self, plan=replace(self.plan, threads=threads, chunk=chunk))

    def run(self, progress: Any = False) -> Any:
        """The result of these points."""
        return VERBS[self.verb].run(self.request, self.plan, progress)

    def program_here(self) -> str:
        """The program that this machine would run the same plan as."""
        if self.plan.backend != "cpu":
            return self.plan.program
        cells = self.request.system.architecture is not None
        return planning._program("cpu", self.request.integration, self.plan.width, self.plan.form, cells)

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
    for dim in set(request.members.dims) & taken(name):
        raise InputError(f"`grid` varies `{dim}`, which is the name of an array of results; rename that parameter.")
    starts = getattr(request, "repetitions", o.get("members"))
    plan = verb.plan(request, o["backend"], o["threads"])
    return Job(name, request, plan, None if starts is None else int(starts), getattr(points, "axes", {}))


def arrays_of(result: Any) -> dict[str, np.ndarray]:
    """Everything of a result that varies by member, by path; the batch axis is in front."""
    found: dict[str, np.ndarray] = {}
    for field in dataclasses.fields(result):
        if field.name not in LABELS:
            _gather(found, field.name, getattr(result, field.name), result.status.shape)
    return found


def _gather(found: dict[str, np.ndarray], path: str, value: Any, batch: tuple[int, ...]) -> None:
    if path == REASONS:
        found[path] = packed(value, batch)
    elif isinstance(value, dict):
        for name, part in value.items():
            _gather(found, f"{path}/{name}", part, batch)
    elif isinstance(value, np.ndarray) and value.shape[: len(batch)] == batch:
        found[path] = value


def labels_of(result: Any) -> dict[str, Any]:
    """What a store says once of all members: class, settings, axes behind the batch and their values, constants."""
    arrays = arrays_of(result)
    axes = {name: list(result.axes(name))[: values.ndim - 1] for name, values in arrays.items() if name != REASONS}
    sizes = {axis: m for name, own in axes.items() for axis, m in zip(own, arrays[name].shape[1:], strict=False)}
    times = getattr(result, "times", None)
    along = {name: np.asarray(v).tolist() for name, v in labels.own_coordinates(result, sizes).items()}
    told = {name: v for name, v in (getattr(result, "stats", None) or {}).items() if isinstance(v, (str, tuple))}
    return {
        "class": type(result).__name__, "result_settings": dict(result.settings), "axes": axes, "along": along,
        "times": None if times is None else np.asarray(times).tolist(), "units": str(getattr(result, "unit", "")),
        "constants": {"stats": told} if told else {},
    }  # fmt: skip


def put_together(cls: type, arrays: dict[str, np.ndarray], manifest: dict[str, Any], beside: dict[str, Any]) -> Any:
    """A result of the class `cls` from its arrays; beside : its parameters, x0, dims and system."""
    fields: dict[str, Any] = {field.name: None for field in dataclasses.fields(cls) if field.name not in beside}
    fields.pop("unit", None)
    fields |= {name: _tuples(told) for name, told in manifest.get("constants", {}).items()}
    for path, array in arrays.items():
        *groups, name = path.split("/")
        node = fields
        for group in groups:
            node[group] = node.get(group) or {}
            node = node[group]
        node[name] = unpacked(array) if path == REASONS else array
    settings = _tuples(manifest["result_settings"])
    if "times" in fields:
        fields["times"] = np.array(manifest["times"])
    return cls(**{**fields, **beside, "settings": settings})


def _tuples(told: dict[str, Any]) -> dict[str, Any]:
    """Plain values as they were before JSON made lists of tuples."""
    return {name: tuple(v) if isinstance(v, list) else v for name, v in told.items()}
