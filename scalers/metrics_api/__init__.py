"""The `metrics-api` trigger: a number somewhere in what a URL answers (facts 9).

metadata.py   the keys, and what is asked
formats.py    the number in an answer: JSON, YAML, XML, Prometheus' text
yaml_tree.py  YAML as a tree that no document can make explode
xml_tree.py   XML likewise
scaler.py     the trigger
"""

from scalers.metrics_api.scaler import MetricsApi

__all__ = ["MetricsApi"]
