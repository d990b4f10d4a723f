"""`manage.py realtime doctor`: tries the whole way of an event, and says where it ends.

namespace.py is served by the site; the rest runs in the command's process.
"""
