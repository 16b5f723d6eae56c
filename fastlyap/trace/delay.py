"""The module of a delay system: its rule reads the delayed states as further ones behind the present ones."""

from collections.abc import Sequence
from typing import Any

from fastlyap.kernel.layout import PLACE
from fastlyap.trace.graph import Node, topological
from fastlyap.trace.module import PRINTERS, Module, compose
from fastlyap.trace.printer import function, tuple_of

_IMPORTS = """from fastlyap.kernel import delayed
from fastlyap.kernel.lanes import slot, whole


"""
_DELAYED = """past = delayed.Past({width}, places, inputs, recall0, recall1, recall2)


@kernel
def delayed_step(model, t, dt, S, A, P, W, k, full, rtol, atol):
    delayed.rk4(model, past, t, dt, S, P, W, k)


"""
_PLACE = """back = whole(P[{p}])
older{i} = head - back if head >= back else head - back + M
newer{i} = older{i} + 1 if older{i} + 1 < M else 0
begins{i} = age == back - 1"""
_RECALL = """older, newer, begins = places[{i}]
a = ring + older * {slot}
b = ring + newer * {slot}
slope = left if begins else b + {n}
for i in range({first}, {stop}):
    known = P[{w}] * S[a + i] + P[{w} + 1] * S[a + {n} + i]
    X[{to} + i] = known + (P[{w} + 2] * S[b + i] + P[{w} + 3] * S[slope + i])"""


def windows(outputs: Sequence[Node], n: int) -> tuple[tuple[int, int, int], ...]:
    """(delay, first, stop): which components the rule reads at each delay, from the first to the last of them."""
    read: dict[int, list[int]] = {}
    for node in topological(outputs):
        if node.op == "x" and node.value >= n:
            read.setdefault(node.value // n - 1, []).append(node.value % n)
    return tuple((d, min(places), max(places) + 1) for d, places in sorted(read.items()))


def print_recall(recording: Any) -> str:
    """The functions that find the stored steps beside each delayed time, and that interpolate between them.

    `places` gives (slot before, slot after, whether the latter is the start of the run) for each delay that is read
    and each of t, t + h/2, t + h; `recall0`, `recall1` and `recall2` put the delayed components behind the n present
    ones in `X`. The interval that ends at the start has there the slope at the rows `left`, that of the given history,
    where the ring holds that of the solution.
    """
    n, at = recording.dim, recording.n_parameters
    used = windows(recording.outputs, n)
    rows = [at + (3 * d + time) * PLACE for d, _, _ in used for time in range(3)]
    lines = [line for i, p in enumerate(rows) for line in _PLACE.format(p=p, i=i).split("\n")]
    found = tuple_of(f"(older{i}, newer{i}, begins{i})" for i in range(len(rows)))
    text = function("places", "P, age, head, M", lines, found)
    for time in range(3):
        lines = []
        for u, (d, first, stop) in enumerate(used):
            i = 3 * u + time
            given = dict(i=i, slot=2 * n, n=n, first=first, stop=stop, w=rows[i] + 1, to=n + d * n)
            lines += _RECALL.format(**given).split("\n")
        text += function(f"recall{time}", "places, S, ring, left, P, X", lines or ["pass"], None)
    return text


def assemble(system: Any, width: int, form: str) -> Module:
    """The module of a delay system; behind its parameters the rows of P hold where the delays lie between steps."""
    recording = system.recording
    n, inputs = recording.dim, recording.inputs
    print_rule, print_operations = PRINTERS[form]
    functions, m = print_rule(recording)
    functions += print_operations(n)
    every = tuple_of(f"S[o + {i}]" for i in range(inputs)) if form == "tuples" else f"slot(S, o, {inputs})"
    functions += _IMPORTS + function("inputs", "S, o", [], every)
    functions += print_recall(recording) + _DELAYED.format(width=inputs)
    title = f"{n} state{'s' * (n > 1)}, {recording.delays} delay{'s' * (recording.delays > 1)}, {form}, rk4, "
    return compose(
        functions, n=n, stored=m, integrator="rk4", width=width, title=title + f"{width} lane{'s' * (width > 1)}",
        stepping=(4, "delayed_step", "adjoints.pull_rk4", "adjoints.pull_step"),
        reorthonormalise="delayed.reorthonormalise",
    )  # fmt: skip
