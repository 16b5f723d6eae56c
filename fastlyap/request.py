"""What a dynamics call asks for, checked and broadcast: pure data between the verbs and the machines."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np


@dataclass(frozen=True)
class Integration:
    """How a system is stepped: integrator, step, start time, tolerances, escape radius."""

    integrator: str
    dt: float
    t0: float = 0.0
    rtol: float = 1e-9
    atol: float = 1e-12
    escape_radius: float = 1e8
    dtype: str = "float64"

    @property
    def eps(self) -> float:
        """Unit roundoff of the working type."""
        return float(np.finfo(self.dtype).eps)


class Extent(NamedTuple):
    """How much the vectors of a batch of delay systems hold.

    rows : of the longest; least : dimension of the shortest history; alike : all look back equally many steps.
    """

    rows: int
    least: int
    alike: bool


@dataclass(frozen=True)
class Members:
    """The batch: one row per member, whatever its shape was.

    x : (B, n) initial states; p : (B, n_params) flat parameters, behind them the keys of `noise.keyed` or the places of
    `delays.placed`; shape, dims : of the batch; parameters : as given, with all batch axes (length 1 where they do not
    vary) in front of their own shape; past : the history of `delays.members`, None for a constant one; extent : of the
    histories of the whole batch, None without delays. Of recurrent cells p are places in the numbers `pool`, and
    drive : (..., T, m) are the inputs; see `drives.laid_out`.
    """

    x: np.ndarray
    p: np.ndarray
    shape: tuple[int, ...]
    dims: tuple[str, ...]
    parameters: dict[str, np.ndarray] = field(repr=False)
    past: np.ndarray | None = field(default=None, repr=False)
    extent: Extent | None = None
    pool: np.ndarray | None = field(default=None, repr=False)
    drive: np.ndarray | None = field(default=None, repr=False)

    def __len__(self) -> int:
        return len(self.x)


@dataclass(frozen=True)
class SpectrumRequest:
    """Everything `fl.spectrum` was asked, after all checks. Counts in steps."""

    system: Any
    integration: Integration
    members: Members
    k: int
    steps: int
    transient: int
    every: int | None
    direction: str
    stderr_below: float | None
    seed: int
    keep: bool | None
    state: dict[str, np.ndarray] | None = None


@dataclass(frozen=True)
class TrajectoryRequest:
    """Everything `fl.trajectory` was asked. Counts in steps."""

    system: Any
    integration: Integration
    members: Members
    steps: int
    transient: int
    every: int
    seed: int = 0


@dataclass(frozen=True)
class VectorsRequest:
    """Everything `fl.vectors` was asked. Counts in steps; `steps` is a multiple of `every`."""

    system: Any
    integration: Integration
    members: Members
    kind: str
    k: int
    steps: int
    warmup: tuple[int, int]
    every: int
    store: bool
    seed: int

    @property
    def transient(self) -> int:
        """Steps before the window."""
        return self.warmup[0]

    @property
    def flow(self) -> bool:
        """Whether the vectors are compared with the direction of the flow."""
        return self.kind == "covariant" and self.system.kind == "flow"


@dataclass(frozen=True)
class FiniteTimeRequest:
    """Everything `fl.finite_time` was asked. Counts in steps."""

    system: Any
    integration: Integration
    members: Members
    k: int
    steps: int
    transient: int
    tolerance: float
    max_sweeps: int
    seed: int


@dataclass(frozen=True)
class LayersRequest:
    """Everything `fl.finite_time` was asked of a network.

    given : its samples and parameters; front : batch and samples as they came; layers : which of its layers,
    `stretches`, they are, of `total`.
    """

    network: Any
    given: Any
    front: tuple[int, ...]
    layers: slice
    stretches: tuple
    total: int
    k: int
    tolerance: float
    max_sweeps: int
    seed: int


@dataclass(frozen=True)
class GradientRequest:
    """Everything `fl.gradient` was asked. Counts in steps.

    members : every point of the batch `repetitions` times, one after the other, with the keys of noise
    objectives : recordings with one output each; kind : "average" or "terminal", of all of them
    names : parameters to differentiate by, columns : their numbers in the flat parameter vector; by_start : whether
    also by the initial state; part : whether these are some members of a larger batch, in whose program they run
    """

    system: Any
    integration: Integration
    members: Members
    objectives: tuple[Any, ...]
    kind: str
    names: tuple[str, ...]
    columns: Sequence[int]
    by_start: bool
    steps: int
    transient: int
    repetitions: int
    seed: int
    method: Any
    keep_members: bool = False
    part: bool = False

    @property
    def points(self) -> int:
        """How many points the batch has."""
        return len(self.members) // self.repetitions

    @property
    def random(self) -> bool:
        """Whether the system draws noise."""
        return self.system.noise_count > 0

    @property
    def width(self) -> int:
        """Numbers in the gradient of one member."""
        return len(self.columns) + self.by_start * self.system.dim

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the batch of points."""
        return self.members.shape[:-1]

    @property
    def own_shapes(self) -> dict[str, tuple[int, ...]]:
        """Shapes of the parts of a gradient, in their order."""
        found = {name: self.system.shapes[name] for name in self.names}
        return found | ({"x0": (self.system.dim,)} if self.by_start else {})


@dataclass(frozen=True)
class NetGradientRequest:
    """Everything `fl.gradient` was asked of a network.

    network, inputs : its points, each with samples and parameters; shape : of the batch of points; objectives : losses
    names : parameters to differentiate by; by_start : whether also by the input; labels : what a result carries
    """

    network: Any
    inputs: Any
    shape: tuple[int, ...]
    objectives: tuple[Any, ...]
    names: tuple[str, ...]
    by_start: bool
    repetitions: int
    seed: int
    method: Any
    keep_members: bool
    labels: dict[str, Any]
    kind: str = "terminal"
    transient: int = 0

    @property
    def points(self) -> int:
        """How many points the batch has."""
        return self.inputs.members

    @property
    def random(self) -> bool:
        """Whether members draw random numbers."""
        return self.network.program.random

    @property
    def own_shapes(self) -> dict[str, tuple[int, ...]]:
        """Shapes of the parts of a gradient, in their order."""
        found = {name: self.network.shapes[name] for name in self.names}
        return found | ({"x0": (self.inputs.samples, *self.network.input_shape)} if self.by_start else {})

    @property
    def width(self) -> int:
        """Numbers in the gradient of one member."""
        return sum(int(np.prod(shape, dtype=int)) for shape in self.own_shapes.values())
