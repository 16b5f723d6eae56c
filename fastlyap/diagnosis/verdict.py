"""What the gradients' growth amounts to: a word, the number behind it, and its threshold."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

FACTOR = 100.0  # between the two ends of a network, gradients may grow or shrink by so much
EDGE = 0.05  # nats per layer or step: so close to no change is the edge


class Verdict(NamedTuple):
    """number : factor between the ends, or rate; threshold : what it was compared with."""

    word: str
    number: float
    threshold: float
    reason: str


class Growth(NamedTuple):
    """Logarithms (L,) of the median, rms and largest norm of gradients over samples, inputs first."""

    median: np.ndarray
    rms: np.ndarray
    largest: np.ndarray

    @classmethod
    def of(cls, logs: np.ndarray) -> Growth:
        """From logarithms of the norms (L, samples)."""
        largest = logs.max(axis=1)
        with np.errstate(invalid="ignore", divide="ignore"):
            shifted = np.where(np.isfinite(largest)[:, None], logs - largest[:, None], 0.0)
            rms = largest + 0.5 * np.log(np.mean(np.exp(2.0 * shifted), axis=1))
        return cls(np.median(logs, axis=1), rms, largest)


def slope(logs: np.ndarray, leave: int = 0) -> float:
    """Growth of logarithms (L,), inputs first, towards the inputs, the last `leave` apart; NaN where there is none."""
    known = np.flatnonzero(np.isfinite(logs[: len(logs) - leave]))
    if len(known) < 2:
        return float("nan")
    return -float(np.polyfit(known, logs[known], 1)[0])


def judge(rate: float, logs: np.ndarray, what: str) -> Verdict:
    """The verdict on logarithms of median norms (L,), inputs first; `what` is "layer" or "step"."""
    if np.isnan(logs[0]) or logs[0] == np.inf:
        return Verdict("exploding", np.inf, FACTOR, f"gradients are not finite at the first of {len(logs)} {what}s")
    if logs[0] == -np.inf or (np.isnan(rate) and len(logs) > 1):
        return Verdict("vanishing", 0.0, 1 / FACTOR, "no gradient at all comes to the inputs for half of the samples")
    if len(logs) == 1:
        return Verdict("healthy", 1.0, FACTOR, f"one {what} alone: there is no growth to judge by")
    total = rate * (len(logs) - 1)
    told = f"gradients change by a factor {_power(total)} over {len(logs) - 1} {what}s towards the input"
    factor = float(np.exp(min(total, 700.0)))
    if total > np.log(FACTOR):
        return Verdict("exploding", factor, FACTOR, f"{told}, above {FACTOR:g}")
    if total < -np.log(FACTOR):
        return Verdict("vanishing", factor, 1 / FACTOR, f"{told}, below 1/{FACTOR:g}")
    if abs(rate) <= EDGE:
        return Verdict("edge", rate, EDGE, f"{told}, {rate:+.3f} per {what}, within {EDGE:g} of none")
    return Verdict("healthy", factor, FACTOR, f"{told}, between 1/{FACTOR:g} and {FACTOR:g}")


def _power(log: float) -> str:
    """exp(log), also where that is out of range."""
    if abs(log) < 11.5:
        return f"{np.exp(log):.3g}"
    return f"10^{log / np.log(10.0):.1f}"
