"""A project with tests of its own, which use realtime.testing; run by the tests beside it."""
