"""Requests that reached another process than the one that holds their session."""
