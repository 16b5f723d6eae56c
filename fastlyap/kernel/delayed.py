"""One step of a delay system x' = f(t, x(t), x(t - tau_1), ...), and the reorthonormalisation of its frame.

Method of steps: RK4 whose delayed arguments come from the cubic Hermite polynomials between stored steps, with an
error O(h^4) like that of the step. So the discrete system is a map of the extended vector (x_j; x_i, h f_i at the last
M steps), M = ceil(tau / h) + 1, of N = n + 2 n M numbers, and its tangent, histories included, is exact. Source: Bellen
& Zennaro, Numerical Methods for Delay Differential Equations, chapters 3 and 6; exponents by such maps: Farmer, Physica
4D (1982). Vectors have the Euclidean scalar product of all their N numbers.

Rows of `S`: x, age, n zeros, N, the slope of the given history at its end, the ring of M slots (x, h f), then the
frame, each vector with a ring of its own. Slot `age` mod M belongs to the current step and is filled when the next
begins.
"""

from collections.abc import Callable
from typing import NamedTuple

from fastlyap.kernel import frame, vectors
from fastlyap.kernel._compile import kernel
from fastlyap.kernel.lanes import like, slot, whole


class Past(NamedTuple):
    """What a generated module tells the step of a delay system."""

    width: int  # states that the rule reads, delayed ones behind the others
    places: Callable  # (P, age, head, M) -> which slots lie beside the delayed times
    inputs: Callable  # (S, o) -> the vector of those states
    recall0: Callable  # (places, S, ring, left, P, X): put the components delayed from t behind n rows of `X`
    recall1: Callable  # the same for t + h/2
    recall2: Callable  # the same for t + h


class Frame(NamedTuple):
    """The part of `model.Model` that `frame.reorthonormalise` uses, for vectors (rows, N) with N known at run time."""

    n: int
    get: Callable
    put: Callable
    scale: Callable
    dot: Callable
    project: Callable
    replace: Callable


@kernel
def move_state(model, past, t, dt, S, P, W, places, here):
    """The state's step; the Jacobian entries of the four stages stay in `W`."""
    n = model.n
    m = model.m
    h = like(S[0], dt)
    half = like(S[0], 0.5) * h
    sixth = h / like(S[0], 6.0)
    third = h / like(S[0], 3.0)
    K = slot(W, model.free, n)
    Y = slot(W, model.free + n, n)
    R = slot(W, model.free + 2 * n, n)
    X = slot(W, model.free + 3 * n, past.width)
    inputs = past.inputs
    x = model.get(S, 0)
    past.recall0(places, S, 3 * n + 2, 2 * n + 2, P, X)
    model.put(X, 0, x)
    f = model.linearise(like(h, t), inputs(X, 0), P, W, 0, K)
    model.put(S, 3 * n + 2 + here, x)
    model.put(S, 4 * n + 2 + here, model.scale(h, f, Y))
    r = model.axpy(sixth, f, x, R)
    past.recall1(places, S, 3 * n + 2, 2 * n + 2, P, X)
    model.put(X, 0, model.axpy(half, f, x, Y))
    f = model.linearise(like(h, t + 0.5 * dt), inputs(X, 0), P, W, m, K)
    r = model.axpy(third, f, r, R)
    model.put(X, 0, model.axpy(half, f, x, Y))
    f = model.linearise(like(h, t + 0.5 * dt), inputs(X, 0), P, W, 2 * m, K)
    r = model.axpy(third, f, r, R)
    past.recall2(places, S, 3 * n + 2, 2 * n + 2, P, X)
    model.put(X, 0, model.axpy(h, f, x, Y))
    f = model.linearise(like(h, t + dt), inputs(X, 0), P, W, 3 * m, K)
    model.put(S, 0, model.axpy(sixth, f, r, R))


@kernel
def move_vector(model, past, dt, S, o, P, W, places, here):
    """The step of the vector at row `o`, its history included, through the stored stages."""
    n = model.n
    m = model.m
    h = like(S[0], dt)
    half = like(S[0], 0.5) * h
    sixth = h / like(S[0], 6.0)
    third = h / like(S[0], 3.0)
    K = slot(W, model.free, n)
    Y = slot(W, model.free + n, n)
    R = slot(W, model.free + 2 * n, n)
    X = slot(W, model.free + 3 * n, past.width)
    inputs = past.inputs
    v = model.get(S, o)
    past.recall0(places, S, o + n, n + 1, P, X)
    model.put(X, 0, v)
    a = model.tangent(W, 0, P, inputs(X, 0), K)
    model.put(S, o + n + here, v)
    model.put(S, o + 2 * n + here, model.scale(h, a, Y))
    r = model.axpy(sixth, a, v, R)
    past.recall1(places, S, o + n, n + 1, P, X)
    model.put(X, 0, model.axpy(half, a, v, Y))
    a = model.tangent(W, m, P, inputs(X, 0), K)
    r = model.axpy(third, a, r, R)
    model.put(X, 0, model.axpy(half, a, v, Y))
    a = model.tangent(W, 2 * m, P, inputs(X, 0), K)
    r = model.axpy(third, a, r, R)
    past.recall2(places, S, o + n, n + 1, P, X)
    model.put(X, 0, model.axpy(h, a, v, Y))
    a = model.tangent(W, 3 * m, P, inputs(X, 0), K)
    model.put(S, o, model.axpy(sixth, a, r, R))


@kernel
def rk4(model, past, t, dt, S, P, W, k):
    """The classical Runge-Kutta method with delayed arguments, for the state and k vectors."""
    n = model.n
    age = whole(S[n])
    N = whole(S[2 * n + 1])
    M = (N - n) // (2 * n)
    head = age - M if age >= M else age
    places = past.places(P, age, head, M)
    here = head * 2 * n
    move_state(model, past, t, dt, S, P, W, places, here)
    first = 2 * n + 2 + N
    for j in range(k):
        move_vector(model, past, dt, S, first + j * N, P, W, places, here)
    S[n] = like(S[0], age + 1 if age + 1 < 2 * M else M)


@kernel
def get(S, o):
    """The vector at row o of rows that begin with N."""
    return slot(S, o, whole(S[0])), whole(S[0])


@kernel
def put(S, o, v):
    """Nothing: `scale` has left the vector where it belongs."""


@kernel
def scale(s, v, out):
    """s v, at the rows of v as well."""
    return vectors.scale(v[1], s, v[0], out), v[1]


@kernel
def product(n, a, b):
    """Scalar product by quarters: four chains on lanes, and for one member runs that the compiler makes lanes of."""
    q = n // 4
    s0 = like(a[0], 0.0)
    s1 = s0
    s2 = s0
    s3 = s0
    for i in range(q):
        s0 = s0 + a[i] * b[i]
        s1 = s1 + a[q + i] * b[q + i]
        s2 = s2 + a[2 * q + i] * b[2 * q + i]
        s3 = s3 + a[3 * q + i] * b[3 * q + i]
    for i in range(4 * q, n):
        s0 = s0 + a[i] * b[i]
    return (s0 + s1) + (s2 + s3)


@kernel
def dot(v, w):
    """Scalar product."""
    return product(v[1], v[0], w[0])


@kernel
def project(S, first, j, k, Z):
    """Vector j has become a unit vector: take it out of all later ones."""
    n = whole(S[0])
    u = slot(S, first + j * n, n)
    for m in range(j + 1, k):
        w = slot(S, first + m * n, n)
        p = product(n, u, w)
        for i in range(n):
            w[i] = w[i] - p * u[i]


@kernel
def reorthonormalise(model, S, k, R, Z, eps):
    """As `frame.reorthonormalise`, for extended vectors."""
    N = whole(S[2 * model.n + 1])
    F = slot(S, 2 * model.n + 1, N + 1 + k * N)  # from the row with N on: N + 1 rows, then the frame
    frame.reorthonormalise(Frame(N, get, put, scale, dot, project, frame.replace), F, k, R, Z, eps)
