"""What a generated module offers the kernels: the functions of one system, and its sizes.

A vector is a tuple of lane values (small systems) or a run of rows (larger ones); a bundle is one vector, or, in the
dense form, all k of them one behind the other. `out` names the rows a function may write its result to, and is
ignored by the tuple form. Every function returns its result.
"""

from collections.abc import Callable
from typing import NamedTuple

from fastlyap.kernel import frame


class Model(NamedTuple):
    """The functions of one system on one kind of lanes."""

    n: int  # state dimension
    m: int  # Jacobian entries stored for each stage
    free: int  # first scratch row after the stored stages
    span: Callable  # (k) -> rows of a bundle: as many of k tangent vectors as one call of `tangent` moves
    bundle: Callable  # (S, o, span) -> the bundle at rows o .. o+span-1
    get: Callable  # (S, o) -> vector at rows o .. o+n-1
    put: Callable  # (S, o, x)
    axpy: Callable  # (h, a, x, out) -> x + h a
    scale: Callable  # (s, a, out) -> s a
    dot: Callable  # (a, b) -> lane value
    choose: Callable  # (mask, a, b, out) -> a where mask, else b
    zero: Callable  # (x, out) -> 0 of x's type
    mean_square: Callable  # (e, x, y, rtol, atol) -> mean of (e / (atol + rtol max(|x|, |y|)))^2
    project: Callable  # (S, first, j, k, Z): vector j of k has unit length now; make j+1 orthogonal to all before it
    volume: Callable  # (n, S, V) -> |det| of the n frame vectors as (mantissa, exponent), V scratch
    rule: Callable  # (t, x, P, J, o, out) -> f; the m rows at J[o:] are scratch
    linearise: Callable  # (t, x, P, J, o, out) -> f, leaving m Jacobian entries at J[o:]
    tangent: Callable  # (J, o, P, v, out) -> J v
    adjoint: Callable  # (J, o, P, w, out) -> J' w
    divergence: Callable  # (J, o, P) -> trace of J
    stage: Callable  # (J, o, P, w, v, r, weight, ahead, R, Y, K) -> r + weight J w, v + ahead J w
    add: Callable  # (J, o, P, w, r, weight, R, K) -> r + weight J w
    replace: Callable = frame.replace  # (n, S, j, lost): a new direction for the j-th vector where `lost`
    reorthonormalise: Callable = frame.reorthonormalise  # (model, S, k, R, Z, eps)
