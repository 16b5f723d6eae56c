"""The compiled CPU backend: blocks of `width` members, one block after another.

The kernels hold no interpreter lock, so that chunks of members can run in threads beside each other (`machines`).
"""

import threading
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numba
import numpy as np

from fastlyap import hardware
from fastlyap.kernel import layout
from fastlyap.machines import subspace
from fastlyap.machines.rows import reset
from fastlyap.request import Integration
from fastlyap.trace import cache, cells, delay, exponential, foreign, noise, symplectic
from fastlyap.trace.module import Module, assemble


class Kernels:
    """The entry points of a system for one integrator, type and lane count."""

    def __init__(
        self, made: Module, load: Callable[[], ModuleType], *, width: int, how: Integration, dim: int, form: str,
        delays: int = 0, extended: Callable[[np.ndarray], np.ndarray] = lambda P: P, pool: np.ndarray | None = None,
    ) -> None:  # fmt: skip
        self._load = load
        self._lock = threading.Lock()
        self.module = load()
        self.width = width
        self.dtype = how.dtype
        self.dim = dim
        self.adaptive = how.integrator == "dopri5"
        self._stages = made.stages * made.stored
        self._moves_frames = form == "dense"
        self._spare = made.spare
        self._delays = delays
        self.extended = extended
        self._pool = None if pool is None else pool.astype(how.dtype)
        self._places = made.places

    def scratch_rows(self, k: int) -> int:
        """Rows of scratch: the stages and the slots of one bundle, or what reorthonormalisation takes."""
        span = self.dim * max(k, 1) if self._moves_frames else self.dim
        moving = self._stages + (10 + self._delays) * span + 8 if not self._spare else self._stages + self._wide(k)
        return max(moving, k + layout.frame_scratch(self.dim) if k else 0)

    def _wide(self, k: int) -> int:
        """Rows of what cells keep of a state and k vectors."""
        return (k + 1) * self._spare + self.dim

    def given(self, P: np.ndarray) -> Any:
        """What the entry points get as parameters of members with the rows P (members, rows)."""
        if self._pool is not None:
            places, noise = np.split(P, [self._places], axis=1)
            more = (np.array(noise, dtype=self.dtype, order="C"),) if noise.shape[1] else ()
            return (self._pool, places.astype(np.int64), *more)
        P = self.extended(P)
        return pack(P if P.shape[1] else np.zeros((len(P), 1)), self.width, self.dtype)

    def is_full(self, k: int) -> bool:
        """Whether k vectors span the tangent space; a history has no end of dimensions."""
        return k == self.dim and not self._delays

    def most_vectors(self, rows: int, accumulators: int) -> int:
        """How many vectors lie in so many rows of `S` (at most, where vectors are of different lengths)."""
        return accumulators // 2 if self._delays else (rows - 1) // self.dim - 1

    def entry(self, name: str, *args: object) -> Callable[..., None]:
        """The entry point `name`, compiled for the types of `args`; unreadable machine code on disk is made anew."""
        found = getattr(self.module, name)
        if hardware.interpreted() or found.signatures:
            return found
        with self._lock:
            return self._compiled(name, tuple(map(numba.typeof, args)))

    def _compiled(self, name: str, types: tuple) -> Callable[..., None]:
        found = getattr(self.module, name)
        try:
            found.compile(types)
        except Exception:  # a damaged cache file raises whatever its bytes happen to mean
            cache.forget(self.module)
            self.module = self._load()
            found = getattr(self.module, name)
            found.compile(types)
        return found


def module_of(system, integrator: str, width: int, form: str, dtype: str = "float64") -> Module:
    """The text of the module a system becomes; only that of recurrent cells depends on the working type."""
    if system.architecture is not None:
        return cells.assemble(system.architecture, dtype, cells.noise_of(system))
    return subspace.module_of(_module_of(system, integrator, width, form), system, integrator)


def _module_of(system, integrator: str, width: int, form: str) -> Module:
    if system.kernels is not None:
        return foreign.assemble(system.kernels, system.dim, integrator, noise.beside(system, integrator))
    if system.delays:
        return delay.assemble(system, width, form)
    if system.noise_count:
        return noise.assemble(system, integrator, width, form)
    if integrator == "etdrk4":
        return exponential.assemble(system.parts[1], width, form)
    if integrator in symplectic.SCHEMES:
        return symplectic.assemble(system.recording, integrator, width, form)
    return assemble(system.recording, integrator, width, form)


def load(system, how: Integration, width: int, form: str, pool: np.ndarray | None = None) -> Kernels:
    """Generate (or find) and import the kernels of a system; `pool` holds the weights of recurrent cells."""
    made = module_of(system, how.integrator, width, form, how.dtype)

    def load_module() -> ModuleType:
        if system.kernels is not None:
            return foreign.load(system.kernels, system.dim, how.integrator, noise.beside(system, how.integrator))
        return cache.load(made.text, options(width, how.dtype))

    return Kernels(
        made, load_module, width=width, how=how, dim=system.dim, form=form, delays=len(system.delays),
        extended=subspace.extension(system, how), pool=pool,
    )  # fmt: skip


def options(width: int, dtype: str) -> str:
    """What decides the machine code besides the text."""
    from fastlyap.kernel import elementary

    return f"{hardware.simd_name()} {elementary.library()} {dtype}"


def pack(rows: np.ndarray, width: int, dtype: str) -> np.ndarray:
    """(members, rows) -> (blocks, rows, width), 64-byte aligned; the last block is filled with the last member."""
    members, count = rows.shape
    blocks = -(-members // width)
    packed = aligned((blocks, count, width), dtype)
    full = members // width
    packed[:full] = rows[: full * width].reshape(full, width, count).swapaxes(1, 2)
    if full < blocks:
        rest = members - full * width
        packed[full, :, :rest] = rows[full * width :].T
        packed[full, :, rest:] = rows[-1][:, None]
    return packed


def unpack(packed: np.ndarray, members: int) -> np.ndarray:
    """The inverse of `pack`."""
    blocks, count, width = packed.shape
    # one block alone would stay a view, in whose order NumPy adds up other sums than in that of a copy
    return np.ascontiguousarray(packed.swapaxes(1, 2)).reshape(blocks * width, count)[:members]


def aligned(shape: tuple[int, ...], dtype: str, make: Callable[..., np.ndarray] = np.zeros) -> np.ndarray:
    """A zeroed array, or with `make=np.empty` any, that starts on a cache line."""
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    raw = make(size + 64, dtype=np.uint8)
    start = -raw.ctypes.data % 64
    return raw[start : start + size].view(dtype).reshape(shape)


def _limits(how: Integration) -> tuple[float, float, float]:
    return how.escape_radius, how.rtol, how.atol


class CpuBatch:
    """Members laid out in blocks of lanes."""

    def __init__(self, kernels: Kernels, S: np.ndarray, A: np.ndarray, P: np.ndarray) -> None:
        self.kernels = kernels
        self.members = len(S)
        self.S = pack(S, kernels.width, kernels.dtype)
        self.A = pack(A, kernels.width, "float64")
        self.P = kernels.given(P)
        k = kernels.most_vectors(S.shape[1], A.shape[1])
        self._scratch = aligned((kernels.scratch_rows(k), kernels.width), kernels.dtype)

    def _run(self, name: str, *args: object, rows: int = 0) -> None:
        """Run an entry point over all blocks; `rows` asks for a second scratch."""
        more = (aligned((rows, self.kernels.width), self.kernels.dtype),) if rows else ()
        given = (self.S, self.A, self.P, self._scratch, *more, 0, len(self.S), *args)
        run = self.kernels.entry(name, *given)
        with np.errstate(all="ignore"):
            run(*given)

    def grow(
        self, how: Integration, t0: float, k: int, step: int, n_steps: int, every: int, close: bool = False
    ) -> None:
        full, counts = self.kernels.is_full(k), self.A.shape[1] > layout.head_rows(k)
        self._run("grow", k, full, t0, how.dt, step, n_steps, every, counts, close, *_limits(how), how.eps)

    def settle(self, how: Integration, k: int, step: int) -> None:
        self.grow(how, 0.0, k, step, 0, 1, True)

    def follow(
        self, how: Integration, t0: float, step: int, n_steps: int, stride: int, full: bool = False
    ) -> np.ndarray:
        n = self.kernels.dim
        X = aligned((len(self.S), n * (n_steps // stride), self.kernels.width), self.kernels.dtype)
        self._run("follow", full, t0, how.dt, step, n_steps, *_limits(how), X, stride)
        return unpack(X, self.members).reshape(self.members, -1, n)

    def forget_growth(self, k: int) -> None:
        """Begin the accumulation of growth anew; the divergence stays."""
        divergence = self.A[:, layout.DIVERGENCE].copy()
        reset(self.A, k)
        self.A[:, layout.DIVERGENCE] = divergence

    def checkpoint(self) -> np.ndarray:
        """The rows of state and step proposal, to go back to."""
        return self.S[:, : self.kernels.dim + 1].copy()

    def pull_back(
        self, how: Integration, t0: float, k: int, start: np.ndarray, first: int, n_steps: int, pulled: int, every: int
    ) -> None:
        """Pull the frame back over `n_steps` steps from `first`, whose state is the checkpoint `start`."""
        n = self.kernels.dim
        self.S[:, : n + 1] = start
        rows = (n + 1) * n_steps + (layout.INNER_STEPS * (n + 2) if self.kernels.adaptive else 0)
        self._run(
            "pull_back", k, k == n, t0, how.dt, first, n_steps, pulled, every, *_limits(how), how.eps, rows=rows
        )

    def read(self) -> tuple[np.ndarray, np.ndarray]:
        return unpack(self.S, self.members).astype(np.float64, copy=False), unpack(self.A, self.members)
