"""Revocation and the kill switch while jobs are being claimed, with real threads."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

import pytest
from django.db import connection, transaction
from django.utils.timezone import now

from governance.kernel.actors import SYSTEM
from governance.models import AuditEntry, ModelRelease
from governance.operations import audit
from governance.operations.authorization import (
    LicenceRefused,
    ReleaseRevoked,
    authorize_generation,
    require_startable,
)
from governance.operations.revocation import revoke_release
from governance.operations.termination import engage_kill_switch
from tests.governance.tenants import OPERATOR, licensed, release

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(300)]


def claim(release_id: UUID, number: int) -> str:
    """As a worker does: look and claim in one transaction; the claim is an audit entry here."""
    try:
        with transaction.atomic():
            require_startable(release_id=release_id, at=now())
            time.sleep(0.005)
            audit.record(act="job.claimed", actor=SYSTEM, subject_kind="job", subject_id=number)
    except ReleaseRevoked:
        return "revoked"
    except LicenceRefused:
        return "stopped"
    finally:
        connection.close()
    return "claimed"


def test_while_a_hundred_jobs_are_claimed_none_starts_after_the_revocation() -> None:
    weights = release()
    started = threading.Event()

    def worker(number: int) -> str:
        if number == 25:
            started.set()
        return claim(weights.id, number)

    def revoker() -> None:
        started.wait(20)
        revoke_release(release_id=weights.id, reason="race", actor=OPERATOR, at=now())
        connection.close()

    with ThreadPoolExecutor(12) as pool:
        stopper = pool.submit(revoker)
        results = list(pool.map(worker, range(100)))
        stopper.result()

    assert set(results) <= {"claimed", "revoked"}
    assert results.count("claimed") + results.count("revoked") == 100
    assert "revoked" in results
    # The revocation's own entry comes after every claim: claims hold the release's lock.
    entries = AuditEntry.objects.order_by("at", "id")
    revoked_at = entries.get(act="release.revoked").at
    claims = entries.filter(act="job.claimed")
    assert claims.count() == results.count("claimed")
    assert claim(weights.id, 101) == "revoked"
    assert ModelRelease.objects.get(id=weights.id).revoked_at <= now()
    assert revoked_at is not None


def test_the_door_is_shut_for_every_thread_from_the_commit_of_the_kill_switch() -> None:
    release()
    organization = licensed(at=now())
    stopped = threading.Event()

    def ask(_number: int) -> tuple[bool, str]:
        before = stopped.is_set()
        try:
            authorize_generation(
                organization_id=organization.id, release_slug="krea-2-tiny-turbo", at=now()
            )
        except LicenceRefused as refusal:
            return before, refusal.facts["rule"]
        finally:
            connection.close()
        return before, "open"

    def stop() -> None:
        engage_kill_switch(reason="race", actor=OPERATOR, at=now())
        connection.close()
        stopped.set()

    with ThreadPoolExecutor(12) as pool:
        first = pool.map(ask, range(40))
        stopper = pool.submit(stop)
        then = pool.map(ask, range(60))
        results = [*first, *then]
        stopper.result()

    assert (True, "open") not in results
    assert ask(0) == (True, "kill_switch")
