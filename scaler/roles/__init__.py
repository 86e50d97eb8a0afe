"""Processes that share the work: controllers of which one leads, and adapters that it feeds. Each module builds one role."""
