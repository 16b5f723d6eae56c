"""Sphinx: `sphinx-build -W docs docs/_build`; the gallery's examples run on the way."""

import re
import sys
from pathlib import Path

import fastlyap

sys.path.insert(0, str(Path(__file__).parent))

project = "fastlyap"
author = "fastlyap developers"
version = release = fastlyap.__version__

extensions = [
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "sphinx_gallery.gen_gallery",
]
exclude_patterns = ["_build", "gallery", "auto_gallery/*.ipynb"]
root_doc = "index"
default_role = "code"

autodoc_typehints = "none"
autosummary_generate = True
numpydoc_show_class_members = False
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 2
suppress_warnings = ["config.cache"]  # the gallery's settings hold a class, which no cache can compare

sphinx_gallery_conf = {
    "examples_dirs": "gallery",
    "gallery_dirs": "auto_gallery",
    "filename_pattern": "/plot_",
    "within_subsection_order": "FileNameSortKey",
    "image_scrapers": ("gallery_pictures.figures",),
    "reset_modules": (),
    "show_memory": False,
    "download_all_examples": False,
    "remove_config_comments": True,
    "abort_on_example_error": True,
}

html_theme = "pydata_sphinx_theme"
html_theme_options = {"show_prev_next": False, "navigation_with_keys": False}
html_show_sourcelink = False


def plain_bars(app, what, name, obj, options, lines):
    """Docstrings write |x| for a size; to reStructuredText that would be a substitution."""
    lines[:] = [re.sub(r"(`[^`]*`)|\|", lambda found: found[1] or "\\|", line) for line in lines]


def setup(app):
    """Hooks of these pages."""
    app.connect("autodoc-process-docstring", plain_bars, priority=400)
