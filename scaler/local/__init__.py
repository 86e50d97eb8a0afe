"""The embedded cluster: an in-memory API server, its controllers, and pods as local processes."""
