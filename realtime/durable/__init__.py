"""Durable emits: rows of the caller's transaction, sent after it until they are on their way.

An app of its own, for sites that want its table: "realtime.durable" in INSTALLED_APPS.
"""
