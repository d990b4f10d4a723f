"""Sphinx's settings: `make docs` builds the site into build/docs."""

import re
import sys
from pathlib import Path
from typing import Any

import django
from django.conf import settings
from docutils import nodes
from sphinx import addnodes
from sphinx.transforms import SphinxTransform
from sphinx.util import logging

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

# The docstrings are read in the smallest project that has all of realtime.
settings.configure(
    INSTALLED_APPS=[
        "daphne",
        "django.contrib.admin",
        "django.contrib.auth",
        "django.contrib.contenttypes",
        "django.contrib.sessions",
        "django.contrib.messages",
        "channels",
        "realtime",
    ],
    ASGI_APPLICATION="docs.asgi.application",
    CHANNEL_LAYERS={"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}},
    SECRET_KEY="of the documentation",
    USE_TZ=True,
)
django.setup()

from realtime.version import __version__  # noqa: E402

logger = logging.getLogger(__name__)

project = "realtime"
author = "The realtime developers"
project_copyright = author
version = release = __version__

extensions = ["myst_parser", "sphinx.ext.autodoc"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["deploy", "grafana", "prometheus"]

# Headings down to the fourth level have anchors, named as GitHub names them.
myst_heading_anchors = 4
myst_enable_extensions = ["colon_fence", "fieldlist"]

# Docstrings say `name`, with one backtick.
default_role = "literal"
autodoc_typehints = "signature"
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True

nitpicky = False
html_theme = "furo"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_title = f"realtime {__version__}"
html_copy_source = False
html_show_sourcelink = False
html_theme_options = {"navigation_with_keys": True}


#: Pages that include a file of the repository's root, whose links are written for that place.
INCLUDED = {
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security.md",
    "LICENSE": "../LICENSE",
}


def relocate_links(app: Any, path: Path, parent: str, content: list[str]) -> None:
    def relocated(link: re.Match[str]) -> str:
        target = link[1].removeprefix("docs/")
        return f"]({INCLUDED.get(target, target)}"

    content[0] = re.sub(r"\]\(([^)#:]+)", relocated, content[0])


def link_pages(app: Any, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Docstrings name pages as files of the repository: docs/schema.md."""
    lines[:] = [re.sub(r"docs/(\w+)\.md", r":doc:`/\1`", line) for line in lines]


#: What people search for, by page and the beginning of a heading: words that are not on the page,
#: and numbers, which Sphinx's search finds only as entries of the index.
SEARCHED = {
    "troubleshooting": {
        "connect_error: xhr poll error, and the request is a 404": ["404", "xhr poll error"],
        "connect_error: xhr poll error, and the request is a 403": ["403", "CORS", "CSRF"],
        "connect_error: xhr post error": ["400"],
        "A 502": ["502", "503", "504"],
        "A 413": ["413", "429"],
    },
    "how-do-i": {
        "... send to everyone": ["broadcast"],
        "... send an event to one user": ["private message", "direct message"],
        "... show that someone is typing": ["typing indicator"],
        "... give clients": ["offline"],
        "... log a mobile app in": ["React Native", "Flutter", "Expo"],
        "... connect from a page of another domain": ["CORS"],
    },
    "authentication": {
        "Tokens of Django REST framework": ["DRF", "DRF token"],
        "JSON Web Tokens": ["JWT"],
    },
}


class SearchedWords(SphinxTransform):
    """Adds SEARCHED to the index, in which the search looks, too."""

    default_priority = 800  # before Sphinx collects the entries

    def apply(self, **kwargs: Any) -> None:
        wanted = dict(SEARCHED.get(self.env.docname, {}))
        for section in list(self.document.findall(nodes.section)):
            heading = section[0].astext().replace("…", "...")
            for start in [start for start in wanted if heading.startswith(start)]:
                target = section["ids"][0]
                entries = [("single", word, target, "", None) for word in wanted.pop(start)]
                section.insert(1, addnodes.index(entries=entries))
        for start in wanted:
            logger.warning("SEARCHED: %s has no heading %r", self.env.docname, start)


def setup(app: Any) -> None:
    app.add_transform(SearchedWords)
    app.connect("autodoc-process-docstring", link_pages)
    app.connect("include-read", relocate_links)
