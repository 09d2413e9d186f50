"""Triggers that mark decided standings as stale in the transaction that changes a fact.

A decided standing remembers the epochs that it read before it read the facts. Each change of a fact
counts the epoch of the organizations concerned, or of the host, up. A standing whose epochs are not
the present ones is not used. So no write can leave a stale answer behind, from whichever program
it comes, and no cache has to be told.
"""

import pgtrigger

ANY = pgtrigger.Insert | pgtrigger.Update | pgtrigger.Delete

# The organizations that share seats and revenue with one, locked in one order against deadlock.
_COUNT_UP = """
    UPDATE governance_organization SET facts_epoch = facts_epoch + 1 WHERE id IN (
        SELECT o.id FROM governance_organization o WHERE {which} ORDER BY o.id FOR NO KEY UPDATE
    );
"""
_OF_ORGANIZATION = _COUNT_UP.format(
    which="""o.id = COALESCE(NEW.organization_id, OLD.organization_id) OR o.group_id = (
            SELECT group_id FROM governance_organization
            WHERE id = COALESCE(NEW.organization_id, OLD.organization_id))"""
)
_OF_POOL = _COUNT_UP.format(
    which="""COALESCE(NEW.pool_id, OLD.pool_id) IN (o.id, o.group_id)
            OR OLD.pool_id IN (o.id, o.group_id)"""
)
_OF_GROUPS = _COUNT_UP.format(which="o.id = NEW.id OR o.group_id IN (OLD.group_id, NEW.group_id)")
_OF_HOST = "UPDATE governance_kill_switch SET epoch = epoch + 1 WHERE id = 1;"
_END = "RETURN NULL;"


def _after(name: str, func: str, **options: object) -> pgtrigger.Trigger:
    chosen = {"operation": ANY, **options}
    return pgtrigger.Trigger(name=name, when=pgtrigger.After, func=func + _END, **chosen)


organization_facts_changed = _after("facts_changed", _OF_ORGANIZATION)
# That somebody was active is no fact of the standing: it must not make every kept one stale.
_SEAT_FACTS = pgtrigger.UpdateOf(  # type: ignore[no-untyped-call]
    "pool_id", "person", "organization_id", "claimed_at", "released_at"
)
seats_changed = _after(
    "facts_changed",
    _OF_POOL,
    operation=pgtrigger.Insert | _SEAT_FACTS | pgtrigger.Delete,
)
host_facts_changed = _after("host_facts_changed", _OF_HOST)
breach_changed = _after(
    "facts_changed",
    f"""
    IF COALESCE(NEW.organization_id, OLD.organization_id) IS NULL THEN
        {_OF_HOST}
    ELSE
        {_OF_ORGANIZATION}
    END IF;
    """,
)
group_changed = _after(
    "facts_changed",
    _OF_GROUPS,
    operation=pgtrigger.Update,
    condition=pgtrigger.AnyChange("group", "needs", "joined_group_at"),
)
switch_changed = _after(
    "host_facts_changed",
    _OF_HOST,
    operation=pgtrigger.Update,
    condition=pgtrigger.AnyChange("engaged_at"),
)
