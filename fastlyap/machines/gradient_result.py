"""What `fl.gradient` returns: an objective, its derivatives, their errors, and what speaks for or against them."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from fastlyap import summary
from fastlyap.errors import InputError
from fastlyap.result import Result
from fastlyap.storage import storable

SHOWN = 8


@storable
@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Gradient(Result):
    """An objective and its gradient; means over the members of each point, failed ones left out.

    Attributes
    ----------
    value, value_stderr : (...)
        The objective and its standard error.
    gradient, stderr : dict of name to (..., own shape)
        By parameter, in units of the objective per unit of the parameter. Standard errors are those of independent
        members; NaN for a single one.
    median, median_stderr : dict of name to (..., own shape), or None
        Over members, robust where their values are heavy-tailed; None for more than 10^4 parameters.
    members : dict of name to (..., E, own shape), or None
        The members' own gradients, with `keep_members=True`.
    status : (...) int8
        Codes of `Status`; `UNTRUSTED` where a check failed, `stats` and `message` say which.
    failed_step : (...) int64
        When the first member failed; -1 where none did.
    stats : dict
        "method" and what the method met, arrays of the batch shape: "parted", "kurtosis", "effective_samples",
        "window", "window_change", "beta", "exponent", "failed_members" ...; "reasons" in words.
    parameters, x0, dims, system, settings
        As in `Spectrum`.
    """

    AXES: ClassVar[dict[str, tuple[str, ...]]] = {"x0": ("component",)}

    value: np.ndarray
    value_stderr: np.ndarray
    gradient: dict[str, np.ndarray]
    stderr: dict[str, np.ndarray]
    median: dict[str, np.ndarray] | None
    median_stderr: dict[str, np.ndarray] | None
    members: dict[str, np.ndarray] | None = None
    stats: dict[str, Any] = field(default_factory=dict)

    def axes(self, name: str) -> tuple[str, ...]:
        """Names of the axes of a field, or of one entry of a field as "gradient/a", behind the batch's."""
        field, *keys = name.split("/")
        value: Any = getattr(self, field)
        for key in keys:
            value = value[key]
        own = np.ndim(value) - self.status.ndim
        if field in self.AXES or keys[-1:] in (["exponents"], ["exponents_stderr"]):
            return super().axes(field)
        front = ("member",) if field == "members" and keys else ()
        last = ("component",) if keys[-1:] == ["x0"] and "x0" not in self.parameters else ()
        return (*front, *last, *(f"{keys[-1]}_{i}" for i in range(own - len(front) - len(last))))

    def compare(self, method: Any, **changes: Any) -> dict[str, np.ndarray]:
        """Differences to another method in units of both standard errors, by parameter.

        Parameters
        ----------
        method : a method such as fl.FiniteDifference(0.1)
        **changes : other arguments of `fl.gradient` to change; a seed of its own by default

        Returns
        -------
        dict of name to (..., own shape)
            (this - other) / sqrt(stderr^2 + other's stderr^2); t-distributed with members - 1 degrees of freedom.
        """
        again: Callable | None = getattr(self, "_again", None)
        if again is None:
            raise InputError("`compare` needs the call that made this result; one that was loaded cannot be compared.")
        other = again(method=method, **{"seed": self.settings["seed"] + 1, **changes})
        with np.errstate(all="ignore"):
            return {
                name: (value - other.gradient[name]) / np.hypot(self.stderr[name], other.stderr[name])
                for name, value in self.gradient.items()
            }

    def to_xarray(self) -> Any:
        """The result as an `xarray.Dataset`; the gradient by `a` is `gradient_a`, its error `stderr_a`."""
        found = super().to_xarray()
        found["value"], found["value_stderr"] = (self.dims, self.value), (self.dims, self.value_stderr)
        for kind in ("gradient", "stderr"):
            for name, values in getattr(self, kind).items():
                found[f"{kind}_{name}"] = ((*self.dims, *self.axes(f"{kind}/{name}")), values)
        return found

    def message(self, index: Any = ()) -> str:
        """One sentence on how the point at `index` of the batch ended, with the reasons."""
        reasons = [text for text, mask in self.stats.get("reasons", {}).items() if np.asarray(mask)[index]]
        return "; ".join([super().message(index), *reasons])

    def __repr__(self) -> str:
        return "\n".join(_lines(self))


def _lines(result: Gradient) -> list[str]:
    """The text of a Gradient."""
    count = result.settings["members"]
    about = summary.batch(result) if result.status.ndim else f"{count} member{'s' * (count > 1)}"
    lines = [f"Gradient for {result.system.name} by {result.stats['method']}: {about}"]
    if result.status.ndim:
        lines += [f"  by {', '.join(result.gradient)}"]
    else:
        lines += [f"  value  {_with_error(result.value, result.value_stderr)}"]
        for name, value in list(result.gradient.items())[:SHOWN]:
            lines += _numbers(name, value, result.stderr[name])
    return [*lines, f"  {result.message(())}" if not result.status.ndim else f"  {_tally(result)}"]


def _numbers(name: str, value: Any, error: Any) -> list[str]:
    """Lines for one parameter: its numbers, or where there are many their norms."""
    if value.size > SHOWN:
        norms = _with_error(np.linalg.norm(value), np.linalg.norm(error))
        return [f"  d/d{name}  {' x '.join(map(str, value.shape))} numbers of norm {norms}"]
    labels = {place: name + (str(list(place)) if place else "") for place in np.ndindex(value.shape)}
    return [f"  d/d{label}  {_with_error(value[place], error[place])}" for place, label in labels.items()]


def _with_error(value: Any, error: Any) -> str:
    """A number with its standard error, where there is one."""
    return f"{value: .6g} ± {error:.1g}" if np.isfinite(error) else f"{value: .6g}"


def _tally(result: Gradient) -> str:
    from fastlyap.status import Status

    return "status: " + summary.tally(np.array([Status(int(code)).name for code in result.status.ravel()]))
