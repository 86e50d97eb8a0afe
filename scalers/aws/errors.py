"""What the failures of an AWS call mean to a trigger."""

import re

from botocore import exceptions as aws

from scalers.aws.threads import Abandoned
from scalers.aws.transport import AddressRefused, AnswerTooLong
from scalers.http.scrub import Scrubber
from scalers.sdk import InvalidMetadata, NotFound, ScalerError, Unauthorized, Unavailable

__all__ = ["meaning"]

_MISSING = frozenset(
    {
        "QueueDoesNotExist",
        "AWS.SimpleQueueService.NonExistentQueue",
        "ResourceNotFoundException",
    }
)
_UNAUTHORIZED = frozenset(
    {
        "AccessDenied",
        "AccessDeniedException",
        "AuthFailure",
        "ExpiredToken",
        "ExpiredTokenException",
        "IncompleteSignature",
        "IncompleteSignatureException",
        "InvalidAccessKeyId",
        "InvalidClientTokenId",
        "InvalidIdentityToken",
        "InvalidSecurity",
        "InvalidSignatureException",
        "MissingAuthenticationToken",
        "MissingAuthenticationTokenException",
        "NotAuthorized",
        "OptInRequired",
        "RequestExpired",
        "SignatureDoesNotMatch",
        "UnauthorizedOperation",
        "UnrecognizedClientException",
    }
)
_THROTTLED = frozenset(
    {
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestThrottledException",
        "SlowDown",
        "Throttling",
        "ThrottledException",
        "ThrottlingException",
        "TooManyRequestsException",
    }
)
_WRONG = frozenset(
    {
        "AWS.SimpleQueueService.UnsupportedOperation",
        "InvalidAddress",
        "InvalidAttributeName",
        "InvalidParameterValue",
        "UnsupportedOperation",
    }
)
# How some servers that stand in for AWS refuse, though they were asked in JSON.
_XML = re.compile(r"<Code>([^<]*)</Code>\s*<Message>([^<]*)</Message>")
_FAILED: tuple[tuple[type[Exception], type[ScalerError], str], ...] = (
    # Exception, what it is to a trigger, in which words. The first that fits counts.
    (Abandoned, Unavailable, "the read was given up"),
    (AddressRefused, InvalidMetadata, "{error}"),
    (AnswerTooLong, Unavailable, "the answer is far too long for AWS"),
    (aws.EndpointConnectionError, Unavailable, "cannot connect: {cause}"),
    (aws.ConnectTimeoutError, Unavailable, "cannot connect in time"),
    (aws.ReadTimeoutError, Unavailable, "no answer in time"),
    (aws.ConnectionClosedError, Unavailable, "the connection broke off: {cause}"),
    (aws.SSLError, Unavailable, "TLS fails: {cause}"),
    (aws.ProxyConnectionError, Unavailable, "cannot connect to the proxy"),
    (aws.HTTPClientError, Unavailable, "{cause}"),
    (
        aws.NoCredentialsError,
        Unauthorized,
        "Tidegate itself has no AWS credentials: give it a role, or the trigger keys",
    ),
    (aws.PartialCredentialsError, Unauthorized, "no credentials: {error}"),
    (aws.CredentialRetrievalError, Unauthorized, "no credentials: {error}"),
    (aws.TokenRetrievalError, Unauthorized, "no credentials: {error}"),
    (aws.SSOError, Unauthorized, "no credentials: {error}"),
    (aws.ProfileNotFound, Unauthorized, "no credentials: {error}"),
    (aws.InvalidConfigError, Unauthorized, "no credentials: {error}"),
    (aws.InvalidRegionError, InvalidMetadata, "{error}"),
    (aws.EndpointProviderError, InvalidMetadata, "{error}"),
    (aws.ParamValidationError, InvalidMetadata, "{error}"),
    (Exception, Unavailable, "{kind}: {error}"),
)
_NO_CONNECTION = (
    Abandoned,
    aws.EndpointConnectionError,
    aws.ConnectTimeoutError,
    aws.ReadTimeoutError,
    aws.ConnectionClosedError,
    aws.SSLError,
    aws.ProxyConnectionError,
)
"""Nothing answers at all, so nothing would answer the Source's other triggers either."""


def meaning(error: Exception, *, where: str, what: str, scrubber: Scrubber) -> ScalerError:
    """The ScalerError of a failed call to `where` about `what`, such as a queue."""
    if isinstance(error, aws.ClientError):
        return _refused(error, where, what, scrubber)
    become, words = next((become, words) for kind, become, words in _FAILED if isinstance(error, kind))
    text = words.format(
        error=scrubber.clean(str(error)), cause=scrubber.clean(_cause(error)), kind=type(error).__name__
    )
    found = become(f"{where}: {text}")
    found.connection = isinstance(error, _NO_CONNECTION)
    return found


def _refused(error: aws.ClientError, where: str, what: str, scrubber: Scrubber) -> ScalerError:
    """An answer, but an error."""
    answer = error.response
    code = str(answer.get("Error", {}).get("Code", ""))
    status = int(answer.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    message = str(answer.get("Error", {}).get("Message", ""))
    if xml := _XML.search(message):
        code, message = xml.groups()
    text = scrubber.clean(": ".join(filter(None, (code, message))))
    if error.operation_name.startswith("AssumeRole"):
        where = f"{where}: the role cannot be assumed"
    if code in _MISSING:
        return NotFound(f"{where}: {what} does not exist in this region and account, for these credentials")
    if code in _THROTTLED:
        return Unavailable(f"{where}: asked too often: {text}")
    if code in _UNAUTHORIZED or status in {401, 403}:
        return Unauthorized(f"{where}: {what}: {text}")
    if code in _WRONG:
        return InvalidMetadata(f"{where}: {what}: {text}")
    if 300 <= status < 400:
        return Unavailable(f"{where}: it answers with a redirect ({status}), which is not followed")
    return Unavailable(f"{where}: {what}: {text or 'an error without a name'} (status {status})")


def _cause(error: Exception) -> str:
    """What a library of botocore's said, without the URL and the objects that urllib3 shows."""
    cause = getattr(error, "kwargs", {}).get("error")
    while isinstance(cause, Exception) and len(cause.args) > 1 and isinstance(cause.args[1], Exception):
        cause = cause.args[1]
    text = str(cause).rpartition("object at ")[2].partition(">: ")[2] or str(cause)
    return text or type(cause).__name__
