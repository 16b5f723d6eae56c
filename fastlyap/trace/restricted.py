"""A generated module whose frames are projected onto a subspace after every step, its states off it, if need be."""

from fastlyap.trace.module import Module

_RESTRICTED = """from fastlyap.kernel import projection


@kernel
def restricted(model, t, dt, S, A, P, W, k, full, rtol, atol):
    {stepper}(model, t, dt, S, A, P, W, k, full, rtol, atol)
    for j in range(k):
        projection.{tangents}({n}, {count}, {at}, S, {n} + 1 + j * {n}, P, W)
{states}

"""
_HELD = "    projection.{states}({n}, {count}, {at}, S, 0, P, W)\n"


def restrict(made: Module, *, n: int, at: int, count: int, keep: bool, held: bool) -> Module:
    """The module with another stepper.

    The `count` orthonormal rows at row `at` of `P` are what tangents keep, or else what is taken out of them; `held`
    does the opposite to states.
    """
    head, tail = made.text.split("\nmodel = Model(")
    before, rest = tail.split("\nstepper = ")
    stepper, after = rest.split("\n", 1)
    names = ("keep", "remove") if keep else ("remove", "keep")
    place = dict(n=n, count=count, at=at)
    states = _HELD.format(states=names[1], **place) if held else ""
    wrapped = _RESTRICTED.format(stepper=stepper, tangents=names[0], states=states, **place)
    text = f"{head}\n{wrapped}model = Model({before}\nstepper = restricted\n{after}"
    return made._replace(text=text)
