"""One tab a file: `layout()` builds widgets, `wire()` binds their events."""
