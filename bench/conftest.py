"""`pytest bench`: options, the confined process, and the fixtures `compare`, `book` and `sizes`."""

import importlib.metadata
import importlib.util
import time
from types import SimpleNamespace

import pytest

from bench import environment, record, timing

environment.confine()

PEERS = ("numpy", "scipy", "numba", "jax", "torch", "lyapax", "pynamicalsys", "jitcode", "jitcdde", "clvlib")
BOOK = pytest.StashKey[record.Book]()

FULL = SimpleNamespace(rounds=5, members=10_000, scale=1.0, repeats=2)
QUICK = SimpleNamespace(rounds=2, members=1024, scale=0.3, repeats=1)


def pytest_addoption(parser):
    group = parser.getgroup("bench")
    group.addoption("--peers", action="store_true", help="also run the other packages")
    group.addoption("--quick", action="store_true", help="small sizes, two rounds, nothing written")


def pytest_configure(config):
    config.stash[BOOK] = record.Book()


@pytest.fixture
def book(request):
    """Where rows go."""
    return request.config.stash[BOOK]


@pytest.fixture
def sizes(request):
    """How much is run: `rounds`, `members`, `repeats` of a process, and `scale` of the step counts."""
    return QUICK if request.config.getoption("--quick") else FULL


@pytest.fixture
def absent(request):
    """Why a package cannot be run here, or an empty string."""

    def reason(package: str) -> str:
        if not request.config.getoption("--peers"):
            return "needs `--peers`"
        return "" if importlib.util.find_spec(package) else f"{package} is not installed"

    return reason


@pytest.fixture
def compare(benchmark, sizes):
    """Time contenders in turn; the first of them is what pytest-benchmark sees, so that runs can be compared."""
    if benchmark.disabled:
        pytest.skip("benchmarks are disabled (by an option, or beside xdist's workers): nothing would be timed")

    def run(ours: timing.Contender, *others: timing.Contender, clock=time.process_time) -> timing.Timing:
        result = timing.interleave([ours, *others], 0, clock)
        benchmark.pedantic(
            lambda: timing.note(result, ours, clock),
            setup=lambda: [timing.note(result, other, clock) for other in others] and None,
            rounds=sizes.rounds,
        )
        for other in others:
            benchmark.extra_info[other.name] = result.ratio(other.name, ours.name).value
        return result

    return run


def pytest_terminal_summary(terminalreporter, config):
    from bench import machine

    rows = config.stash[BOOK].rows
    if not rows:
        return
    found = [f"{name} {importlib.metadata.version(name)}" for name in PEERS if importlib.util.find_spec(name)]
    about = {"machine": machine.description(), "versions": ", ".join(found)}
    terminalreporter.write(record.markdown(rows, f"\nMeasured on {about['machine']}\n"))
    if not config.getoption("--quick"):
        terminalreporter.write_line(f"\nwritten to {record.save(rows, machine.short_name(), about).name}")
