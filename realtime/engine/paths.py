"""Paths of requests: one reading of them, for whoever counts bodies and whoever answers. Pure."""

from urllib.parse import unquote


def decoded(raw: bytes) -> str:
    """The path of a request line, as ASGI servers pass it on in `path`."""
    return unquote(raw.partition(b"?")[0].decode("latin-1"))


def below(path: str, root: str) -> str:
    """The path as the application knows it: without the root path that it is mounted at."""
    root = root.rstrip("/")
    if root and (path == root or path.startswith(f"{root}/")):
        return path[len(root) :] or "/"
    return path
