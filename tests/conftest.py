"""One private cache of generated code for the whole test session, shared by all its processes."""

import os
import shutil
import tempfile

import pytest
from hypothesis import settings
from numba import config as numba_config

settings.register_profile("fastlyap", derandomize=True, deadline=None, database=None, max_examples=10)
settings.load_profile("fastlyap")


def pytest_configure(config):
    """Make the cache folder before xdist starts its workers, which inherit the environment.

    $FASTLYAP_TEST_CACHE names a folder to keep between sessions: names of modules are hashes of all that decides
    their code, so an old folder can only save time.
    """
    if hasattr(config, "workerinput"):
        return
    kept = os.environ.get("FASTLYAP_TEST_CACHE")
    folder = kept or tempfile.mkdtemp(prefix="fastlyap-tests-")
    config.stash[_FOLDER] = None if kept else folder
    os.environ["FASTLYAP_CACHE_DIR"] = folder


def pytest_unconfigure(config):
    """Remove the cache folder of this session."""
    folder = config.stash.get(_FOLDER, None)
    if folder:
        shutil.rmtree(folder, ignore_errors=True)


_FOLDER = pytest.StashKey[str | None]()


def pytest_addoption(parser):
    parser.addoption("--slow", action="store_true", help="also run the tests marked slow")


def pytest_collection_modifyitems(config, items):
    """Tests marked `compiled` are skipped where Numba's compiler is off, `slow` ones where they are not asked for."""
    skips = {"compiled": "needs the compiler"} if numba_config.DISABLE_JIT else {}
    if not config.getoption("--slow"):
        skips["slow"] = "needs --slow"
    for item in items:
        for marker, reason in skips.items():
            if item.get_closest_marker(marker):
                item.add_marker(pytest.mark.skip(reason=reason))
