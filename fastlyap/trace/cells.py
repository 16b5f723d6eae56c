"""The module of a recurrent cell: the formulas of its kind, in `kernel`, with its sizes as constants.

One member at a time, in the dense form. Weights and drives are no part of the text: all cells of one architecture share
a module.
"""

import functools
from typing import NamedTuple

from fastlyap import hardware
from fastlyap.kernel.activation import CODES
from fastlyap.kernel.cells import LAST, PLACES
from fastlyap.trace.factors import RECORD
from fastlyap.trace.module import Module, compose
from fastlyap.trace.printer import function


class Formulas(NamedTuple):
    """What the text says of a kind.

    room : the file of its formulas; moves : that of `move` and `pull`; gates, shared, stored : as in `cells.Sizes`;
    states : vectors a layer keeps; slopes : coefficients of a unit whose product, with the weights' determinant, is the
    determinant of a step; None where there is no such product
    """

    room: str
    moves: str
    gates: int
    shared: int
    stored: int
    states: int
    slopes: tuple[int, ...] | None


FORMULAS = {
    "rnn": Formulas("cell_rnn", "cells", 1, 1, 1, 1, (0,)),
    "lstm": Formulas("cell_lstm", "cells", 4, 4, 6, 2, (0, 5)),
    "gru": Formulas("cell_gru", "cells", 3, 3, 5, 1, None),
    "gru_original": Formulas("cell_gru_original", "cells", 3, 2, 5, 1, None),
    "random_rnn": Formulas("cell_rnn", "cell_coupled", 1, 1, 1, 1, (0,)),
}

class Noise(NamedTuple):
    """normals : drawn at every step; sizes : 1 or one for each state; mixed : whether directions mix them."""

    normals: int
    sizes: int
    mixed: bool

    @property
    def draw(self) -> str:
        """The statement that draws the normals of a step, which S[n] counts."""
        return f"stochastic.draw(N, {self.normals}, {self.sizes}, S, P[2], like(S[0], 1.0))\n    "

    def kick(self, layers: int) -> str:
        """The statement that adds them to the state."""
        place = f"{layers} * cells.PLACES + cells.DIRECTIONS"
        return f"cells.kick(N, {self.normals}, {self.sizes}, {self.mixed}, S, P, {place})\n    "


def noise_of(system) -> Noise | None:
    """The noise of a cell."""
    if not system.noise_count:
        return None
    return Noise(system.noise_count, len(system.noise_recording.outputs), system.noise_directions is not None)


_IMPORTS = """from fastlyap.kernel import cells, stochastic, {rooms}
from fastlyap.kernel import factors as recorded
from fastlyap.kernel._compile import kernel_call
from fastlyap.kernel.lanes import slot

"""

_STEPS = """kind = cells.Kind(rows_of({width}), {room}.state, {room}.push, {room}.pull)
sizes = cells.Sizes{sizes}
N = np.int64({n})
choose = zero = mean_square = tangent = adjoint = divergence = stage = add = None


@kernel_call
def move(t, S, V, o, P, W, lead, k):
    {moves}.move(kind, sizes, t, S, V, o, P, W, lead, k)


@kernel_call
def pull(V, o, P, W, k):
    {moves}.pull(kind, sizes, V, o, P, W, k)


@kernel
def count(A, P, W):
{volume}

@kernel
def rule(t, x, P, J, o, out):
    for i in range(N):
        out[i] = x[i]
    move(t, out, out, 0, P, J, 1, 0)
    return slot(out, 0, N)


@kernel
def step(model, t, dt, S, A, P, W, k, full, rtol, atol):
    {draw}move(t, S, S, 0, P, W, 1, 0)
    {kick}if k > 0:
        move(t, S, S, N + 1, P, W, 0, k)
        count(A, P, W)


@kernel
def step_together(model, t, dt, S, A, P, W, k, full, rtol, atol):
    {draw}move(t, S, S, N + 1, P, W, 1, k)
    {kick}count(A, P, W)


@kernel
def step_back(model, advance, puller, t, dt, S, A, P, W, X, k, rtol, atol):
    {draw}move(t, S, S, 0, P, W, 1, 0)
    pull(S, N + 1, P, W, k)
    count(A, P, W)


linearise = rule
"""

_DENSE = {"span": "k", "bundle": "S, o, span", "put": "S, o, x", "axpy": "h, a, x, out", "scale": "s, a, out",
          "project": "S, first, j, k, Z"}  # fmt: skip
_VECTORS = {"get": "S, o", "dot": "a, b"}


def _algebra(known: bool) -> str:
    """The operations on vectors that maps in the dense form need."""
    text = "\n\n"
    for room, functions in (("dense", _DENSE), ("vectors", _VECTORS)):
        for name, arguments in functions.items():
            text += function(name, arguments, [], f"{room}.{name}(N, {arguments})")
    volume = "cells.unit_volume(n, S, Z)" if known else "dense.volume(N, S, Z)"
    return text + function("volume", "n, S, Z", [], volume)


def _volume(about, found: Formulas) -> str:
    """The lines that take the volume from the step: |det| is the product of slopes and of |det| of weights."""
    if not knows_volume(about):
        return "    pass\n"
    H = about.hidden
    places = [layer * found.stored + slope for layer in range(about.layers) for slope in found.slopes or ()]
    lines = [f"    cells.multiply(A, slot(W, {place * H}, {H}), {H})" for place in places]
    lines.append(f"    cells.multiply_by_weights(A, P, {about.layers} * cells.PLACES + cells.DETERMINANT)")
    return "\n".join(lines) + "\n"


def knows_volume(about) -> bool:
    """Whether the determinant of a step is a product of slopes and of a determinant of weights."""
    return FORMULAS[about.kind].slopes is not None and not (about.closed and about.layers > 1)


def sizes_of(about, dtype: str) -> tuple:
    """`cells.Sizes` of an architecture."""
    found = FORMULAS[about.kind]
    return (
        about.hidden, about.layers, found.states, about.inputs, found.gates, found.shared, found.stored,
        CODES[about.activation], hardware.lanes(dtype), about.driven, about.closed,
    )  # fmt: skip


@functools.lru_cache(maxsize=32)
def assemble(about, dtype: str, noise: Noise | None = None) -> Module:
    """The module of an architecture for one working type."""
    given = "(P[0], P[1][b], P[2][b])" if noise else "(P[0], P[1][b])"
    found, n = FORMULAS[about.kind], about.dim
    rooms = ", ".join(dict.fromkeys((found.room, found.moves, "cell_rnn"))).replace("cells, ", "")
    functions = _IMPORTS.format(rooms=rooms) + _STEPS.format(
        width=hardware.lanes(dtype), room=found.room, moves=found.moves, sizes=sizes_of(about, dtype), n=n,
        volume=_volume(about, found), draw=noise.draw if noise else "", kick=noise.kick(about.layers) if noise else "",
    )  # fmt: skip
    made = compose(
        functions + _algebra(knows_volume(about)), n=n, stored=found.stored * about.hidden * about.layers,
        integrator="map", width=1, title=f"{about.kind} {about}, {dtype}",
        stepping=(1, "step", "None", "step_back"), given=given, grower="step_together",
    )  # fmt: skip
    text = made.text + RECORD.format(given=given)
    wide = 2 * found.gates * about.hidden * about.layers + 3 * about.hidden + max(about.hidden, about.inputs)
    return made._replace(text=text, spare=wide, places=PLACES * about.layers + LAST)
