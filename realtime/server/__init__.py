"""Socket.IO: applications behind namespaces, from a client's connect to the last goodbye."""
