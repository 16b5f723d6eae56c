"""What a call would run: backend, program, chunks, memory, time. Pure data, printable, made before any work."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from fastlyap import hardware
from fastlyap.errors import InputError
from fastlyap.kernel import layout
from fastlyap.machines.delays import state_rows
from fastlyap.machines.forms import form_of
from fastlyap.request import Extent, Integration
from fastlyap.trace.module import LARGEST_TUPLE

STAGES = {"map": 1, "euler": 1, "heun_sde": 2, "rk4": 4, "dopri5": 12, "leapfrog": 1, "yoshida4": 3, "etdrk4": 4}
BACKENDS = ("auto", "cpu", "cuda", "reference")
CHUNK_BYTES = 16 * 2**20  # small enough for the allocator to reuse: fresh pages cost more than the work
KEEP_BYTES = 2**29  # larger states are kept only when asked for
FEW = 2  # from this many members on, lanes beat the one-lane program (measured: 149 M against 19 M member-steps/s)


@dataclass(frozen=True)
class Plan:
    """What a call would run.

    Attributes
    ----------
    verb, system, backend, program : str
        Results are the same to the last bit for equal `program`.
    family, form : str
        How members are arranged, and the form of the system's functions: tuples, rows, dense, kernels.
    width : int
        Members side by side.
    members, chunk : int
        Size of the batch, and of the parts it is worked on in.
    member_steps : int
        Steps of all members together, transient included.
    threads : int
    memory : int
        Bytes needed at once, about.
    seconds : float
        About; without compilation.
    cached : bool
        Whether the machine code is on disk already.
    note : str
        What else is worth knowing, or nothing.
    """

    verb: str
    system: str
    backend: str
    program: str
    family: str
    form: str
    width: int
    members: int
    chunk: int
    member_steps: int
    threads: int
    memory: int
    seconds: float
    cached: bool
    note: str = ""

    def __str__(self) -> str:
        size = self.memory / 2**20
        chunks = -(-self.members // self.chunk) if self.members else 0
        code = "ready on disk" if self.cached else "to be compiled (once, some seconds)"
        return "\n".join([
            f"{self.verb} of {self.system}: {self.members:,} member{'s' * (self.members != 1)}",
            f"  backend   {self.backend}, {self.threads} thread{'s' * (self.threads != 1)}",
            f"  program   {self.program}",
            f"  family    {self.family}",
            f"  chunks    {chunks} of at most {self.chunk:,} members",
            f"  work      {self.member_steps:.3g} member-steps, about {_duration(self.seconds)}",
            f"  memory    about {size:.0f} MB",
            f"  code      {code}",
            *([f"  {self.note}"] if self.note else []),
        ])  # fmt: skip

    def parts(self) -> list[slice]:
        """The chunks, as slices of the flat batch."""
        return [slice(lo, min(lo + self.chunk, self.members)) for lo in range(0, self.members, self.chunk)]


def _duration(seconds: float) -> str:
    if seconds < 1:
        return "a second or less"
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"


def backend(name: Any) -> str:
    """The backend a call runs on."""
    if name not in BACKENDS:
        raise InputError(f"`backend` must be one of {', '.join(map(repr, BACKENDS))}, got {name!r}.")
    return "cpu" if name == "auto" else name


def check_cuda(system: Any) -> None:
    """Refuse what the CUDA backend cannot do, on this machine or at all."""
    try:
        from fastlyap.backend import cuda

        problem = cuda.problem()
    except ImportError as failure:
        problem = f"numba-cuda does not load ({failure})"
    if problem:
        raise InputError(
            f'`backend` "cuda" cannot run here: {problem}. With a card, install by pip install "fastlyap[cuda12]"; '
            'else use "cpu".'
        )
    if system.delays:
        raise InputError(f'`backend` "cuda" cannot run {system.name}, which has a delay; use "cpu".')
    if system.architecture is not None:
        raise InputError('`backend` "cuda" cannot run recurrent cells yet; use "cpu".')
    if system.recording is None:
        raise InputError('`backend` "cuda" needs a rule that is recorded, not kernels; use "cpu".')
    if system.dim > LARGEST_TUPLE:
        raise InputError(f'`backend` "cuda" takes up to {LARGEST_TUPLE} states, got {system.dim}; use "cpu".')


def thread_count(threads: Any) -> int:
    """Threads to use."""
    if threads is None:
        return hardware.cores()
    if isinstance(threads, bool) or not isinstance(threads, int) or threads < 1:
        raise InputError(f"`threads` must be a whole number >= 1, got {threads!r}.")
    return threads


def make_plan(
    verb: str, system: Any, how: Integration, *, n_members: int, k: int, steps: int, name: Any, threads: Any,
    past: Extent | None = None,
) -> Plan:  # fmt: skip
    """Choose the program from system, k, dtype and total size; never from a chunk.

    Members whose delays are different numbers of steps go one at a time.
    """
    chosen = backend(name)
    if chosen == "cuda":
        check_cuda(system)
    n = system.dim
    given = len(system.parameters) + system.noise_count + 1
    rows = state_rows(n, k, past and past.rows) + layout.accumulator_rows(k) + given
    form = form_of(system, k, n_members, hardware.lanes(how.dtype)) if chosen == "cpu" else "tuples"
    lanes = chosen == "cpu" and n_members >= FEW and form in ("tuples", "rows") and (past is None or past.alike)
    width = hardware.lanes(how.dtype) if lanes else 1
    used = min(thread_count(threads), max(1, -(-n_members // width))) if chosen == "cpu" else 1
    chunk = chunk_size(n_members, max(width, CHUNK_BYTES // (8 * rows * 3)), width, used)
    family = _family(chosen, form, width)
    flops = _flops(system, how, k, past.rows if past else n)
    products = 8 if form == "dense" else width  # what matrix products make of a core
    power = 1e12 if chosen == "cuda" else 4e9 * min(products, 8)  # operations per second; a card's is a guess
    rate = power / max(flops, 1.0) if chosen != "reference" else 2e3
    memory = used * 3 * 8 * rows * chunk + 8 * n_members * (4 * k + 8)
    program = _program(chosen, how, width, form, system.architecture is not None)
    return Plan(
        verb, system.name, chosen, program, family, form, width, n_members, chunk, n_members * steps, used, memory,
        n_members * steps / rate / used, _cached(chosen, system, how, width, form),
    )  # fmt: skip


def chunk_size(n_members: int, most: int, width: int, threads: int) -> int:
    """Members of a chunk: at most about `most`, whole blocks, and every thread gets equally many chunks."""
    count = -(-max(n_members, 1) // most)
    count = -(-count // threads) * threads
    return -(-max(n_members, 1) // (count * width)) * width


def _family(backend: str, form: str, width: int) -> str:
    if backend == "reference":
        return "plain NumPy, one member after another"
    if backend == "cuda":
        return f"one thread per member, {form}"
    return f"one member at a time, {form}" if width == 1 else f"lanes of {width} members, {form}"


def _program(backend: str, how: Integration, width: int, form: str, cells: bool = False) -> str:
    """The name within which results agree to the last bit."""
    if backend == "reference":
        return "reference-" + how.dtype
    if backend == "cuda":
        return f"cuda-thread-{form}-{how.dtype}"
    if hardware.interpreted():
        return f"interpreted-{form}-{how.dtype}"
    from fastlyap.kernel import elementary

    library = elementary.library() if width > 1 or cells else "libm"
    return f"lanes{width}-{form}-{how.dtype}-{hardware.simd_name()}-{library}"


def _flops(system: Any, how: Integration, k: int, length: int) -> float:
    """Operations of a member-step, roughly."""
    stages = STAGES[how.integrator]
    if system.architecture is not None:
        operations = 2 * sum(math.prod(shape) for shape in system.shapes.values())
    else:
        operations = system.recording.ops.total() if system.recording is not None else system.dim**2
    drawn = 100.0 * system.noise_count
    return stages * (operations + 4 * system.dim) * (1 + k) + 2.0 * length * k * k / 8 + drawn


def _cached(backend: str, system: Any, how: Integration, width: int, form: str) -> bool:
    if backend != "cpu" or hardware.interpreted() or system.kernels is not None:
        return False
    from fastlyap.backend import cpu
    from fastlyap.trace import cache

    made = cpu.module_of(system, how.integrator, width, form, how.dtype)
    return cache.is_compiled(made.text, cpu.options(width, how.dtype))
