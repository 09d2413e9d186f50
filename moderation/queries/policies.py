"""Which policy is in force, and policies by their hash."""

import json
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from uuid import UUID

from django.conf import settings
from django.db import DatabaseError

from governance.kernel.canonical import sha256_hex
from governance.kernel.ids import uuid7
from moderation.kernel import bundles
from moderation.kernel.bundles import Bundle, BundleInvalid
from moderation.models import Policy, PolicyActivation

# How long a process may go on with the policy it read: an activation holds everywhere after this.
FRESH_FOR_S = 2.0
MILLI = 1000
POINTER = "live"
_read_at: tuple[float, "InForce"] | None = None


@dataclass(frozen=True)
class InForce:
    """The live policy, and beside it one on trial: canary for a share of jobs, shadow for none."""

    live: Bundle
    canary: Bundle | None = None
    canary_share_milli: int = 0
    shadow: Bundle | None = None

    def for_job(self, job_id: UUID) -> Bundle:
        """The policy that judges this job: the canary for its share, chosen by the job's id."""
        if self.canary is not None:
            place = int(sha256_hex(job_id.bytes)[:8], 16) % MILLI
            if place < self.canary_share_milli:
                return self.canary
        return self.live


def in_force() -> InForce:
    """What judges now. Raises BundleInvalid: then nothing begins.

    A file named by the operator (MODERATION_POLICY) goes before the database; where neither names
    one, the shipped policy is in force. Read again every two seconds.
    """
    global _read_at  # noqa: PLW0603 (one small cache per process)
    pinned = getattr(settings, "MODERATION_POLICY", None)
    if pinned:
        return InForce(shipped_bundle(Path(pinned)))
    if _read_at is None or time.monotonic() - _read_at[0] > FRESH_FOR_S:
        _read_at = (time.monotonic(), _from_database())
    return _read_at[1]


def active_bundle() -> Bundle:
    """The live policy. Raises BundleInvalid."""
    return in_force().live


def forget() -> None:
    """Read the policy in force anew at the next question."""
    global _read_at  # noqa: PLW0603 (one small cache per process)
    _read_at = None


def _from_database() -> InForce:
    try:
        live = _latest("live")
        canary, shadow = _latest("canary"), _latest("shadow")
    except DatabaseError as failure:
        raise BundleInvalid(f"the policy in force cannot be read: {failure}") from failure
    if live is None:
        return InForce(shipped_bundle(bundles.DEFAULT))
    return InForce(
        live=policy_bundle(live.policy),
        canary=policy_bundle(canary.policy) if canary else None,
        canary_share_milli=canary.share_milli if canary else 0,
        shadow=policy_bundle(shadow.policy) if shadow else None,
    )


def _latest(mode: str) -> PolicyActivation | None:
    """The latest activation of a mode; a trial ends with the next ``end`` or live activation."""
    found = PolicyActivation.objects.select_related("policy").order_by("-at", "-id")
    latest = found.filter(mode=mode).first()
    if latest is None or mode == "live":
        return latest
    ended = found.filter(mode__in=("end", "live")).first()
    over = ended is not None and (ended.at, ended.id) > (latest.at, latest.id)
    return None if over else latest


def policy_bundle(policy: Policy) -> Bundle:
    """The bundle of a row, checked against the hash that names it. Raises BundleInvalid."""
    bundle = bundles.parse(policy.document)
    if bundle.hash != policy.hash:
        raise BundleInvalid(f"policy {policy.version} is not the one that its hash names")
    return bundle


def bundle_at_hand() -> Bundle:
    """The live policy as far as this machine knows, without a database: for the engine's self-test.

    Raises BundleInvalid.
    """
    pinned = getattr(settings, "MODERATION_POLICY", None)
    if pinned:
        return shipped_bundle(Path(pinned))
    pointer = activated_folder() / POINTER
    if pointer.exists():
        return bundle_by_hash(pointer.read_text().strip())
    return shipped_bundle(bundles.DEFAULT)


def bundle_by_hash(digest: str) -> Bundle:
    """The policy that a job began under. Needs no database, so that the engine can ask.

    Looks among the shipped policies and those activated on this machine. Raises BundleInvalid
    when it is not here: the job is then withheld, never judged under another policy.
    """
    places = [activated_folder() / f"{digest}.json", *sorted(bundles.POLICIES.glob("*.json"))]
    pinned = getattr(settings, "MODERATION_POLICY", None)
    if pinned:
        places.insert(0, Path(pinned))
    for path in places:
        if path.exists():
            bundle = shipped_bundle(path)
            if bundle.hash == digest:
                return bundle
    raise BundleInvalid(f"the policy {digest[:12]} is not on this machine")


def activated_folder() -> Path:
    """Where activated policies lie as ``<hash>.json``, for processes without a database."""
    return Path(settings.LICET_HOME) / "policies"


def keep_at_hand(bundle: Bundle, *, live: bool = False) -> None:
    """Write ``bundle`` where processes without a database find it by its hash. Idempotent.

    So jobs that began under it can finish after another policy is in force.
    """
    folder = activated_folder()
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / f"{bundle.hash}.json"
    if not target.exists():
        _replace(target, json.dumps(bundle.document))
    pointer = folder / POINTER
    if live and (not pointer.exists() or pointer.read_text() != bundle.hash):
        _replace(pointer, bundle.hash)


def _replace(target: Path, text: str) -> None:
    partial = target.with_name(f"{target.name}.{uuid7()}.part")
    partial.write_text(text)
    partial.replace(target)


def shipped_bundle(path: Path) -> Bundle:
    """The bundle in ``path``, read again whenever the file changes. Raises BundleInvalid."""
    try:
        stat = path.stat()
    except OSError as failure:
        raise BundleInvalid(f"the policy file {path} cannot be read: {failure}") from failure
    return _read(path, stat.st_mtime_ns, stat.st_size)


@cache
def _read(path: Path, _mtime_ns: int, _size: int) -> Bundle:
    return bundles.read(path)


def item_titles(digest: str) -> dict[str, str]:
    """The titles of a policy's items by their number; empty where the policy is not here."""
    try:
        return {key: item.title for key, item in bundle_by_hash(digest).items.items()}
    except BundleInvalid:
        return {}
