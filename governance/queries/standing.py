"""How organizations stand to the licence, decided from the facts in the database."""

from datetime import datetime
from uuid import UUID

from governance.kernel.errors import NotFound
from governance.licensing.decision import decide_standing
from governance.licensing.standing import Standing
from governance.models import TermsVersion
from governance.queries.facts import licence_facts
from governance.queries.terms import as_terms, terms_in_force


def standing_of(
    organization_id: UUID, *, at: datetime, version: TermsVersion | None = None
) -> Standing:
    """The standing of one organization at ``at``, from the facts. Raises NotFound.

    ``version``: the terms in force at ``at``, from a caller who has read them.
    """
    standings_by_id = standings(at, organization_ids=[organization_id], version=version)
    if organization_id not in standings_by_id:
        raise NotFound("There is no such organization.")
    return standings_by_id[organization_id]


def standings(
    at: datetime, *, organization_ids: list[UUID] | None = None, version: TermsVersion | None = None
) -> dict[UUID, Standing]:
    """The standings of these organizations (None: all) in a fixed number of queries."""
    version = version or terms_in_force(at)
    terms = as_terms(version)
    facts = licence_facts(organization_ids, version=version, at=at)
    return {id_: decide_standing(found, terms, at) for id_, found in facts.items()}
