import os
import secrets
from pathlib import Path


def local_secret_key(path: Path) -> str:
    """The key kept in the file, which the first process to ask creates, readable by its owner only.

    The key is written beside the file and linked into place, so that of two processes that start
    together neither reads half a key and both use the same one.
    """
    if not path.exists():
        draft = path.with_name(f"{path.name}.{os.getpid()}")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_urlsafe(50))
        try:
            os.link(draft, path)
        except FileExistsError:
            pass  # another process was first, and its key is the one to use
        finally:
            draft.unlink()
    return path.read_text().strip()
