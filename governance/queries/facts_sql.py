"""The one statement that reads every kind of fact; the kinds differ in their columns, so each row is JSON."""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection

# By kind: whose it is (a pool, an organization, or NULL: everybody's) and what it says. {of_pools} and
# {of_organizations} narrow a kind to those that are asked for; where all are asked for they say nothing.
KINDS = {
    "seats": """
        SELECT pool_id, jsonb_build_object('used', count(*)) FROM governance_seat
        WHERE claimed_at <= %(at)s AND (released_at IS NULL OR released_at > %(at)s) {of_pools}
        GROUP BY pool_id""",
    # The slope is seats a day by least squares, computed where the daily lines lie.
    "days": """
        SELECT pool_id, jsonb_build_object(
            'peak', max(peak) FILTER (WHERE day >= %(peak_since)s),
            'per_day', regr_slope(used, day - DATE '2000-01-01'))
        FROM governance_seat_snapshot
        WHERE day > %(trend_since)s AND day <= %(today)s {of_pools} GROUP BY pool_id""",
    "invitations": """
        SELECT organization_id, jsonb_build_object('pending', count(*)) FROM governance_invitation
        WHERE accepted_at IS NULL AND revoked_at IS NULL
            AND created_at <= %(at)s AND expires_at > %(at)s {of_organizations}
        GROUP BY organization_id""",
    "attestation": """
        SELECT organization_id, jsonb_build_object('id', id, 'signed_at', signed_at,
            'expires_at', expires_at, 'bracket', bracket, 'amount', amount_microusd)
        FROM governance_attestation WHERE true {of_organizations}""",
    "contract": """
        SELECT organization_id, jsonb_build_object('id', id, 'starts_at', starts_at,
            'ends_at', ends_at, 'seats', seats, 'features', features)
        FROM governance_enterprise_contract WHERE true {of_organizations}""",
    "breach": """
        SELECT organization_id, jsonb_build_object('id', id, 'discovered_at', discovered_at,
            'clause', clause, 'reinstated_at', reinstated_at)
        FROM governance_breach
        WHERE organization_id IS NULL OR (true {of_organizations})""",
    # Accepted is who accepted both documents of the terms in force: the later of the two moments.
    "acceptance": """
        SELECT organization_id, jsonb_build_object('accepted_at', CASE
            WHEN bool_or(document_id = %(licence)s) AND bool_or(document_id = %(policy)s)
            THEN greatest(min(accepted_at) FILTER (WHERE document_id = %(licence)s),
                          min(accepted_at) FILTER (WHERE document_id = %(policy)s)) END)
        FROM governance_acceptance WHERE for_organization {of_organizations}
        GROUP BY organization_id""",
    "notice": """
        SELECT NULL::uuid, jsonb_build_object('id', id, 'received_at', received_at, 'ends_at', ends_at)
        FROM governance_termination_notice WHERE withdrawn_at IS NULL AND release_id IS NULL""",
    "host": """
        SELECT NULL::uuid, jsonb_build_object(
            'halted_since', (SELECT engaged_at FROM governance_kill_switch WHERE id = 1),
            'due_since', (SELECT min(effective_from) FROM governance_terms_version
                          WHERE licence_id = %(licence)s AND policy_id = %(policy)s))""",
}
OF_POOLS = "AND pool_id = ANY(%(pools)s)"
OF_ORGANIZATIONS = "AND organization_id = ANY(%(organizations)s)"


@dataclass(frozen=True)
class Found:
    """One fact as it was read; ``owner`` is None where it is everybody's."""

    kind: str
    owner: UUID | None
    says: dict[str, Any]

    @property
    def whose(self) -> UUID:
        """The owner of a fact that has one."""
        assert self.owner is not None, f"{self.kind} is somebody's"
        return self.owner

    def moment(self, name: str) -> datetime:
        """A moment that is always there."""
        return datetime.fromisoformat(self.says[name])

    def moment_or_none(self, name: str) -> datetime | None:
        """A moment that may be missing."""
        return self.moment(name) if self.says[name] is not None else None


def read_found(values: dict[str, Any], *, everyone: bool) -> list[Found]:
    """Every fact of ``values``' pools and organizations (``everyone``: of all), in one query."""
    with connection.cursor() as cursor:
        cursor.execute(statement(everyone=everyone), values)
        return [Found(kind, owner, json.loads(says)) for kind, owner, says in cursor.fetchall()]


def statement(*, everyone: bool) -> str:
    """All kinds, one below the other."""
    narrowed = {
        "of_pools": "" if everyone else OF_POOLS,
        "of_organizations": "" if everyone else OF_ORGANIZATIONS,
    }
    return "\nUNION ALL\n".join(
        f"SELECT '{kind}', fact.* FROM ({sql.format(**narrowed)}) AS fact (owner, says)"  # noqa: S608 (our own words)
        for kind, sql in KINDS.items()
    )
