"""The site: `make docs` builds it under out/site, without a network; warnings are errors."""

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE / "extensions"), str(HERE.parent)]

import continua  # noqa: E402

continua._find_packages()

project = "Neural continua"
author = "the authors of neural-continua"
extensions = ["myst_parser", "sphinx.ext.autodoc", "formulas", "reference", "links"]
exclude_patterns = ["extensions"]
nitpicky = True
smartquotes = False

myst_enable_extensions = ["dollarmath", "amsmath"]
myst_heading_anchors = 3
html_math_renderer = "mathml"
math_numfig = False

autodoc_typehints = "none"  # docstrings say shapes and units, which types do not
autodoc_member_order = "bysource"
add_module_names = False
maximum_signature_line_length = 100
toc_object_entries_show_parents = "hide"
python_use_unqualified_type_names = True

html_theme = "pydata_sphinx_theme"
html_title = "Neural continua"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_context = {"default_mode": "auto"}
html_show_sourcelink = False
html_show_copyright = False
html_sidebars = {"**": ["globaltoc.html"]}
html_theme_options = {
    "show_prev_next": False,
    "navbar_center": [],
    "pygments_light_style": "tango",
    "secondary_sidebar_items": ["page-toc"],
}
