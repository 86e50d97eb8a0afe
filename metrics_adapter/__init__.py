"""The external-metrics API: what the HPA asks, and whom it believes."""
