"""Engine.IO: connections, the wires that carry them, and the limits of both."""
