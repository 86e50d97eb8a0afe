"""The `prometheus` trigger: the number that a PromQL query answers (facts 6).

metadata.py  the keys, and what is asked
answer.py    what the answer means
scaler.py    the trigger
"""

from scalers.prometheus.scaler import Prometheus

__all__ = ["Prometheus"]
