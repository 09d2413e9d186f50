"""Where blobs are kept, from LICET_STORAGE: a folder of this machine, or a bucket of an S3 service."""

from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

BUCKET = "s3://"
# Seconds; a bucket that does not answer must not hold a request or a worker.
CONNECT_S, READ_S, ATTEMPTS = 5, 30, 3


def blob_store(
    address: str, *, default: Path, endpoint: str = "", region: str = ""
) -> dict[str, Any]:
    """Django's STORAGES entry for ``address``: empty for ``default``, a folder, or s3://bucket/prefix.

    Credentials are found as every AWS client finds them: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, a
    profile, or the machine's role. Raises ValueError for an address of another kind, for a bucket
    without a name, and where django-storages is not installed.
    """
    if not address.startswith(BUCKET):
        if "://" in address:
            raise ValueError(f"LICET_STORAGE is a folder or s3://bucket/prefix, not {address}")
        folder = {"location": str(Path(address) if address else default)}
        return {"BACKEND": "django.core.files.storage.FileSystemStorage", "OPTIONS": folder}
    parts = urlsplit(address)
    if not parts.netloc:
        raise ValueError("LICET_STORAGE names no bucket: s3://bucket/prefix")
    if find_spec("storages") is None:
        raise ValueError("LICET_STORAGE names a bucket: install licet with its extra s3")
    return {
        "BACKEND": "storages.backends.s3.S3Storage",
        "OPTIONS": bucket_options(parts.netloc, parts.path.strip("/"), endpoint, region),
    }


def bucket_options(bucket: str, prefix: str, endpoint: str, region: str) -> dict[str, Any]:
    """Options of django-storages: private objects, never overwritten, never addressed directly."""
    from botocore.config import Config  # noqa: PLC0415 (an extra that a folder does not need)

    return {
        "bucket_name": bucket,
        "location": prefix,
        "endpoint_url": endpoint or None,
        "region_name": region or None,
        # As the file system does: a name that is taken gets another one.
        "file_overwrite": False,
        # The bucket's own; many services know no other.
        "default_acl": None,
        "client_config": Config(
            connect_timeout=CONNECT_S,
            read_timeout=READ_S,
            retries={"max_attempts": ATTEMPTS, "mode": "standard"},
        ),
    }
