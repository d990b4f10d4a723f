"""`manage.py realtime doctor`: follows an event the whole way, and says where it gets lost.

The site serves namespace.py; the rest runs in the command's process.
"""
