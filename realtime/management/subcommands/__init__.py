"""The subcommands of `manage.py realtime`: each is a module with a noun, and a `Subcommand`."""
