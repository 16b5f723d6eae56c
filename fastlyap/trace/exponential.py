"""A flow x' = c x + N(t, x, p) printed for the exponential stepper: the functions of N, and products with diagonals."""

import functools

from fastlyap.trace.module import PRINTERS, Module, compose
from fastlyap.trace.printer import function, tuple_of
from fastlyap.trace.recorder import Recording

STAGES = 4

_STEPPER = """from fastlyap.kernel import exponential


@kernel
def rule(t, x, P, J, o, out):
    return push(P, {rates}, x, nonlinear(t, x, P, J, o, out), out)


@kernel
def exponential_step(model, t, dt, S, A, P, W, k, full, rtol, atol):
    exponential.advance(model, damp, push, {at}, t, dt, S, A, P, W, k, full)


@kernel
def pull_exponential(model, dt, S, o, span, P, W):
    exponential.pull(model, damp, push, {at}, dt, S, o, span, P, W)


"""


def assemble(rest: Recording, width: int, form: str) -> Module:
    """The module of a flow whose nonlinear part is `rest`; its factors lie behind the parameters."""
    return _assemble(rest, width, form)


@functools.lru_cache(maxsize=32)
def _assemble(rest: Recording, width: int, form: str) -> Module:
    n = rest.dim
    print_rule, print_operations = PRINTERS[form]
    at = rest.n_parameters
    functions, stored = print_rule(rest)
    functions = functions.replace("def rule(", "def nonlinear(")
    functions += print_operations(n) + _diagonal_products(n, form) + _STEPPER.format(at=at, rates=at + 6 * n + 1)
    title = f"{n} state{'s' * (n > 1)}, {form}, etdrk4, {width} lane{'s' * (width > 1)}"
    return compose(
        functions, n=n, stored=stored, integrator="etdrk4", width=width, title=title,
        stepping=(STAGES, "exponential_step", "pull_exponential", "adjoints.pull_step"),
    )  # fmt: skip


def _diagonal_products(n: int, form: str) -> str:
    """The text of `damp` and `push`."""
    text = ""
    for name, arguments, value in (("damp", "P, o, a, out", ""), ("push", "P, o, a, x, out", "x[{i}] + ")):
        if form == "tuples":
            parts = [value.format(i=i) + f"P[o + {i}] * a[{i}]" for i in range(n)]
            text += function(name, arguments, [], tuple_of(parts))
        elif form == "rows":
            lines = ["for i in range(N):", f"    out[i] = {value.format(i='i')}P[o + i] * a[i]"]
            text += function(name, arguments, lines, "out")
        else:
            lines = ["for i in range(len(a)):", f"    out[i] = {value.format(i='i')}P[o + i % N] * a[i]"]
            text += function(name, arguments, lines, "vectors.slot(out, 0, len(a))")
    return text
