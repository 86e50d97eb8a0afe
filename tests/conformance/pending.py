"""What no issue has built yet. A record of one of these is skipped as `not built yet: <name>`, no other is.

An issue that builds something takes it out of the list; the last one to do so deletes this file.
"""

from collections.abc import Iterator, Mapping
from typing import Any

__all__ = ["NOT_BUILT", "reason"]

NOT_BUILT: tuple[str, ...] = (
    # Trigger types.
    "activemq",
    "apache-kafka",
    "arangodb",
    "artemis-queue",
    "aws-cloudwatch",
    "aws-dynamodb",
    "aws-dynamodb-streams",
    "aws-kinesis-stream",
    "azure-app-insights",
    "azure-blob",
    "azure-data-explorer",
    "azure-eventhub",
    "azure-log-analytics",
    "azure-monitor",
    "azure-pipelines",
    "azure-queue",
    "azure-servicebus",
    "beanstalkd",
    "cassandra",
    "couchdb",
    "datadog",
    "dynatrace",
    "elastic-forecast",
    "elasticsearch",
    "etcd",
    "external",
    "external-mock",
    "external-push",
    "forgejo-runner",
    "gcp-cloudtasks",
    "gcp-pubsub",
    "gcp-stackdriver",
    "gcp-storage",
    "github-runner",
    "graphite",
    "huawei-cloudeye",
    "ibmmq",
    "influxdb",
    "kafka",
    "kubernetes-resource",
    "liiklus",
    "loki",
    "mongodb",
    "mssql",
    "mysql",
    "nats-jetstream",
    "new-relic",
    "nsq",
    "opensearch",
    "openstack-metric",
    "openstack-swift",
    "postgresql",
    "predictkube",
    "pulsar",
    "selenium-grid",
    "solace-direct-messaging",
    "solace-event-queue",
    "solarwinds",
    "solr",
    "splunk",
    "splunk-observability",
    "sumologic",
    "temporal",
)


def reason(stem: str, given: Mapping[str, Any]) -> str | None:
    """Why a record with this input cannot run yet, or None."""
    for name in (stem, *_trigger_types(given)):
        if name in NOT_BUILT:
            return f"not built yet: {name}"
    return None


def _trigger_types(given: Mapping[str, Any]) -> Iterator[str]:
    if isinstance(given.get("type"), str):
        yield given["type"]
    manifest = given.get("manifest")
    spec = manifest.get("spec") if isinstance(manifest, Mapping) else None
    triggers = spec.get("triggers") if isinstance(spec, Mapping) else None
    for trigger in triggers if isinstance(triggers, list) else ():
        if isinstance(trigger, Mapping) and isinstance(trigger.get("type"), str):
            yield trigger["type"]
