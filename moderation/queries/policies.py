"""Which policy is in force, and policies by their hash."""

import json
from functools import cache
from pathlib import Path

from django.conf import settings

from governance.kernel.ids import uuid7
from moderation.kernel import bundles
from moderation.kernel.bundles import Bundle, BundleInvalid


def active_bundle() -> Bundle:
    """The policy that judges what begins now. Raises BundleInvalid: then nothing begins."""
    return shipped_bundle(Path(getattr(settings, "MODERATION_POLICY", bundles.DEFAULT)))


def bundle_by_hash(digest: str) -> Bundle:
    """The policy that a job began under. Needs no database, so that the engine can ask.

    Looks among the shipped policies and those activated on this machine. Raises BundleInvalid
    when it is not here: the job is then withheld, never judged under another policy.
    """
    active = active_bundle()
    if active.hash == digest:
        return active
    for folder in (bundles.POLICIES, activated_folder()):
        for path in sorted(folder.glob("*.json")):
            if path.stem == digest or folder == bundles.POLICIES:
                bundle = shipped_bundle(path)
                if bundle.hash == digest:
                    return bundle
    raise BundleInvalid(f"the policy {digest[:12]} is not on this machine")


def activated_folder() -> Path:
    """Where activated policies lie as ``<hash>.json``, for processes without a database."""
    return Path(settings.LICET_HOME) / "policies"


def keep_at_hand(bundle: Bundle) -> None:
    """Write ``bundle`` where processes without a database find it by its hash. Idempotent.

    So jobs that began under it can finish after another policy is in force.
    """
    folder = activated_folder()
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / f"{bundle.hash}.json"
    if not target.exists():
        partial = folder / f"{bundle.hash}.{uuid7()}.part"
        partial.write_text(json.dumps(bundle.document))
        partial.replace(target)


def shipped_bundle(path: Path) -> Bundle:
    """The bundle in ``path``, read again whenever the file changes."""
    try:
        stat = path.stat()
    except OSError as failure:
        raise BundleInvalid(f"the policy file {path} cannot be read: {failure}") from failure
    return _read(path, stat.st_mtime_ns, stat.st_size)


@cache
def _read(path: Path, _mtime_ns: int, _size: int) -> Bundle:
    return bundles.read(path)
