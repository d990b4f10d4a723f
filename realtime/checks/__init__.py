"""System checks; docs/checks.md lists them."""
