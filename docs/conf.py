"""Sphinx configuration; ``make site`` builds the pages into ``dist/site``."""

import infinity_frames

project = "infinity_frames"
author = "the infinity_frames maintainers"
release = version = infinity_frames.__version__ if hasattr(infinity_frames, "__version__") else ""

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
]
myst_heading_anchors = 3
suppress_warnings = ["myst.xref_missing"]  # links into the repository: notebooks, source files

autodoc_typehints = "none"
autodoc_member_order = "bysource"
autodoc_default_options = {"members": True, "undoc-members": False}
napoleon_google_docstring = False
napoleon_use_rtype = False
napoleon_preprocess_types = False

html_theme = "furo"
html_title = "infinity_frames"
exclude_patterns = ["gallery/*"]
