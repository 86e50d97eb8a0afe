"""The imperative shell: what watches, reads, decides (by asking the core) and writes."""
