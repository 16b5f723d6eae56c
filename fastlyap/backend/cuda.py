"""The CUDA backend: one thread per member and the CPU's kernels typed anew for the device; up to 8 states.

In global memory the rows lie side by side, (rows, members), so that neighbouring threads read neighbouring addresses.
The state, frame and scratch rows of a member are arrays of constant size in its thread. The compiler keeps such an
array in registers if every index is a constant once the loops are unrolled; hence one kernel for each k.
"""

import functools
import importlib.util
import warnings
from collections.abc import Callable
from types import ModuleType

import numpy as np
from numba import config, cuda, types
from numba.extending import intrinsic

from fastlyap.backend.cpu import module_of
from fastlyap.kernel import adjoint, frame, growth, layout
from fastlyap.kernel.model import Model
from fastlyap.machines.rows import reset
from fastlyap.request import Integration
from fastlyap.trace import cache
from fastlyap.trace.module import Module

SIMULATED = bool(config.ENABLE_CUDASIM)
THREADS = 128  # per block
ORBIT_BYTES = 256 * 2**20  # of orbits on the card at once


def problem() -> str:
    """Why this backend cannot run here; empty if it can."""
    if SIMULATED:
        return ""
    if importlib.util.find_spec("numba_cuda") is None:
        return "the package numba-cuda is missing"
    try:
        if cuda.is_available():
            return ""
        reason = cuda.cuda_error()
    except Exception as failure:  # a broken driver may raise anything
        reason = failure
    words = " ".join(str(reason or "no driver").split())
    return f"no GPU found ({words.split('. ')[0]})"


def describe() -> str:
    """The card, or why there is none, in one line."""
    if reason := problem():
        return f'not available: {reason}. With a card: pip install "fastlyap[cuda12]"'
    if SIMULATED:
        return "simulator"
    name = cuda.get_current_device().name
    memory = cuda.current_context().get_memory_info().total / 2**30
    return f"{name.decode() if isinstance(name, bytes) else name}, {memory:.0f} GB"


def load(system, how: Integration) -> "Kernels":
    """Generate (or find) the kernels of a system."""
    return _kernels(module_of(system, how.integrator, 1, "tuples"), how.dtype, system.dim, how.integrator == "dopri5")


@functools.lru_cache(maxsize=64)
def _kernels(made: Module, dtype: str, dim: int, adaptive: bool) -> "Kernels":
    return Kernels(cache.load(made.text), made.stages * made.stored, dtype=dtype, dim=dim, adaptive=adaptive)


def inlined(function: Callable) -> Callable:
    """A kernel function for the device, to disappear into its caller; in the simulator the plain function."""
    plain = getattr(function, "py_func", function)
    return plain if SIMULATED else cuda.jit(device=True, forceinline=True)(plain)


@intrinsic
def _stay_a_call(context):
    """Keep the compiler from inlining the function in which this stands."""

    def emit(context, builder, sig, args):
        builder.function.attributes.add("noinline")
        return context.get_dummy_value()

    return types.none(), emit


def on_device(model: Model, k: int, kind: types.Type) -> Model:
    """The model of a generated module for the device.

    What indexes rows in loops too long to unroll is called with a copy of the rows, so that the rows themselves
    can stay in registers.
    """
    if SIMULATED:
        return model
    functions = {name: inlined(f) for name, f in model._asdict().items() if name not in ("n", "m", "free")}
    replace, volume, n, square = functions["replace"], functions["volume"], model.n, model.n**2
    count = layout.state_rows(n, k)

    @cuda.jit(device=True)
    def replace_copy(S, j):
        _stay_a_call()
        replace(n, S, j, True)

    @inlined
    def replace_aside(n, S, j, lost):
        copy = cuda.local.array(count, kind)
        for i in range(count):
            copy[i] = S[i]
        replace_copy(copy, j)
        for i in range(count):
            S[i] = copy[i]

    @cuda.jit(device=True)
    def volume_copy(S, V):
        _stay_a_call()
        return volume(n, S, V)

    @inlined
    def volume_aside(n, S, V):
        copy = cuda.local.array(count, kind)
        for i in range(count):
            copy[i] = S[i]
        return volume_copy(copy, cuda.local.array(square, kind))

    functions["replace"] = replace_aside
    if model.volume is frame.volume:  # not written out
        functions["volume"] = volume_aside
    return model._replace(**functions)


class Kernels:
    """The kernels of a system for one integrator and type, made when first used."""

    def __init__(self, module: ModuleType, stage_rows: int, *, dtype: str, dim: int, adaptive: bool) -> None:
        self.module = module
        self.dtype = dtype
        self.dim = dim
        self.adaptive = adaptive
        self.scratch_rows = max(stage_rows, dim + dim * dim)
        self.kind = types.float32 if dtype == "float32" else types.float64
        self.grow = functools.cache(lambda k: _launchable(_grow(self, k)))
        self.follow = functools.cache(lambda full: _launchable(_follow(self, full)))
        self.pull_back = functools.cache(lambda k: _launchable(_pull_back(self, k)))


def _launchable(kernel: Callable) -> Callable:
    """The kernel of a Python function; the simulator's threads get no warnings of overflow."""

    def quiet(*args):
        with np.errstate(all="ignore"):
            kernel(*args)

    return cuda.jit(quiet if SIMULATED else kernel)


def _grow(kernels: Kernels, k: int) -> Callable:
    """`growth.grow` for one k."""
    model, advance = on_device(kernels.module.model, k, kernels.kind), inlined(kernels.module.stepper)
    run, full, kind = inlined(growth.grow), k == kernels.dim, kernels.kind
    count, scratch = layout.state_rows(kernels.dim, k), kernels.scratch_rows

    def grow(S, A, P, t0, dt, step, n_steps, every, counts, close, radius, rtol, atol, eps):
        e = cuda.grid(1)
        if e < S.shape[1]:
            own = cuda.local.array(count, kind)
            W = cuda.local.array(scratch, kind)
            for i in range(count):
                own[i] = S[i, e]
            run(model, advance, own, A[:, e], P[:, e], W, k, full, t0, dt, step, n_steps, every, counts, close, radius,
                rtol, atol, eps)  # fmt: skip
            for i in range(count):
                S[i, e] = own[i]

    return grow


def _follow(kernels: Kernels, full: bool) -> Callable:
    """`growth.follow`."""
    model, advance = on_device(kernels.module.model, 0, kernels.kind), inlined(kernels.module.stepper)
    run, kind = inlined(growth.follow), kernels.kind
    count, scratch = layout.state_rows(kernels.dim, 0), kernels.scratch_rows

    def follow(S, A, P, t0, dt, step, n_steps, radius, rtol, atol, X, stride):
        e = cuda.grid(1)
        if e < S.shape[1]:
            own = cuda.local.array(count, kind)
            W = cuda.local.array(scratch, kind)
            for i in range(count):
                own[i] = S[i, e]
            run(model, advance, own, A[:, e], P[:, e], W, full, t0, dt, step, n_steps, radius, rtol, atol, X[:, e],
                stride)  # fmt: skip
            for i in range(count):
                S[i, e] = own[i]

    return follow


def _pull_back(kernels: Kernels, k: int) -> Callable:
    """`adjoint.pull_back` for one k, from the states `start`."""
    module, kind = kernels.module, kernels.kind
    model, advance = on_device(module.model, k, kind), inlined(module.stepper)
    pull, step_back, run = inlined(module.puller), inlined(module.step_back), inlined(adjoint.pull_back)
    n, full, count, scratch = kernels.dim, k == kernels.dim, layout.state_rows(kernels.dim, k), kernels.scratch_rows

    def pull_back(S, A, P, start, X, t0, dt, first, n_steps, pulled, every, radius, rtol, atol, eps):
        e = cuda.grid(1)
        if e < S.shape[1]:
            own = cuda.local.array(count, kind)
            W = cuda.local.array(scratch, kind)
            for i in range(count):
                own[i] = start[i, e] if i <= n else S[i, e]
            run(model, advance, pull, step_back, own, A[:, e], P[:, e], W, X[:, e], k, full, t0, dt, first, n_steps,
                pulled, every, radius, rtol, atol, eps)  # fmt: skip
            for i in range(count):
                S[i, e] = own[i]

    return pull_back


class CudaBatch:
    """Members on the card, one column each."""

    def __init__(self, kernels: Kernels, S: np.ndarray, A: np.ndarray, P: np.ndarray) -> None:
        self.kernels = kernels
        self.members = len(S)
        self.S = self._columns(S, kernels.dtype)
        self.A = self._columns(A, "float64")
        self.P = self._columns(P if P.shape[1] else np.zeros((len(S), 1)), kernels.dtype)

    def _columns(self, rows: np.ndarray, dtype: str):
        return cuda.to_device(np.ascontiguousarray(rows.T, dtype=dtype))

    def _launch(self, kernel: Callable, *args) -> None:
        """Run a kernel, one thread per member, and wait for its end."""
        threads = min(THREADS, self.members)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Grid size")  # a small batch is the user's choice
            kernel[-(-self.members // threads), threads](self.S, self.A, self.P, *args)
        cuda.synchronize()

    def grow(
        self, how: Integration, t0: float, k: int, step: int, n_steps: int, every: int, close: bool = False
    ) -> None:
        counts = self.A.shape[0] > layout.head_rows(k)
        self._launch(
            self.kernels.grow(k), t0, how.dt, step, n_steps, every, counts, close, how.escape_radius, how.rtol,
            how.atol, how.eps,
        )  # fmt: skip

    def settle(self, how: Integration, k: int, step: int) -> None:
        self.grow(how, 0.0, k, step, 0, 1, True)

    def follow(
        self, how: Integration, t0: float, step: int, n_steps: int, stride: int, full: bool = False
    ) -> np.ndarray:
        n, kept = self.kernels.dim, n_steps // stride
        found = np.empty((self.members, kept, n), dtype=self.kernels.dtype)
        part = max(1, ORBIT_BYTES // (8 * n * self.members))
        for lo in range(0, kept, part):
            count = min(part, kept - lo)
            now = count * stride if lo + count < kept else n_steps - lo * stride
            X = cuda.device_array((n * count, self.members), dtype=self.kernels.dtype)
            self._launch(
                self.kernels.follow(full), t0, how.dt, step + lo * stride, now, how.escape_radius, how.rtol, how.atol,
                X, stride,
            )  # fmt: skip
            found[:, lo : lo + count] = X.copy_to_host().T.reshape(self.members, count, n)
        return found

    def forget_growth(self, k: int) -> None:
        """Begin the accumulation of growth anew; the divergence stays."""
        A = self.A.copy_to_host().T
        divergence = A[:, layout.DIVERGENCE].copy()
        reset(A, k)
        A[:, layout.DIVERGENCE] = divergence
        self.A = self._columns(A, "float64")

    def checkpoint(self) -> np.ndarray:
        """The rows of state and step proposal, to go back to."""
        return self.S.copy_to_host()[: self.kernels.dim + 1]

    def pull_back(
        self, how: Integration, t0: float, k: int, start: np.ndarray, first: int, n_steps: int, pulled: int, every: int
    ) -> None:
        """Pull the frame back over `n_steps` steps from `first`, whose state is the checkpoint `start`."""
        n = self.kernels.dim
        rows = (n + 1) * n_steps + (layout.INNER_STEPS * (n + 2) if self.kernels.adaptive else 0)
        X = cuda.device_array((rows, self.members), dtype=self.kernels.dtype)
        self._launch(
            self.kernels.pull_back(k), cuda.to_device(start), X, t0, how.dt, first, n_steps, pulled, every,
            how.escape_radius, how.rtol, how.atol, how.eps,
        )  # fmt: skip

    def read(self) -> tuple[np.ndarray, np.ndarray]:
        return self.S.copy_to_host().T.astype(np.float64), self.A.copy_to_host().T.copy()
