"""Results in words: a text that fits a screen, and a sentence on one member with advice."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from fastlyap.status import Status

SHOWN = 8  # exponents listed before the rest is left out


def message(result: Any, index: tuple[int, ...]) -> str:
    """One sentence on how the member at `index` ended, with advice."""
    code = Status(int(result.status[index]))
    where = f"member {index}" if index else "the run"
    step = int(result.failed_step[index])
    when = f" at step {step}" if step >= 0 and code is not Status.OK else ""
    return f"{where} is {code.name}{when}: {code.advice}"


def failures(result: Any, lost: np.ndarray) -> str:
    """What happened to the members of the mask `lost`: how many, and the first few in a sentence each."""
    places = np.argwhere(lost)
    told = [message(result, tuple(int(i) for i in place)) for place in places[:SHOWN]]
    if len(places) > SHOWN:
        told.append(f"and {_grouped(len(places) - SHOWN)} more")
    return f"{_grouped(len(places))} of {_count(lost.size, 'member')} failed: " + "; ".join(told)


def spectrum(result: Any) -> str:
    """The text of a Spectrum."""
    k = result.exponents.shape[-1]
    lines = [f"Spectrum of {_system(result)}: {_count(k, 'exponent')}, {batch(result)}"]
    lines += _alone(result) if result.status.ndim == 0 else _many(result)
    lines += [f"  {text}" for text in (_run(result), _statuses(result)) if text]
    return "\n".join(lines)


def trajectory(result: Any) -> str:
    """The text of a Trajectory."""
    times = result.times
    span = f"{len(times)} times" + (f" from {times[0]:.6g} to {times[-1]:.6g}" if len(times) else "")
    lines = [f"Trajectory of {_system(result)}: {span}, {batch(result)}"]
    return "\n".join(lines + [f"  {text}" for text in (_run(result), _statuses(result)) if text])


def batch(result: Any) -> str:
    """The batch in a few words."""
    if not result.status.ndim:
        return "one member"
    axes = ", ".join(f"{name}: {m}" for name, m in zip(result.dims, result.status.shape, strict=True))
    return f"batch ({axes}) of {_count(result.status.size, 'member')}"


def tally(values: np.ndarray) -> str:
    """How often each value occurs, most frequent first."""
    names, counts = np.unique(values, return_counts=True)
    order = np.argsort(-counts, kind="stable")
    return ", ".join(f"{names[i]} {_grouped(counts[i])}" for i in order)


def _alone(result: Any) -> Iterable[str]:
    """One member: each exponent with its error."""
    yield f"  {result.unit}, largest first"
    pairs = list(zip(result.exponents, result.stderr, strict=True))
    for i, (value, error) in enumerate(pairs[:SHOWN], 1):
        yield f"  {i:>5}  {value: .6f} ± {error:.1g}"
    if len(pairs) > SHOWN:
        yield f"    ...  {pairs[-1][0]: .6f} ± {pairs[-1][1]:.1g} (number {len(pairs)})"
    yield (
        f"  Kaplan-Yorke dimension {result.kaplan_yorke:.4g}, entropy {result.entropy:.4g}, "
        f"{result.n_positive} positive, {result.kind}"
    )
    checks = [("sum rule", result.sum_rule), ("divergence error", result.divergence_error)]
    shown = [f"{name} {value:.1e}" for name, value in checks if np.isfinite(value)]
    if shown:
        yield "  " + ", ".join(shown)


def _many(result: Any) -> Iterable[str]:
    """A batch: quantiles of each exponent, and the kinds found."""
    yield f"  {result.unit}, over members{'min':>12}{'median':>12}{'max':>12}{'max error':>12}"
    width = len(f"  {result.unit}, over members")
    for i in range(min(result.exponents.shape[-1], SHOWN)):
        values = result.exponents[..., i]
        values, errors = values[~np.isnan(values)], result.stderr[..., i]
        if values.size:
            row = [values.min(), np.median(values), values.max()]
            cells = "".join(f"{value:>12.5g}" for value in row)
            yield f"{i + 1:>{width}}{cells}{_largest(errors):>12.1g}"
    if result.exponents.shape[-1] > SHOWN:
        yield f"{'...':>{width}}"
    yield f"  kinds: {tally(result.kind)}"


def _largest(values: np.ndarray) -> float:
    finite = values[np.isfinite(values)]
    return float(finite.max()) if finite.size else float("nan")


def _system(result: Any) -> str:
    return f"{result.system.name} ({result.system.kind}, dimension {result.system.dim})"


def _run(result: Any) -> str:
    """How it was run, from the settings that are there."""
    told = result.settings
    parts = []
    if "layers" in told:
        parts.append(f"layers {told['layers']} of {told['of_layers']}")
    elif "steps" in told:
        step = f" of dt = {told['dt']:g}" if told.get("dt") and result.system.kind != "map" else ""
        parts.append(f"{_grouped(told['steps'])} steps{step} after {_grouped(told.get('transient', 0))}")
    parts += [str(told[name]) for name in ("integrator", "dtype", "backend") if told.get(name) not in (None, "map")]
    if "k" in told and "every" in told:
        every = told.get("every")
        parts.append("every auto" if every == "auto" else f"every {every} steps")
    return ", ".join(parts)


def _statuses(result: Any) -> str:
    names = [Status(int(code)).name for code in np.unique(result.status)]
    if names == ["OK"]:
        return "status OK"
    return "status: " + tally(np.array([Status(int(code)).name for code in result.status.ravel()]))


def _count(number: int, noun: str) -> str:
    return f"{_grouped(number)} {noun}{'' if number == 1 else 's'}"


def _grouped(number: int) -> str:
    """Digits in groups of three, parted by a space."""
    return f"{int(number):,}".replace(",", " ")


def vectors(result: Any) -> str:
    """The text of a Vectors."""
    k, told = result.exponents.shape[-1], result.settings
    lines = [f"Vectors of {_system(result)}: {_count(k, told['kind'].replace('_', ' ') + ' vector')}, {batch(result)}"]
    times = result.times
    before, after = (_grouped(steps) for steps in told["warmup"])
    kept = "stored" if result.vectors is not None else "statistics only"
    span = f"{len(times)} times from {times[0]:.6g} to {times[-1]:.6g}, {kept}"
    lines.append(f"  {span}; warm-up {before} steps before, {after} after")
    lines += _directions(result) if result.status.ndim == 0 else _directions_of_many(result)
    return "\n".join(lines + [f"  {text}" for text in (_run(result), _statuses(result)) if text])


def _directions(result: Any) -> Iterable[str]:
    """One member: exponent, separation and smallest angle of each vector."""
    yield f"  {result.unit}; separation; smallest angle with another (degrees)"
    angles = result.minimum_angle + np.where(np.eye(len(result.exponents), dtype=bool), np.inf, 0.0)
    nearest = np.rad2deg(angles.min(axis=-1))
    for i, value in enumerate(result.exponents[:SHOWN]):
        yield f"  {i:>5}  {value: .6f}  {result.separation[i]:.1e}  {nearest[i]:.4g}"
    if len(result.exponents) > SHOWN:
        yield "    ..."
    if np.isfinite(result.neutral_angle):
        yield f"  neutral vector within {np.rad2deg(result.neutral_angle):.1e} degrees of the flow"


def _directions_of_many(result: Any) -> Iterable[str]:
    """A batch: quantiles of each exponent, the largest separation, and of the smallest angles."""
    width = len(f"  {result.unit}, over members")
    yield f"  {result.unit}, over members{'min':>12}{'median':>12}{'max':>12}{'separation':>12}"
    for i in range(min(result.exponents.shape[-1], SHOWN)):
        values = result.exponents[..., i]
        values = values[~np.isnan(values)]
        if values.size:
            row = [values.min(), np.median(values), values.max()]
            cells = "".join(f"{value:>12.5g}" for value in row)
            yield f"{i:>{width}}{cells}{_largest(result.separation[..., i]):>12.1g}"
    angle = result.hyperbolicity().angle
    known = np.rad2deg(angle[np.isfinite(angle)])
    if known.size:
        yield f"  smallest angle of expanding and other directions: {known.min():.3g} to {known.max():.3g} degrees"


def finite_time(result: Any) -> str:
    """The text of a FiniteTime."""
    k = result.exponents.shape[-1]
    lines = [f"FiniteTime of {_system(result)}: {_count(k, 'exponent')} over {result.duration:g}, {batch(result)}"]
    lines.append(f"  {result.unit}{'min':>12}{'median':>12}{'max':>12}{'last change':>12}")
    width = len(f"  {result.unit}")
    for i in range(min(k, SHOWN)):
        values = result.exponents[..., i]
        values = values[~np.isnan(values)]
        if values.size:
            row = [values.min(), np.median(values), values.max()]
            cells = "".join(f"{value:>12.5g}" for value in row)
            lines.append(f"{i + 1:>{width}}{cells}{_largest(result.change[..., i]):>12.1g}")
    dead = result.n_dead
    if np.any(dead):
        lines.append(f"  {_grouped(np.sum(dead))} of {_grouped(result.exponents.size)} are -inf: nothing comes through")
    sweeps = result.n_sweeps
    if sweeps.size:
        wish = result.settings["tolerance"]
        lines.append(f"  {int(sweeps.min())} to {int(sweeps.max())} sweeps to a tolerance of {wish:g}")
    return "\n".join(lines + [f"  {text}" for text in (_run(result), _statuses(result)) if text])
