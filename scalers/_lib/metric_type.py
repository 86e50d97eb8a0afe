"""A trigger's `metricType`: how the HPA compares an external metric with its target (KEDA's rule)."""

__all__ = ["DEFAULT", "external_metric_type"]

DEFAULT = "AverageValue"


def external_metric_type(text: str) -> str:
    """The metric type of an external metric: `AverageValue` where none is given, any other text as it is.

    Raises ValueError for Utilization, which only resource metrics (cpu, memory) have. Unknown words pass,
    since it is the API server that refuses the HPA made from them.
    """
    if text == "Utilization":
        raise ValueError("Utilization is not possible for an external metric; write AverageValue or Value")
    return text or DEFAULT
