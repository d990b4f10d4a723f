"""An app of models that test_changes.py announces; its tables need no migrations."""
