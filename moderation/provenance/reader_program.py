"""Reads content credentials: of our own bytes in the process, of a stranger's in one of its own.

Run as ``python -I`` by ``moderation.operations.verification``: standard input is a line of JSON with the
media type and the trusted roots (PEM), then the file; the answer is JSON on standard output. Has no
Django and no network use, and limits that the kernel keeps. Imports nothing of the house.
"""

import io
import json
import resource
import sys
from typing import Any

import c2pa

MEMORY_LIMIT = 1 << 30
SECONDS_LIMIT = 10
NONE = "none"


def settings(roots: str) -> dict[str, Any]:
    """The C2PA library's settings: trust these roots, ask nobody on the network."""
    return {
        "version": 1,
        "verify": {
            "verify_trust": True,
            "verify_after_sign": False,
            "remote_manifest_fetch": False,
            "ocsp_fetch": False,
        },
        "trust": {"user_anchors": roots},
        "builder": {"thumbnail": {"enabled": False}},
    }


def credentials_of(data: bytes, media_type: str, roots: str) -> dict[str, Any]:
    """What the file's active manifest says, and whether it holds; ``state`` none where it has none.

    ``state`` is trusted, valid (signed by a stranger) or invalid; ``failures`` are C2PA's own codes.
    """
    context = c2pa.Context(c2pa.Settings.from_dict(settings(roots)))
    try:
        reader = c2pa.Reader(media_type, io.BytesIO(data), context=context)
    except c2pa.C2paError.ManifestNotFound:
        return {"state": NONE}
    with reader:
        manifest = reader.get_active_manifest() or {}
        results = (reader.get_validation_results() or {}).get("activeManifest") or {}
        return {
            "state": str(reader.get_validation_state()).lower(),
            "manifest": str(manifest.get("label", "")),
            "serial": str(manifest.get("signature_info", {}).get("cert_serial_number", "")),
            "issuer": str(manifest.get("signature_info", {}).get("issuer", "")),
            "passed": [entry["code"] for entry in results.get("success", [])],
            "failures": [entry["code"] for entry in results.get("failure", [])],
            "assertions": {
                entry["label"]: entry.get("data") for entry in manifest.get("assertions", [])
            },
        }


def main() -> int:
    """The exit code: 0 with an answer on standard output, or 3."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_LIMIT, MEMORY_LIMIT))
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS_LIMIT, SECONDS_LIMIT))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    head, _, data = sys.stdin.buffer.read().partition(b"\n")
    asked = json.loads(head)
    try:
        answer = credentials_of(data, asked["media_type"], asked["roots"])
    except Exception:  # noqa: BLE001 (whatever the parser says of a stranger's file: not readable)
        return 3
    sys.stdout.write(json.dumps(answer))
    return 0


if __name__ == "__main__":
    sys.exit(main())
