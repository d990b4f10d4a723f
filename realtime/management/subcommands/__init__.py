"""The subcommands of `manage.py realtime`, each a `Subcommand`; commands/realtime.py lists them."""
