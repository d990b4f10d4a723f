"""Events that are handled once, however often their clients send them: `@event(once=...)`."""
