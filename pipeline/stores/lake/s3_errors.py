"""What an object store refuses, in words that tell an operator what to do."""

from __future__ import annotations

from botocore.exceptions import BotoCoreError, ClientError
from s3fs.core import S3_RETRYABLE_ERRORS

from pipeline.errors import DamagedError, NightjarError, UnavailableError

FAILURES: tuple[type[BaseException], ...] = (OSError, BotoCoreError, *S3_RETRYABLE_ERRORS)
"""What s3fs raises: most answers of the store as an OSError, the rest as those below it do."""

_RIGHTS = (
    "the object store does not let this user do that",
    "give it the rights of docs/deployment.md for the lake's prefix; HEAD tells no reason, so look at the keys too",
)
_KEYS = (
    "the object store does not accept the credentials",
    "correct what AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AWS_PROFILE or the machine's role give",
)
_REGION = (
    "the bucket is in another region",
    "set AWS_REGION or AWS_DEFAULT_REGION to that of the bucket",
)
_OVERTAKEN = ("somebody else replaced or removed the object meanwhile", "try again")
_PROBLEMS = {
    "NoSuchBucket": ("there is no such bucket", "create it, or correct NIGHTJAR_LAKE and AWS_ENDPOINT_URL"),
    "ParamValidationError": ("no bucket can have this name", "correct NIGHTJAR_LAKE"),
    "AccessDenied": _RIGHTS,
    "AllAccessDisabled": _RIGHTS,
    "403": _RIGHTS,
    "InvalidAccessKeyId": _KEYS,
    "InvalidToken": _KEYS,
    "PartialCredentialsError": _KEYS,
    "ProfileNotFound": _KEYS,
    "SignatureDoesNotMatch": _KEYS,
    "AuthorizationHeaderMalformed": _REGION,
    "PermanentRedirect": _REGION,
    "301": _REGION,
    "NotImplemented": (
        "the object store lacks what a lake needs",
        "use one with conditional writes (If-None-Match), as docs/deployment.md says",
    ),
    "NoCredentialsError": (
        "no credentials for the object store were found",
        "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give the machine a role; for a role, try again",
    ),
    "ExpiredToken": ("the credentials for the object store have expired", "renew them, then try again"),
    "RequestTimeTooSkewed": ("this machine's clock is wrong", "set it right, then try again"),
    "ConditionalRequestConflict": _OVERTAKEN,
    "PreconditionFailed": _OVERTAKEN,
}
_UNKNOWN = (
    "the object store does not answer as it should",
    "see whether it is up and can be reached from here (AWS_ENDPOINT_URL, if it is not AWS), then try again",
)


def code_of(error: BaseException) -> str:
    """The code of the store's answer behind an error, such as ``NoSuchBucket``; else the name of the error's class."""
    behind: BaseException | None = error
    while behind is not None:
        if isinstance(behind, ClientError):
            return str(behind.response["Error"].get("Code"))
        behind = behind.__cause__
    return type(error).__name__


def explain_failure(error: BaseException, url: str) -> NightjarError | None:
    """The error for what s3fs raised over the object, or the prefix, at ``url``.

    Returns:
        DamagedError where bytes are not those that were put, and else UnavailableError, since a person may mend rights,
        keys and buckets while a night tries again; None where there just is no such object.
    """
    code = code_of(error)
    if code == "FlexibleChecksumError":
        return DamagedError(
            f"an object is not what was put: {url}", found=str(error), next_step="restore it from a backup of the lake"
        )
    if isinstance(error, FileNotFoundError) and code != "NoSuchBucket":
        return None
    problem, next_step = _PROBLEMS.get(code, _UNKNOWN)
    return UnavailableError(f"{problem}: {url}", found=f"{code}: {error}", next_step=next_step)
