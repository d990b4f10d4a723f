"""`make soak`: stock clients, whose connections, servers and Redis fail, and what they got.

Emitters say numbers in rooms: views, handlers of consumers, and a process without sockets. Faults
come from a plan that a seed makes. At the end the list of each client is compared with what was
emitted; what that means is in verdict.py.
"""
