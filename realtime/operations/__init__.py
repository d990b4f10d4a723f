"""Ask and steer the sockets of all processes."""
