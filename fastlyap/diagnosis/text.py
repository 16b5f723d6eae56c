"""A diagnosis in words: at most 40 lines of at most 80 characters."""

from __future__ import annotations

import textwrap
from typing import Any

import numpy as np

WIDTH = 80
SHOWN = 12  # layers or steps before the middle is left out
REMEDIES = 7
MEMBERS = 24  # of a batch, before the rest is left out


def of(d: Any) -> str:
    """The text."""
    what = ("layer" if d.kind == "net" else "step") + "s" * (len(d.names) > 1)
    lines = [f"Diagnosis: {d.verdict.upper()}", *_wrapped(d.reason, "  ")]
    lines += _wrapped(f"{len(d.names)} {what}, {d.n_samples} samples, {_source(d)}", "  ")
    lines += ["", *_table(d), ""]
    rates = f"{number(d.rate)} (median), {number(d.rate_rms)} (rms) {d.unit}"
    lines += _wrapped(f"gradient towards the input {rates}", "  ")
    lines += _wrapped(f"largest exponent {number(d.exponents[0])}{_expected(d)}", "  ")
    lines += _position(d)
    if np.isfinite(d.condition):
        lines.append(f"  condition number of the Jacobian 10^{d.condition:.1f}")
    if np.isfinite(d.parameter_norm).all():
        each = zip(d.parameter_norm, ("median", "rms", "max"), strict=True)
        shown = ", ".join(f"{number(v)} {name}" for v, name in each)
        lines += _wrapped(f"norm of the parameters' gradient over batches: {shown}", "  ")
    for note in d.notes[:3]:
        lines += _wrapped(note, "  ")
    lines += _remedies(d)
    return "\n".join(lines)


def of_many(found: Any) -> str:
    """A batch in words: how often each verdict was given, and a line for each member."""
    every, names = list(found.members.flat), list(np.ndindex(found.shape))
    words, counts = np.unique(found.verdict, return_counts=True)
    tally = ", ".join(f"{words[i]} {counts[i]}" for i in np.argsort(-counts, kind="stable"))
    lines = _wrapped(f"Diagnoses of {len(every)} networks, batch {found.shape}: {tally}", "")
    if not every:
        return lines[0]
    lines += _wrapped(f"rates and exponents in {every[0].unit}, towards the input; {_source(every[0])}", "  ")
    lines += ["", f"  {'member':<12}{'verdict':<11}{'rate':>9}{'rms':>9}{'exponent':>10}  best remedy"]
    for name, d in list(zip(names, every, strict=True))[:MEMBERS]:
        index = ",".join(map(str, name))
        numbers = f"{number(d.rate):>9}{number(d.rate_rms):>9}{number(d.exponents[0]):>10}"
        best = d.remedies[0].name if d.remedies else ""
        lines.append(f"  {index:<12}{d.verdict:<11}{numbers}  {best}"[:WIDTH].rstrip())
    if len(every) > MEMBERS:
        lines.append(f"  ... {len(every) - MEMBERS} more")
    index = ", ".join("0" * len(found.shape))
    return "\n".join([*lines, "", f"  the whole diagnosis of one member: print(diagnoses[{index}])"])


def number(value: float) -> str:
    """Three digits, or what it is instead of a number."""
    if np.isnan(value):
        return "n/a"
    if np.isinf(value):
        return "-inf" if value < 0 else "inf"
    return f"{value:.3g}"


def _source(d: Any) -> str:
    return "random cotangents (no loss given)" if d.cotangents == "random" else f"gradients of {d.cotangents}"


def _expected(d: Any) -> str:
    return f"; all of them imply {number(d.expected_rate)} for the rms" if np.isfinite(d.expected_rate) else ""


def _table(d: Any) -> list[str]:
    """One line for each layer or step, the middle left out where there are many."""
    units = np.isfinite(d.dead).any()
    head = f"  {'layer' if d.kind == 'net' else 'step':<16}{'width':>6}{'variance':>10}"
    rows = [f"{head}{'gradient':>12}{'rms':>10}{'max':>10}" + (f"{'dead':>6}{'sat.':>6}" if units else "")]
    count = len(d.names)
    shown = range(count) if count <= SHOWN else [*range(SHOWN // 2), -1, *range(count - SHOWN // 2, count)]
    for i in shown:
        if i < 0:
            rows.append(f"  ... {count - SHOWN} more")
            continue
        norms = f"{number(d.gradient_median[i]):>12}{number(d.gradient_rms[i]):>10}{number(d.gradient_max[i]):>10}"
        row = f"  {d.names[i]:<16.16}{d.widths[i]:>6}{number(d.variance[i]):>10}{norms}"
        rows.append(row + (f"{share(d.dead[i]):>6}{share(d.saturated[i]):>6}" if units else ""))
    return rows


def share(value: float) -> str:
    """Per cent."""
    return "n/a" if np.isnan(value) else f"{100 * value:.0f}%"


def _position(d: Any) -> list[str]:
    p = d.position
    if p is None:
        return []
    none = np.isnan(p.critical_sigma_w)
    edge = "no edge with these biases" if none else f"the edge is at sigma_w {p.critical_sigma_w:.3g}"
    spreads = f"{p.activation}, sigma_w {p.sigma_w:.3g}, sigma_b {p.sigma_b:.3g}"
    return _wrapped(f"mean field ({spreads}): rate {number(p.rate)}; {edge}", "  ")


def _remedies(d: Any) -> list[str]:
    if not d.remedies:
        return []
    lines = ["  what would change it (measured on the changed network):"]
    for remedy in d.remedies[:REMEDIES]:
        rate = f"rate {number(remedy.rate)}; " if np.isfinite(remedy.rate) else ""
        lines += _wrapped(f"- {remedy.name}: {rate}{remedy.detail}", "  ", "    ")
    return lines


def _wrapped(text: str, first: str, rest: str = "  ") -> list[str]:
    return textwrap.wrap(text, WIDTH, initial_indent=first, subsequent_indent=rest)
