"""Requests that reached a process other than the one that holds their session."""
