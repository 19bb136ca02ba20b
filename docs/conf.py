"""Sphinx's settings; `make docs` builds the manual with warnings as errors."""

project = "Binarray"
copyright = "Binarray's authors; BSD-2-Clause"
extensions = ["myst_parser"]
source_suffix = {".md": "markdown"}
# Anchors for links such as page.md#a-heading.
myst_heading_anchors = 3
html_theme = "alabaster"
html_theme_options = {"page_width": "70rem"}
