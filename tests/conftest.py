"""One private cache of generated code for the whole test session, shared by all its processes."""

import os
import shutil
import tempfile

import pytest
from hypothesis import settings
from numba import config

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


def pytest_collection_modifyitems(items):
    """Tests marked `compiled` are skipped where Numba's compiler is switched off."""
    if config.DISABLE_JIT:
        for item in items:
            if item.get_closest_marker("compiled"):
                item.add_marker(pytest.mark.skip(reason="needs the compiler"))
