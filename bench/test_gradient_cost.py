"""What a gradient of a recurrent cell costs: linear in steps, members and modes, and flat in the number of parameters.

Flat but for the gradient by the weights itself, a product of what they multiply with covectors: it is taken once for
each objective, whatever else is pulled back. The baseline differentiates by the gain alone, one number.
"""

import time

import pytest

import fastlyap as fl
from bench.timing import Contender

SECTION = "G. Cost of gradients of cells"

pytestmark = pytest.mark.benchmark(timer=time.process_time, group="gradient-cost")


def mean_square(x, p):
    return fl.math.mean(x[:] ** 2)


def contender(name, units, steps, *, wrt="g", members=2, method=None):
    """A gradient of the random network with so many units; work in member-steps."""
    cell = fl.networks.random_rnn(units, 2.0, 0)
    how = dict(steps=steps, transient=0, members=members, spread=0.1, threads=1, progress=False)
    how["method"] = method or fl.Backprop()
    one = fl.average(mean_square)
    return Contender(name, lambda: fl.gradient(cell, one, wrt, **how), float(members * steps))


@pytest.mark.parametrize("what", ["steps", "members"])
def test_cost_grows_linearly(what, compare, book, sizes):
    steps = int(5000 * sizes.scale)
    small = contender("small", 100, steps, wrt=None)
    large = contender("large", 100, *((4 * steps,) if what == "steps" else (steps,)), wrt=None,
                      members=8 if what == "members" else 2)  # fmt: skip
    found = compare(small, large)
    label = f"backpropagation, 100 units, all weights: a member-step, 4 times the {what}"
    book.ratio(SECTION, label, found.ratio("large", "small"), aim="about 1")


def test_cost_of_modes(compare, book, sizes):
    """Shadowing with M modes pulls M + 1 covectors back, and one more in the second sweep."""
    steps = int(2000 * sizes.scale) // 10 * 10

    def of(modes):
        return contender(f"{modes} modes", 100, steps, wrt=None, method=fl.Shadowing(10, modes))

    found = compare(*(of(modes) for modes in (8, 16, 32)))
    for few, many in ((8, 16), (16, 32)):
        ratio = found.ratio(f"{many} modes", f"{few} modes")
        label = f"shadowing, 100 units, all weights: {many} modes over {few}"
        note = "covectors of a step share one product with the weights; scalar products grow as M^2"
        book.ratio(SECTION, label, ratio, aim="about 2", note=note)


@pytest.mark.parametrize("units", [100, 300, 1000])
@pytest.mark.parametrize("method", [fl.Backprop(), fl.Shadowing(10, 8)], ids=["backpropagation", "shadowing, 8 modes"])
def test_weights_cost_their_own_gradient(units, method, compare, book, sizes, request):
    steps = int({100: 5000, 300: 2000, 1000: 500}[units] * sizes.scale) // 10 * 10
    by_gain = contender("gain", units, steps, method=method)
    by_weights = contender("weights", units, steps, wrt=None, method=method)
    found = compare(by_gain, by_weights)
    label = f"{request.node.callspec.id}: by {units**2 + 1:,} parameters over by 1, {steps} steps"
    note = "the difference is the product x' nu, and what the result itself holds"
    book.ratio(SECTION, label, found.ratio("weights", "gain"), aim="flat", note=note)
