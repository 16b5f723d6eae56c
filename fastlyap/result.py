"""What a call returns: frozen dataclasses of NumPy arrays, batch axes in front, with labels and units."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, NamedTuple

import numpy as np

from fastlyap import cast, labels, statistics, summary, units
from fastlyap.errors import InputError, MemberError
from fastlyap.status import Status
from fastlyap.storage import storable
from fastlyap.units import Unit


@storable
@dataclass(frozen=True)
class SystemInfo:
    """Which system a result belongs to.

    Attributes
    ----------
    name, kind : str
        `kind` is "flow", "map", ...
    dim : int
    state_names : tuple of str
    digest : str
        Hash of the recorded rule.
    autonomous : bool
        Whether the rule does not depend on time.
    """

    name: str
    kind: str
    dim: int
    state_names: tuple[str, ...] = ()
    digest: str = ""
    autonomous: bool = True


class History(NamedTuple):
    """Running exponents: `times (..., T)` since the transient, `exponents (..., T, k)`, NaN past the end."""

    times: np.ndarray
    exponents: np.ndarray


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Result:
    """What all results share: how members ended, whose they are, advice in words and labelled arrays."""

    AXES: ClassVar[dict[str, tuple[str, ...]]] = {}  # names of the axes behind the batch's, ("exponent",) by default

    status: np.ndarray
    failed_step: np.ndarray
    parameters: dict[str, np.ndarray] = field(default_factory=dict)
    x0: np.ndarray | None = None
    dims: tuple[str, ...] = ()
    system: SystemInfo
    settings: dict[str, Any] = field(default_factory=dict)

    def axes(self, name: str) -> tuple[str, ...]:
        """Names of the axes of a field behind the batch's; entries of a field, as "state/rows", have none."""
        return self.AXES.get(name, () if "/" in name else ("exponent",))

    def message(self, index: int | Sequence[int] = ()) -> str:
        """One sentence on how the member at `index` of the batch ended, with advice."""
        return summary.message(self, labels.member_index(self, index))

    def to_xarray(self) -> Any:
        """The result as an `xarray.Dataset`, its dims named by what was varied."""
        return labels.dataset(self)


@storable
@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Spectrum(Result):
    """Lyapunov exponents, largest first, with their errors; failed members hold NaN.

    Attributes
    ----------
    exponents, stderr : (..., k)
        In nats per unit time (flows) or per step (maps), see `unit`.
    status : (...) int8
        Codes of `Status`.
    failed_step : (...) int64
        When; -1 for members that did not fail.
    n_steps : (...) int64
        Steps counted after the transient.
    sum_rule : (...)
        Sum of all exponents minus the mean log|det| of the steps; NaN when k < n.
    divergence_error : (...)
        The same against the flow's mean divergence; NaN for maps and when k < n.
    moved : (...) or None
        How far one step more would move the last state of an autonomous map, largest component relative to 1 + that of
        the state: 0 at fixed points. NaN where nobody looked; None for other systems.
    conditioning : (...)
        Largest conditioning of the frame met between two reorthonormalisations.
    spread : (..., k) or None
        Standard deviation over the starts of `members=`.
    parameters : dict of str to array
        Batch axes (length 1 where a parameter does not vary) in front of the parameter's own shape.
    x0 : (..., n) or None
        The starts.
    dims : tuple of str
        Names of the batch axes.
    system : SystemInfo
    settings : dict of plain values
        steps, transient, every, dt, integrator, dtype, seed, program, ...
    state : dict of arrays or None
        Everything needed to go on with `resume=`; always in the natural unit.
    unit : Unit
    """

    exponents: np.ndarray
    stderr: np.ndarray
    n_steps: np.ndarray
    sum_rule: np.ndarray
    divergence_error: np.ndarray
    conditioning: np.ndarray
    spread: np.ndarray | None = None
    moved: np.ndarray | None = None
    state: dict[str, np.ndarray] | None = None
    unit: Unit = None  # type: ignore[assignment]  # filled in below from the system's kind

    def __post_init__(self) -> None:
        if self.unit is None:
            object.__setattr__(self, "unit", units.natural(self.system.kind))

    def __repr__(self) -> str:
        return summary.spectrum(self)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        """NumPy functions see the exponents."""
        return np.array(self.exponents, dtype=dtype)

    @property
    def kaplan_yorke(self) -> np.ndarray:
        """(...) Kaplan-Yorke dimension."""
        return statistics.kaplan_yorke(self.exponents)

    @property
    def entropy(self) -> np.ndarray:
        """(...) Sum of the positive exponents, an upper bound of the Kolmogorov-Sinai entropy."""
        return np.where(self.exponents < 0, 0.0, self.exponents).sum(axis=-1)[()]

    @property
    def n_positive(self) -> np.ndarray:
        """(...) How many exponents are positive beyond their errors; -1 for failed members."""
        exponents, stderr = self._natural
        known = np.where(np.isfinite(stderr), stderr, 0.0)
        with np.errstate(divide="ignore"):
            bound = np.fmax(3.0 * known, statistics.ZERO / self._time[..., np.newaxis])
        count = (exponents > bound).sum(axis=-1)
        return np.where(np.isnan(exponents).any(axis=-1), -1, count)[()]

    @property
    def kind(self) -> np.ndarray:
        """(...) str: fixed point, cycle, torus, chaos or hyperchaos, judged with the errors.

        Systems driven by inputs, time or noise have a "stable response" (all exponents negative: orbits from different
        starts meet), a "neutral response" (the largest is zero), chaos or hyperchaos. "fixed point or cycle" where
        nobody looked at the orbit of a map, "restricted" with `subspace=`, "unknown" without numbers.
        """
        info = self.system
        if "subspace" in self.settings:  # what happens across a synchronised state is not what happens on it
            return np.full(np.shape(self.status), "restricted")[()]
        return statistics.classify(
            *self._natural, kind=info.kind, total_time=self._time, dim=info.dim, autonomous=info.autonomous,
            moved=self.moved, eps=float(np.finfo(self.settings.get("dtype", "float64")).eps),
        )  # fmt: skip

    def history(self, n_points: int | None = None) -> History:
        """How the exponents settled: means over the run so far, at up to `n_points` even moments."""
        if self.state is None or "cells" not in self.state:
            raise InputError("`history` needs the cells of the run, which were not kept; run with history=True.")
        cells = np.log(2.0) * self.state["cells"]  # kept as logarithms to base 2
        n_cells = np.asarray(self.state["n_cells"])
        cell_time = np.asarray(self.state["cell_steps"]) * self._dt
        means = statistics.running_mean(cells, cell_time) * np.asarray(self.unit.scale)[..., None, None]
        numbers = np.arange(1, cells.shape[-2] + 1)
        means = np.where((numbers <= n_cells[..., None])[..., None], means, np.nan)
        last = np.take_along_axis(means, np.maximum(n_cells, 1)[..., None, None] - 1, axis=-2)
        means = np.take_along_axis(means, np.argsort(-last, axis=-1, kind="stable"), axis=-1)
        used = int(n_cells.max(initial=0))
        points = cast.count("n_points", used if n_points is None else n_points, 0)
        chosen = np.unique(np.linspace(used, 0, min(points, used), endpoint=False).round().astype(int)) - 1
        times = numbers[chosen] * cell_time[..., None]
        return History(np.broadcast_to(times, means.shape[:-2] + chosen.shape), means[..., chosen, :])

    def per(self, clock: str) -> "Spectrum":
        """The same result per "step", "time" or "lyapunov_time" (of each member's largest exponent)."""
        largest = self.exponents[..., 0]
        return self._in(units.with_clock(self.unit, clock, kind=self.system.kind, dt=self._dt, largest=largest))

    def bits(self) -> "Spectrum":
        """The same result in bits instead of nats."""
        return self._in(units.in_bits(self.unit))

    @property
    def _dt(self) -> float:
        return float(self.settings.get("dt") or 1.0)

    @property
    def _time(self) -> np.ndarray:
        """(...) Length of the run on the natural clock."""
        return np.asarray(self.n_steps) * self._dt

    @property
    def _natural(self) -> tuple[np.ndarray, np.ndarray]:
        """Exponents and standard errors in the natural unit."""
        scale = np.asarray(self.unit.scale)[..., np.newaxis]
        return self.exponents / scale, self.stderr / scale

    def _in(self, unit: Unit) -> "Spectrum":
        """The same result in another unit."""
        factor = np.asarray(unit.scale / self.unit.scale)
        each = factor[..., np.newaxis]
        return replace(
            self,
            exponents=self.exponents * each,
            stderr=self.stderr * each,
            spread=None if self.spread is None else self.spread * each,
            sum_rule=self.sum_rule * factor,
            divergence_error=self.divergence_error * factor,
            unit=unit,
        )


@storable
@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Trajectory(Result):
    """Orbits; NaN from the step at which a member failed.

    Attributes
    ----------
    state : (..., T, n)
    times : (T,)
        Time (flows) or step number (maps).
    status, failed_step, parameters, x0, dims, system, settings
        As in `Spectrum`.
    """

    AXES: ClassVar[dict[str, tuple[str, ...]]] = {"state": ("time", "component")}

    state: np.ndarray
    times: np.ndarray

    def __repr__(self) -> str:
        return summary.trajectory(self)


def raise_failures(result: Result) -> None:
    """Raise one `MemberError` that lists failed and untrusted members, if there are any."""
    lost = Status.failed(result.status) | (result.status == Status.UNTRUSTED)
    if np.any(lost):
        raise MemberError(summary.failures(result, lost))
