"""What `fl.gali` returns: how deviation vectors align in the course of time."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from fastlyap import summary
from fastlyap.errors import InputError
from fastlyap.result import Result
from fastlyap.storage import storable


@storable
@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Gali(Result):
    """Generalised alignment index of k deviation vectors; NaN from where a member failed.

    Attributes
    ----------
    values : (..., T)
        GALI_k, the volume spanned by k deviation vectors of unit length, from 1 (orthogonal) to 0 (dependent).
    times : (T,)
        Time since the vectors started (flows), or steps (maps).
    threshold_time : (...)
        First of these times with GALI_k below the threshold; inf where that did not happen, NaN for failed members.
    state : (..., n)
        Where the orbits end.
    status, failed_step, parameters, x0, dims, system, settings
        As in `Spectrum`; `k` and `threshold` are among the settings.
    """

    AXES: ClassVar[dict[str, tuple[str, ...]]] = {"values": ("time",), "state": ("component",)}

    values: np.ndarray
    times: np.ndarray
    threshold_time: np.ndarray
    state: np.ndarray

    def __repr__(self) -> str:
        told, reached = self.settings, np.isfinite(self.threshold_time)
        last = self.values[..., -1] if len(self.times) else np.full(self.status.shape, np.nan)
        span = f"{np.nanmin(last):.3g} to {np.nanmax(last):.3g}" if np.any(np.isfinite(last)) else "none"
        steps = f"{told['steps']} steps" + (f" of dt = {told['dt']:g}" if told.get("dt") else "")
        return "\n".join([
            f"GALI_{told['k']} of {self.system.name}: {summary.batch(self)}, {len(self.times)} times",
            f"  last values {span}",
            f"  below {told['threshold']:g}: {int(reached.sum())} of {self.status.size}",
            f"  {steps} after {told['transient']}, {told['dtype']}, {told['backend']}",
            f"  failed: {int(np.isnan(last).sum())}",
        ])  # fmt: skip

    @property
    def sali(self) -> np.ndarray:
        """(..., T) Smaller alignment index min(|u + v|, |u - v|) of the two unit vectors; needs k = 2."""
        if self.settings["k"] != 2:
            raise InputError(f"`sali` belongs to two deviation vectors, got k = {self.settings['k']}; use k=2.")
        return 2.0 * np.sin(0.5 * np.arcsin(np.clip(self.values, 0.0, 1.0)))
