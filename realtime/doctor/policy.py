"""Whether a page's Content-Security-Policy allows its scripts to connect. Pure."""

from collections.abc import Sequence

from .site import Site


def refuses(policy: str, site: Site) -> str | None:
    """The directive of a policy that keeps scripts from connecting to the site, or None."""
    for one in policy.split(","):
        directives: dict[str, list[str]] = {}
        for text in one.split(";"):
            name, *sources = text.split() or [""]
            directives.setdefault(name.lower(), sources)
        for name in ("connect-src", "default-src"):
            if name in directives:
                if not _allows(directives[name], site):
                    return f"{name} {' '.join(directives[name])}".strip()
                break
    return None


def _allows(sources: Sequence[str], site: Site) -> bool:
    schemes = ("https", "wss") if site.secure else ("http", "ws")
    host = site.netloc.partition(":")[0].lower()
    for source in map(str.lower, sources):
        if source in ("*", "'self'") or source.rstrip(":") in schemes:
            return True
        name = source.partition("://")[2] or source
        name = name.partition("/")[0].partition(":")[0]
        if name == host or (name.startswith("*.") and host.endswith(name[1:])):
            return True
    return False
