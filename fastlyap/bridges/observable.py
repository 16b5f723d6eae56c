"""What the bridges have in common: an objective of a run as a function of arrays, with its gradient beside it.

Values and gradients of one call come from one run of `fl.gradient`; the framework keeps the gradient until it goes
backward.
"""

from __future__ import annotations

import inspect
import math
import warnings
import weakref
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from fastlyap import cast
from fastlyap import objective as objectives
from fastlyap.errors import InputError, MemberError
from fastlyap.gradients import gradient
from fastlyap.machines.gradient_result import Gradient
from fastlyap.networks.network import Network
from fastlyap.status import Status

POLICIES = ("warn", "raise", "nan")
SHOWN = 3  # members whose story a warning tells
_ALIVE: weakref.WeakValueDictionary[int, Observable] = weakref.WeakValueDictionary()


class Observable:
    """An objective of a system's runs as a function of named arrays.

    Attributes
    ----------
    last : Gradient, tuple of them for several objectives, or None
        What the last call found: standard errors, status, statistics.
    """

    last: Gradient | tuple[Gradient, ...] | None = None

    def __init__(self, system: Any, objective: Any, untrusted: str, fixed: Mapping[str, Any]) -> None:
        self.net = isinstance(system, Network)
        self.system, self.objective = system if self.net else cast.system(system), objective
        self.untrusted = cast.choice("untrusted", untrusted, POLICIES)
        self.several = isinstance(objective, (tuple, list))
        self.count = len(objective) if self.several else 1
        if not self.net:
            objectives.objectives(objective)
        refused = {"wrt", "throw"} & fixed.keys()
        if refused:
            raise InputError(f"`{min(refused)}` is no argument of a bridge: what a call names is differentiated by, "
                             "and `untrusted=` says what happens to members that cannot be trusted.")  # fmt: skip
        try:
            inspect.signature(gradient).bind(system, objective, **fixed)
        except TypeError as error:
            raise InputError(f"`mean_observable` takes the arguments of fl.gradient, but {error}.") from None
        self.fixed = dict(fixed)
        self.parameters = dict(self.fixed.pop("parameters", None) or {})
        self.start = self.fixed.pop("x0", None)
        self.key = id(self)
        _ALIVE[self.key] = self

    @staticmethod
    def of(key: int) -> Observable:
        """The observable of this key, which someone must still hold."""
        return _ALIVE[key]

    def names(self, given: Mapping[str, Any]) -> tuple[str, ...]:
        """The names of a call's arrays, checked."""
        known = [*self.system.parameters, *(() if self.net else ("x0",))]
        for name in given:
            if name not in known:
                where = "this network" if self.net else self.system.name
                raise InputError(f"`mean_observable` has no `{name}` in {where}; there are: {', '.join(known)}.")
        if not given:
            raise InputError("`mean_observable` needs the arrays to differentiate by, by name: observable(rho=rho).")
        return tuple(given)

    def own(self, name: str) -> tuple[int, ...]:
        """The own shape of an argument."""
        return (self.system.dim,) if name == "x0" and name not in self.system.parameters else self.system.shapes[name]

    def lead(self, name: str, shape: Sequence[int]) -> tuple[int, ...]:
        """The batch axes of an argument of this shape."""
        own = self.own(name)
        count = len(shape) - len(own)
        if count < 0 or tuple(shape[count:]) != own:
            raise InputError(f"`{name}` must have shape (..., {', '.join(map(str, own))}), got {tuple(shape)}.")
        return tuple(shape[:count])

    def shapes(self, names: Sequence[str], given: Sequence[Sequence[int]]) -> tuple[tuple[int, ...], int]:
        """Batch shape of a call's values, and how many numbers the gradient of one has; shapes of the arrays given."""
        leads = [self.lead(name, shape) for name, shape in zip(names, given, strict=True)]
        for name, value in self.parameters.items():
            if name not in names and name in self.system.parameters:
                leads.append(self.lead(name, np.shape(value)))
        if "x0" not in names and not isinstance(self.start, Mapping):
            own = 1 + len(self.system.input_shape) if self.net else 1
            leads.append(np.shape(self.start)[:-own] if self.start is not None else ())
        return np.broadcast_shapes(*leads), sum(math.prod(self.own(name)) for name in names)

    def run(self, names: Sequence[str], arrays: Sequence[Any], seed: int | None) -> tuple[np.ndarray, np.ndarray]:
        """Values (J, ...) and their gradients (J, ..., width) by the arrays, one after another, each raveled.

        Without an effect on the values, which is the case for "x0" before a transient, the gradient is 0.
        """
        given = dict(zip(names, (np.asarray(array, dtype=np.float64) for array in arrays), strict=True))
        start = given.pop("x0", self.start) if "x0" not in self.system.parameters else self.start
        by = [name for name in names if name in given or not self.fixed.get("transient", 1_000)]
        more = {} if seed is None else {"seed": cast.count("seed", seed, 0)}
        found = gradient(self.system, self.objective, by, start, {**self.parameters, **given}, **self.fixed | more)
        self.last = found
        values, rows = [], []
        for one in found if isinstance(found, tuple) else (found,):
            trusted = self._judged(one)
            shape = np.shape(one.status)
            parts = [one.gradient.get(name, np.zeros((*shape, *self.own(name)))) for name in names]
            row = np.concatenate([np.reshape(part, (*shape, -1)) for part in parts], axis=-1)
            values.append(one.value)
            rows.append(np.where(trusted[..., None], row, np.nan))
        return np.stack(values), np.stack(rows)

    def _judged(self, found: Gradient) -> np.ndarray:
        """Which members' gradients count, after what was asked for has been done about the others."""
        bad = Status.failed(found.status) | (found.status == Status.UNTRUSTED)
        if np.any(bad) and self.untrusted != "nan":
            places = [tuple(int(i) for i in place) for place in np.argwhere(bad)]
            told = "; ".join(found.message(place) for place in places[:SHOWN])
            more = f"; and {len(places) - SHOWN} more" if len(places) > SHOWN else ""
            text = f"{len(places)} of {bad.size} gradients cannot be trusted: {told}{more}"
            if self.untrusted == "raise":
                raise MemberError(text)
            warnings.warn(text, stacklevel=2)
        return ~bad if self.untrusted == "nan" else np.ones_like(bad)
