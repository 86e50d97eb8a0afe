"""The controller and the embedded cluster."""
