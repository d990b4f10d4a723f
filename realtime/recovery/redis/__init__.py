"""The store of a site with several processes: logs as Redis streams, and sessions as hashes."""
