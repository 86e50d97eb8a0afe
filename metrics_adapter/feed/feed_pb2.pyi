from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Hello(_message.Message):
    __slots__ = ("versions", "adapter")
    VERSIONS_FIELD_NUMBER: _ClassVar[int]
    ADAPTER_FIELD_NUMBER: _ClassVar[int]
    versions: _containers.RepeatedScalarFieldContainer[int]
    adapter: str
    def __init__(self, versions: _Optional[_Iterable[int]] = ..., adapter: _Optional[str] = ...) -> None: ...

class Batch(_message.Message):
    __slots__ = ("version", "changes", "complete")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    CHANGES_FIELD_NUMBER: _ClassVar[int]
    COMPLETE_FIELD_NUMBER: _ClassVar[int]
    version: int
    changes: _containers.RepeatedCompositeFieldContainer[Change]
    complete: bool
    def __init__(self, version: _Optional[int] = ..., changes: _Optional[_Iterable[_Union[Change, _Mapping]]] = ..., complete: _Optional[bool] = ...) -> None: ...

class Change(_message.Message):
    __slots__ = ("namespace", "object", "declared", "sample", "failure", "pinned", "replicas_changed", "forgotten")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    OBJECT_FIELD_NUMBER: _ClassVar[int]
    DECLARED_FIELD_NUMBER: _ClassVar[int]
    SAMPLE_FIELD_NUMBER: _ClassVar[int]
    FAILURE_FIELD_NUMBER: _ClassVar[int]
    PINNED_FIELD_NUMBER: _ClassVar[int]
    REPLICAS_CHANGED_FIELD_NUMBER: _ClassVar[int]
    FORGOTTEN_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    object: str
    declared: Declared
    sample: Sample
    failure: Failure
    pinned: Pinned
    replicas_changed: ReplicasChanged
    forgotten: Forgotten
    def __init__(self, namespace: _Optional[str] = ..., object: _Optional[str] = ..., declared: _Optional[_Union[Declared, _Mapping]] = ..., sample: _Optional[_Union[Sample, _Mapping]] = ..., failure: _Optional[_Union[Failure, _Mapping]] = ..., pinned: _Optional[_Union[Pinned, _Mapping]] = ..., replicas_changed: _Optional[_Union[ReplicasChanged, _Mapping]] = ..., forgotten: _Optional[_Union[Forgotten, _Mapping]] = ...) -> None: ...

class Declared(_message.Message):
    __slots__ = ("terms",)
    TERMS_FIELD_NUMBER: _ClassVar[int]
    terms: _containers.RepeatedCompositeFieldContainer[Terms]
    def __init__(self, terms: _Optional[_Iterable[_Union[Terms, _Mapping]]] = ...) -> None: ...

class Terms(_message.Message):
    __slots__ = ("metric", "freshness_ms", "interval_ms", "type")
    METRIC_FIELD_NUMBER: _ClassVar[int]
    FRESHNESS_MS_FIELD_NUMBER: _ClassVar[int]
    INTERVAL_MS_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    metric: str
    freshness_ms: int
    interval_ms: int
    type: str
    def __init__(self, metric: _Optional[str] = ..., freshness_ms: _Optional[int] = ..., interval_ms: _Optional[int] = ..., type: _Optional[str] = ...) -> None: ...

class Sample(_message.Message):
    __slots__ = ("metric", "value", "age_ms", "bound")
    METRIC_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    AGE_MS_FIELD_NUMBER: _ClassVar[int]
    BOUND_FIELD_NUMBER: _ClassVar[int]
    metric: str
    value: str
    age_ms: int
    bound: bool
    def __init__(self, metric: _Optional[str] = ..., value: _Optional[str] = ..., age_ms: _Optional[int] = ..., bound: _Optional[bool] = ...) -> None: ...

class Failure(_message.Message):
    __slots__ = ("metric", "reason", "message", "age_ms")
    METRIC_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    AGE_MS_FIELD_NUMBER: _ClassVar[int]
    metric: str
    reason: str
    message: str
    age_ms: int
    def __init__(self, metric: _Optional[str] = ..., reason: _Optional[str] = ..., message: _Optional[str] = ..., age_ms: _Optional[int] = ...) -> None: ...

class Pinned(_message.Message):
    __slots__ = ("metric",)
    METRIC_FIELD_NUMBER: _ClassVar[int]
    metric: str
    def __init__(self, metric: _Optional[str] = ...) -> None: ...

class ReplicasChanged(_message.Message):
    __slots__ = ("age_ms",)
    AGE_MS_FIELD_NUMBER: _ClassVar[int]
    age_ms: int
    def __init__(self, age_ms: _Optional[int] = ...) -> None: ...

class Forgotten(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class Metric(_message.Message):
    __slots__ = ("namespace", "object", "metric")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    OBJECT_FIELD_NUMBER: _ClassVar[int]
    METRIC_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    object: str
    metric: str
    def __init__(self, namespace: _Optional[str] = ..., object: _Optional[str] = ..., metric: _Optional[str] = ...) -> None: ...

class RefreshRequest(_message.Message):
    __slots__ = ("version", "metrics")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    METRICS_FIELD_NUMBER: _ClassVar[int]
    version: int
    metrics: _containers.RepeatedCompositeFieldContainer[Metric]
    def __init__(self, version: _Optional[int] = ..., metrics: _Optional[_Iterable[_Union[Metric, _Mapping]]] = ...) -> None: ...

class RefreshReply(_message.Message):
    __slots__ = ("version", "changes")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    CHANGES_FIELD_NUMBER: _ClassVar[int]
    version: int
    changes: _containers.RepeatedCompositeFieldContainer[Change]
    def __init__(self, version: _Optional[int] = ..., changes: _Optional[_Iterable[_Union[Change, _Mapping]]] = ...) -> None: ...
