"""A project of its own, as small as the documentation lets it be: private lists for two users."""
