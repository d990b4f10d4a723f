"""The version of this package, told once; pyproject.toml has the same."""

__version__ = "0.1.0"
