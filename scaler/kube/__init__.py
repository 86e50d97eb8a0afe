"""The Kubernetes API and nothing else: requests, watches, events, and which kinds there are.

It knows neither triggers nor decisions. Objects are plain dicts as they stand on the wire.
"""
