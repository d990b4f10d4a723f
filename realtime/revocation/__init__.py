"""Who may no longer be here: how it is noticed, and what follows for their sockets."""
