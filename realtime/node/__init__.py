"""This process's place in the site: its sockets and rooms, and its way to the other processes."""
