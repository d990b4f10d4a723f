"""`python -m tests.site.without_fork MODULE ARGUMENTS`: run a module on a system without fork.

As on Windows: what `os` has not there is taken away. Without a module every one of realtime is
imported.
"""

import importlib
import os
import pkgutil
import runpy
import sys

NOT_IN_OS = ("fork", "forkpty", "register_at_fork")


def take_away() -> None:
    for name in NOT_IN_OS:
        delattr(os, name)


def import_all() -> None:
    import django

    django.setup()

    import realtime

    for module in pkgutil.walk_packages(realtime.__path__, "realtime."):
        importlib.import_module(module.name)


if __name__ == "__main__":
    take_away()
    if len(sys.argv) == 1:
        import_all()
    else:
        sys.argv = sys.argv[1:]
        runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
