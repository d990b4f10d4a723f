"""What models say: their rows as created, updated and deleted events; docs/models.md."""
