"""What `fl.vectors` returns: Lyapunov vectors along an orbit, their angles, and how far they can be trusted."""

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, ClassVar, NamedTuple

import numpy as np

from fastlyap import cast, summary, units
from fastlyap.errors import InputError
from fastlyap.request import Integration
from fastlyap.result import Result
from fastlyap.storage import storable
from fastlyap.units import Unit

RIGHT_ANGLE = 0.5 * np.pi
NEAR_TANGENCY = np.pi / 64  # two bins of the histogram


class Hyperbolicity(NamedTuple):
    """Whether expanding and other directions stay apart.

    n_unstable : (...) int, vectors counted as expanding; angle : (...) smallest angle met between an expanding vector
    and another one; hyperbolic : (...) bool, whether it stayed above the threshold.
    """

    n_unstable: np.ndarray
    angle: np.ndarray
    hyperbolic: np.ndarray


@storable
@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Vectors(Result):
    """Lyapunov vectors of one kind over a window of an orbit, at T times; failed members hold NaN.

    Attributes
    ----------
    times : (T,)
        Time (flows) or step number (maps) at the end of every `every` steps of the window.
    vectors : (..., T, k, n) or None
        Rows of unit length, the leading one first; None with `store=False`, as are `state` and `local_growth`.
    state : (..., T, n) or None
    local_growth : (..., T, k) or None
        Growth rates of the vectors over the `every` steps before each time; for adjoint kinds those of the covectors,
        backward in time, over the same steps.
    exponents : (..., k)
        Mean growth rates of the vectors over the window, in nats per unit time (flows) or per step (maps).
    minimum_angle : (..., k, k)
        Smallest angle between two lines met at the T times, radians in [0, pi/2]; 0 on the diagonal.
    angle_histogram : (..., k, k, 64) int32
        How often each angle was met, in 64 equal bins over [0, pi/2]; nothing on the diagonal.
    separation : (..., k)
        exp(-gap * warm-up): by how much neighbouring directions part during the warm-up. What the vectors still hold
        of others is about that. The gap below the last of k < n vectors is not known.
    flow_angle : (..., k)
        Largest angle between a vector and the flow met at the T times; NaN where that means nothing. The covariant
        vector of the zero exponent is the flow's direction.
    conditioning : (...)
        Largest conditioning of the frame met between two reorthonormalisations.
    status, failed_step, parameters, x0, dims, system, settings
        As in `Spectrum`; `DEGENERATE` where directions were not separated: the vectors of such a group are not unique,
        `principal_angles` between groups are.
    """

    AXES: ClassVar[dict[str, tuple[str, ...]]] = {
        "vectors": ("time", "vector", "component"),
        "state": ("time", "component"),
        "local_growth": ("time", "vector"),
        "minimum_angle": ("vector", "other"),
        "angle_histogram": ("vector", "other", "bin"),
        "exponents": ("vector",),
        "separation": ("vector",),
        "flow_angle": ("vector",),
    }

    times: np.ndarray
    vectors: np.ndarray | None
    state: np.ndarray | None
    local_growth: np.ndarray | None
    exponents: np.ndarray
    minimum_angle: np.ndarray
    angle_histogram: np.ndarray
    separation: np.ndarray
    flow_angle: np.ndarray
    conditioning: np.ndarray

    def __repr__(self) -> str:
        return summary.vectors(self)

    @property
    def unit(self) -> Unit:
        """Of exponents and local growth."""
        return units.natural(self.system.kind)

    @property
    def angle_edges(self) -> np.ndarray:
        """(65,) Borders of the bins of `angle_histogram`, radians."""
        return np.linspace(0.0, RIGHT_ANGLE, self.angle_histogram.shape[-1] + 1)

    def angles(self, i: int, j: int) -> np.ndarray:
        """(..., T) Angle between the lines of vectors i and j, radians in [0, pi/2]."""
        vectors = self._stored("angles")
        first, second = (vectors[..., self._index(name, at), :] for name, at in (("i", i), ("j", j)))
        # of half the sum and half the difference: small angles keep their digits
        gap, total = (np.linalg.norm(first + sign * second, axis=-1) for sign in (-1.0, 1.0))
        angle = 2.0 * np.arctan2(gap, total)
        return np.minimum(angle, np.pi - angle)

    def principal_angles(self, split: int) -> np.ndarray:
        """Angles between the spans of the first `split` vectors and of the others, smallest first.

        Parameters
        ----------
        split : int
            From 1 to k - 1.

        Returns
        -------
        (..., T, min(split, k - split)) radians in [0, pi/2]
            By sine or cosine, whichever is the more accurate (Bjorck & Golub, 1973).
        """
        vectors = self._stored("principal_angles")
        k = vectors.shape[-2]
        if not 1 <= cast.count("split", split, 1) < k:
            raise InputError(f"`split` must be from 1 to {k - 1}, got {split}; ask for more vectors with `k`.")
        sound = np.isfinite(vectors).all(axis=(-2, -1), keepdims=True)
        rows = np.where(sound, vectors, np.eye(k, vectors.shape[-1]))
        first, second = (np.linalg.qr(np.swapaxes(part, -1, -2))[0] for part in np.split(rows, [split], axis=-2))
        if split > k - split:
            first, second = second, first
        overlap = np.swapaxes(second, -1, -2) @ first
        cosines = np.linalg.svd(overlap, compute_uv=False)
        sines = np.linalg.svd(first - second @ overlap, compute_uv=False)[..., ::-1]
        with np.errstate(invalid="ignore"):
            found = np.where(cosines**2 > 0.5, np.arcsin(np.minimum(sines, 1)), np.arccos(np.minimum(cosines, 1)))
        return np.where(sound[..., 0], found, np.nan)

    def hyperbolicity(self, threshold: float = NEAR_TANGENCY) -> Hyperbolicity:
        """Whether expanding vectors kept away from the others: a test on a finite window, no proof.

        Parameters
        ----------
        threshold : float
            Radians; an angle below it counts as a near-tangency.

        Returns
        -------
        Hyperbolicity
            Of the directions with positive exponents (a flow's neutral one left out) against all others; between
            single vectors, so that the angle is an upper bound for subspaces of more dimensions.
        """
        k = self.exponents.shape[-1]
        expanding = self.exponents > 0
        if self.system.kind == "flow" and self.system.autonomous:
            expanding &= np.arange(k) != self.neutral[..., None]
        across = expanding[..., :, None] & ~expanding[..., None, :]
        angle = np.where(across, self.minimum_angle, np.inf).min(axis=(-2, -1))
        angle = np.where(np.isnan(self.exponents).any(axis=-1) | ~np.isfinite(angle), np.nan, angle)
        return Hyperbolicity(expanding.sum(axis=-1), angle, angle > threshold)

    @property
    def neutral(self) -> np.ndarray:
        """(...) int: the vector whose exponent is nearest to 0."""
        return np.argmin(np.abs(np.where(np.isnan(self.exponents), np.inf, self.exponents)), axis=-1)

    @property
    def neutral_angle(self) -> np.ndarray:
        """(...) Largest angle met between the neutral vector and the flow; NaN for maps."""
        return np.take_along_axis(self.flow_angle, self.neutral[..., None], axis=-1)[..., 0]

    def covariance_residual(self, system: Any) -> np.ndarray:
        """How far the vectors at one time, carried on, are from those at the next; by the plain reference path.

        Parameters
        ----------
        system : System
            The one the vectors are of.

        Returns
        -------
        (..., k)
            Largest |A v(t) / |A v(t)| -+ v(t')| over the window; for adjoint covariant vectors |A' w(t') ... w(t)|.
        """
        from fastlyap.backend import reference
        from fastlyap.reference import covariance

        vectors, state = self._stored("covariance_residual"), self.state
        kind, how = self.settings["kind"], self.settings
        if kind not in ("covariant", "adjoint_covariant"):
            raise InputError(f"`covariance_residual` is one of covariant vectors; those of kind {kind!r} are not.")
        if system.noise_count:
            raise InputError(f"`covariance_residual` cannot repeat the noise of {system.name}.")
        shape, size, pairs = self.status.shape, self.status.size, max(len(self.times) - 1, 0)
        k, n = vectors.shape[-2:]
        own = {name: np.shape(value) for name, value in system.parameters.items()}
        columns = [np.broadcast_to(v, shape + own[name]).reshape(size, -1) for name, v in self.parameters.items()]
        p = np.repeat(np.concatenate([np.zeros((size, 0)), *columns], axis=1), pairs, axis=0)
        tolerances = {name: how[name] for name in ("rtol", "atol") if name in how}
        request = SimpleNamespace(
            system=system, integration=Integration(how["integrator"], how["dt"] or 1.0, **tolerances), seed=0,
            members=SimpleNamespace(p=p),
        )  # fmt: skip
        assert state is not None
        found = covariance.residual(
            reference.dynamics(request), np.tile(self.times[:-1], size), how["every"],
            state[..., :-1, :].reshape(-1, n), vectors[..., :-1, :, :].reshape(-1, k, n),
            vectors[..., 1:, :, :].reshape(-1, k, n), adjoint=kind == "adjoint_covariant",
        )  # fmt: skip
        return found.reshape(*shape, pairs, k).max(axis=-2, initial=0.0)

    def _stored(self, name: str) -> np.ndarray:
        if self.vectors is None:
            raise InputError(f"`{name}` needs the vectors, which were not kept; run with store=True.")
        return self.vectors

    def _index(self, name: str, value: int) -> int:
        k = self.exponents.shape[-1]
        if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or not -k <= value < k:
            raise InputError(f"`{name}` must be a number from 0 to {k - 1}, got {value!r}.")
        return int(value)
