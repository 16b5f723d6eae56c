"""A rule with noise as a recording like any other: the normals of a step are leaves, and in kernels rows of numbers.

dx = f dt + s(x) dB is stepped as the flow F = f + s w whose w = b / sqrt(dt), b normal, is constant over a step:
Euler's method on F is Euler-Maruyama (Ito), Heun's is the Heun scheme (Stratonovich; Ruemelin 1982). A map is
F = f + s b. So the tangent, the adjoint and the divergence of F are those of the discrete step, slope of s included.
"""

import functools
from collections.abc import Callable, Sequence
from typing import Any

from fastlyap.kernel import layout
from fastlyap.trace import foreign
from fastlyap.trace.cuts import rebuild
from fastlyap.trace.derivatives import ZERO, plus, times
from fastlyap.trace.expressions import Expr
from fastlyap.trace.graph import Node, constant, leaf, topological
from fastlyap.trace.module import PRINTERS, Module, compose
from fastlyap.trace.printer import Body, function
from fastlyap.trace.recorder import Recording

STEPPERS = {  # integrator: (stages, the noise's scale, stepper, its adjoint, how one step is pulled back)
    "map": (1, "1.0", "advance.map_step", "adjoints.pull_map", "adjoints.pull_step"),
    "euler": (1, "1.0 / math.sqrt(dt)", "advance.euler", "adjoints.pull_euler", "adjoints.pull_step"),
    "heun_sde": (2, "1.0 / math.sqrt(dt)", "stochastic.heun", "stochastic.pull_heun", "adjoints.pull_step"),
    "rk4": (4, "math.sqrt(dt)", "advance.rk4", "adjoints.pull_rk4", "adjoints.pull_step"),
}

_NOISY = """import math

from fastlyap.kernel import layout, stochastic


@kernel
def noisy(model, t, dt, S, A, P, W, k, full, rtol, atol):
    stochastic.draw({n}, {q}, {at}, S, P, like(S[0], {scale}))
    {stepper}(model, t, dt, S, A, P, W, k, full, rtol, atol)
{after}

"""
_AFTER_RK4 = "    kick(like(S[0], t), S, P)\n"
_ITO = "    if full:  # log|det| of the step is no integral of the divergence: Ito's correction is missing\n"
_ITO += "        A[layout.DIVERGENCE] = like(A[0], math.nan)\n"


def leaves(*recordings: Recording | None) -> int:
    """How many normals the recorded rules read themselves."""
    nodes = [node for r in recordings if r is not None for node in topological(r.outputs) if node.op == "w"]
    return 1 + max((node.value for node in nodes), default=-1)


def count(recording: Recording | None, noise: Recording | None, directions: Any) -> int:
    """Normals drawn at every step."""
    own = leaves(recording)
    if noise is None:
        return own
    return own + (noise.dim if directions is None else len(directions[0]))


def depends_on_state(noise: Recording) -> bool:
    """Whether an amplitude is multiplicative."""
    return any(node.op == "x" for node in topological(noise.outputs))


def increments(recording: Recording | None, noise: Recording, directions: Any) -> list[Node]:
    """s_i (V w)_i for each state; without directions V is the identity."""
    own, n = leaves(recording), noise.dim
    sizes = noise.outputs * n if len(noise.outputs) == 1 else noise.outputs
    if directions is None:
        return [times(size, leaf("w", own + i)) for i, size in enumerate(sizes)]
    mixed = []
    for row in directions:
        total = ZERO
        for j, weight in enumerate(row):
            total = plus(total, times(constant(float(weight)), leaf("w", own + j)))
        mixed.append(total)
    return [times(size, total) for size, total in zip(sizes, mixed, strict=True)]


def field(recording: Recording, noise: Recording | None, directions: Any) -> Recording:
    """F = f + s (V w)."""
    if noise is None:
        return recording
    terms = increments(recording, noise, directions)
    outputs = tuple(plus(f, term) for f, term in zip(recording.outputs, terms, strict=True))
    return Recording(recording.dim, outputs, recording.parameter_names, recording.parameter_shapes)


def lowered(outputs: Sequence[Node], first: int) -> tuple[Node, ...]:
    """The outputs with normal w[i] read as parameter first + i."""
    return _replaced(outputs, lambda i: leaf("p", first + i))


def held(recording: Recording, noise: Recording | None, directions: Any, normals: Sequence[float]) -> Recording:
    """F with its normals held at these numbers: a rule like any other."""
    whole = field(recording, noise, directions)
    outputs = _replaced(whole.outputs, lambda i: constant(float(normals[i])))
    return Recording(whole.dim, outputs, whole.parameter_names, whole.parameter_shapes)


def _replaced(outputs: Sequence[Node], value: Callable[[int], Node]) -> tuple[Node, ...]:
    new: dict[Node, Node] = {}
    for node in topological(outputs):
        new[node] = value(node.value) if node.op == "w" else rebuild(node, new)
    return tuple(new[output] for output in outputs)


def assemble(system: Any, integrator: str, width: int, form: str) -> Module:
    """The module of a noisy system; behind its parameters the rows of P hold the keys, then the normals of a step."""
    directions = None if system.noise_directions is None else tuple(map(tuple, system.noise_directions))
    functions, m = _functions(system.recording, system.noise_recording, directions, integrator, form)
    stages, _, _, puller, step_back = STEPPERS[integrator]
    n = system.dim
    title = f"{n} state{'s' * (n > 1)}, noise, {form}, {integrator}, {width} lane{'s' * (width > 1)}"
    return compose(
        functions, n=n, stored=m, integrator=integrator, width=width, title=title,
        stepping=(stages, "noisy", puller, step_back),
    )  # fmt: skip


@functools.lru_cache(maxsize=32)
def _functions(recording: Any, noise: Any, directions: Any, integrator: str, form: str) -> tuple[str, int]:
    """The text of all functions, and how many Jacobian entries they keep for each stage."""
    n, at = recording.dim, recording.n_parameters
    _, scale, stepper, _, _ = STEPPERS[integrator]
    outside = integrator == "rk4"
    ruled = recording if outside else field(recording, noise, directions)
    outputs = lowered(ruled.outputs, at + layout.KEYS)
    ruled = Recording(n, outputs, recording.parameter_names, recording.parameter_shapes)
    print_rule, print_operations = PRINTERS[form]
    functions, m = print_rule(ruled)
    functions += print_operations(n)
    after = ""
    if outside:
        functions += _kick(lowered(increments(recording, noise, directions), at + layout.KEYS))
        after = _AFTER_RK4
    elif integrator == "euler" and noise is not None and depends_on_state(noise):
        after = _ITO
    q = count(recording, noise, directions)
    return functions + _NOISY.format(n=n, q=q, at=at, scale=scale, stepper=stepper, after=after), m


def _kick(terms: Sequence[Node]) -> str:
    """The function that adds the increments, which do not depend on the state, to the rows of a state or a slope."""
    body = Body("S[0]")
    body.print_all(terms)
    lines = [*body.lines, *(f"S[{i}] = S[{i}] + {body.name(term)}" for i, term in enumerate(terms))]
    return function("kick", "t, S, P", lines, None)


def beside(system: Any, integrator: str) -> foreign.Additive | None:
    """The noise, which must be additive, of a system of the user's own functions."""
    noise, directions = system.noise_recording, system.noise_directions
    if noise is None:
        return None
    n, at = system.dim, system.flat_parameters.size
    stages, scale, stepper, puller, step_back = STEPPERS[integrator]
    outside = integrator == "rk4"
    functions = _kick(lowered(increments(None, noise, directions), at + layout.KEYS))
    functions += _NOISY.format(
        n=n, q=count(None, noise, directions), at=at, scale=scale, stepper=stepper,
        after=_AFTER_RK4 if outside else "",
    )  # fmt: skip
    push = "" if outside else "    kick(t, out, P)\n"
    return foreign.Additive(functions, f"slot(P, 0, {at})", push, (stages, "noisy", puller, step_back))


def drawn(number: int) -> list[Expr]:
    """The first normals of a step as expressions, for a rule in which noise is more than an increment."""
    return [Expr(leaf("w", i)) for i in range(number)]
