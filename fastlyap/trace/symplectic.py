"""A separable flow as two rules, the drift q' = f(p) and the kick p' = g(t, q), printed for the symplectic steppers.

The states are (q, p), each half of them. What a flow must be is read off its recording.
"""

import functools
import re
from collections.abc import Sequence

from fastlyap.trace.derivatives import ZERO
from fastlyap.trace.graph import Node, topological
from fastlyap.trace.module import PRINTERS, Module, compose
from fastlyap.trace.printer import function
from fastlyap.trace.recorder import Recording
from fastlyap.trace.reroll import Group
from fastlyap.trace.rows_printer import print_group
from fastlyap.trace.staging import divide
from fastlyap.trace.walk import Code, Tables

SCHEMES = {"leapfrog": ("LEAPFROG", 3), "yoshida4": ("YOSHIDA4", 7)}  # integrator: (scheme, stages)

_FUSED = """@kernel
def {half}_push(t, x, P, J, o, h, out, K):
    return axpy(h, {half}_linearise(t, x, P, J, o, K), x, out)


@kernel
def {half}_carry(J, o, P, v, h, out, K):
    return axpy(h, {tangent}(J, o, P, v, K), v, out)


@kernel
def {half}_pull(J, o, P, w, h, out, K):
    return axpy(h, {adjoint}(J, o, P, w, K), w, out)


"""

_STEPPER = """from fastlyap.kernel import symplectic


@kernel
def composed(model, t, dt, S, A, P, W, k, full, rtol, atol):
    symplectic.advance(model, drift_push, kick_push, drift_carry, kick_carry, symplectic.{scheme}, t, dt, S, P, W, k)


@kernel
def pull_composed(model, dt, S, o, span, P, W):
    symplectic.pull(model, drift_pull, kick_pull, symplectic.{scheme}, dt, S, o, span, P, W)


"""

_ROWS = {  # function: (arguments, vector that is read, what is added to it)
    "push": ("t, x, P, J, o, h, out, K", "x", "out[{i}] = x[{i}] + h * {k}"),
    "carry": ("J, o, P, v, h, out, K", "v", "out[{i}] = v[{i}] + h * {k}"),
    "pull": ("J, o, P, w, h, out, K", "w", "out[{i}] = w[{i}] + h * {k}"),
}


def obstacle(recording: Recording | None, names: Sequence[str]) -> str:
    """Why a flow cannot be stepped by drifts and kicks, in words; empty if it can."""
    if recording is None:
        return "its functions are compiled as given"
    n = recording.dim
    if n % 2:
        return f"it has {n} states"
    for i, output in enumerate(recording.outputs):
        own = range(n // 2) if i < n // 2 else range(n // 2, n)
        for node in topological([output]):
            if node.op == "x" and node.value in own:
                return f"d {names[i]}/dt reads {names[node.value]}"
            if node.op == "t" and i < n // 2:
                return f"d {names[i]}/dt reads the time"
    return ""


def halves(recording: Recording) -> dict[str, Recording]:
    """The drift and the kick, each a rule of all states that leaves one half of them at rest."""
    n = recording.dim
    nothing = (ZERO,) * (n // 2)
    outputs: dict[str, tuple[Node, ...]] = {
        "drift": recording.outputs[: n // 2] + nothing,
        "kick": nothing + recording.outputs[n // 2 :],
    }
    names, shapes = recording.parameter_names, recording.parameter_shapes
    return {half: Recording(n, found, names, shapes) for half, found in outputs.items()}


@functools.lru_cache(maxsize=32)
def assemble(recording: Recording, integrator: str, width: int, form: str) -> Module:
    """The module of a separable flow in a form of `PRINTERS`."""
    n = recording.dim
    print_rule, print_operations = PRINTERS[form]
    functions, stored = print_rule(recording)
    functions += print_operations(n)
    for half, found in halves(recording).items():
        text, m = _rows(half, found) if form == "rows" else _fused(half, found, form)
        functions, stored = functions + text, max(stored, m)
    scheme, stages = SCHEMES[integrator]
    functions += _STEPPER.format(scheme=scheme)
    title = f"{n} states, {form}, {integrator}, {width} lane{'s' * (width > 1)}"
    return compose(
        functions, n=n, stored=stored, integrator=integrator, width=width, title=title,
        stepping=(stages, "composed", "pull_composed", "adjoints.pull_step"),
    )  # fmt: skip


def _fused(half: str, recording: Recording, form: str) -> tuple[str, int]:
    """The functions of a half on tuples or full matrices, and the entries they keep."""
    text, m = PRINTERS[form][0](recording)
    own = set(re.findall(r"^def (\w+)\(", text, flags=re.MULTILINE))
    text = re.sub(r"^def (\w+)\(", rf"def {half}_\1(", text, flags=re.MULTILINE)
    text = re.sub(r"\bT(\d+)\b", rf"T{half}\1", text)  # the tables of constants
    names = {name: f"{half}_{name}" if name in own else name for name in ("tangent", "adjoint")}
    return text + _FUSED.format(half=half, **names), m


def _rows(half: str, recording: Recording) -> tuple[str, int]:
    """The functions of a half on rows: loops over the components that move, in place."""
    stage, tables, n = divide(recording), Tables(), recording.dim
    first, second = range(n // 2), range(n // 2, n)
    moving, pulled = (first, second) if half == "drift" else (second, first)
    text = ""
    for name, groups, own in (
        ("push", stage.linearise, moving), ("carry", stage.tangent, moving), ("pull", stage.adjoint, pulled),
    ):  # fmt: skip
        arguments, vector, line = _ROWS[name]
        code = Code(vector, tables, lambda place, value, line=line: [line.format(i=place, k=value)])
        code.add(f"z = {vector}[0]")
        for found in groups:
            if _keep(found, own):
                print_group(code, found, n)
        text += function(f"{half}_{name}", arguments, code.lines, "out")
    text = re.sub(r"\bT(\d+)\b", rf"T{half}\1", tables.text + "\n\n" + text)
    return text, stage.m


def _keep(found: Group, own: range) -> bool:
    """Leave only the sites of components in `own` (and of rows of the block); whether any are left."""
    if found.target_kinds[0] == "v":
        found.sites = [site for site in found.sites if site[0][0] in own]
    return bool(found.sites)
