"""How many samples the path-kernel with automatic beta saves over kernel differentiation, and what noise methods cost.

Noisy tanh networks x' = g J tanh(x) + bias + sigma b, J = default_rng(seed).standard_normal((n, n)) / sqrt(n), the mean
of x^2 over units and time, and its derivatives by the gain g of all weights and by one bias. Samples are compared by
the variance of members' gradients; each method is given the same members, steps and window. No time is measured there.
"""

import time

import numpy as np
import pytest

import fastlyap as fl
from bench.timing import Contender

SECTION = "Z. Path-kernel"
GAIN, SIGMA, WINDOW, STEPS, MEMBERS = 3.0, 0.3, 30, 4000, 512
NETS = [(16, 1), (32, 7), *[(16, seed) for seed in range(2, 10)]]

pytestmark = pytest.mark.benchmark(timer=time.process_time, group="path-kernel")


def network(n, seed):
    """Its parameters: the gain, the bias of the first unit, and the weights, so that one program serves all seeds."""
    J = np.random.default_rng(seed).standard_normal((n, n)) / np.sqrt(n)

    @fl.iterated_map(state=n, parameters={"g": GAIN, "bias": 0.0, "J": J}, x0=0.1 * np.ones(n), noise=SIGMA)
    def network(t, x, p):
        h = [fl.math.tanh(x[i]) for i in range(n)]
        total = [p.g * sum(p.J[i, j] * h[j] for j in range(n)) for i in range(n)]
        return [total[0] + p.bias, *total[1:]]

    return network


def energy(x, p):
    return fl.math.sum(np.asarray(x) ** 2) / len(x)


def gradient(system, method, steps, members=MEMBERS, seed=0, **options):
    how = dict(transient=500, threads=1, progress=False) | options
    how |= dict(steps=steps, members=members, seed=seed)
    return fl.gradient(system, fl.average(energy), ("g", "bias"), method=method, **how)


def test_samples_saved(book, sizes):
    """Variance of kernel differentiation over that of the path-kernel, for the gain and for a bias."""
    steps = int(STEPS * max(sizes.scale, 0.8))
    nets = NETS if sizes.scale == 1 else NETS[:2]
    saved = []
    for n, seed in nets:
        system = network(n, seed)
        hybrid = gradient(system, fl.PathKernel("auto", WINDOW), steps, seed=1)
        score = gradient(system, fl.KernelDifferentiation(WINDOW), steps, seed=2)
        ratio = {name: float((score.stderr[name] / hybrid.stderr[name]) ** 2) for name in ("g", "bias")}
        saved.append(ratio)
        for name in ratio:
            apart = abs(score.gradient[name] - hybrid.gradient[name])
            assert apart < 5 * np.hypot(score.stderr[name], hybrid.stderr[name]), (n, seed, name)
        note = f"for a bias {ratio['bias']:.3g}; beta {float(np.squeeze(hybrid.stats['beta'])):.2f}"
        if hybrid.status != fl.Status.OK:
            note += "; " + hybrid.message()
        book.add(SECTION, f"n = {n}, seed {seed}: samples saved for the gain", ratio["g"], unit="x", note=note)
    # a ratio of variances of so many members has this relative error
    note = f"from the least to the most; each within {200 / np.sqrt(MEMBERS):.0f} %"
    for name, label, aim in (("g", "the gain", ">= 3"), ("bias", "a bias", ">= 1")):
        found = np.array([ratio[name] for ratio in saved])
        book.add(SECTION, f"samples saved for {label}, median of {len(nets)} nets", float(np.median(found)), unit="x",
                 low=float(found.min()), high=float(found.max()), aim=aim, note=note)  # fmt: skip


@pytest.mark.parametrize("what", ["steps", "members"])
@pytest.mark.parametrize("method", [fl.KernelDifferentiation(WINDOW), fl.PathKernel(0.4, WINDOW)], ids=lambda m: m.name)
def test_cost_grows_linearly(method, what, compare, book, sizes):
    system, steps, members = network(16, 1), int(8000 * sizes.scale), 128
    more = {"steps": (4 * steps, members), "members": (steps, 4 * members)}[what]
    few, many = (
        Contender(label, lambda s=s, m=m: gradient(system, method, s, m), float((s + 500) * m))
        for label, s, m in (("few", steps, members), ("many", *more))
    )
    found = compare(few, many)
    label = f"{method.name}, cost of a member-step, 4 times the {what}"
    book.ratio(SECTION, label, found.ratio("many", "few"), aim="about 1")
