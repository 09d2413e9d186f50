"""Locks between "it may still be used" and "it is revoked", held until the transaction ends.

Many may use a thing at once, so they share its lock; a revocation takes it alone. PostgreSQL's advisory
locks queue fairly: unlike row locks FOR SHARE, a stream of users cannot starve the one who revokes, and
nothing is written to a hot row.
"""

from enum import IntEnum

from django.db import connection


class Lockable(IntEnum):
    """What can be revoked; the number separates the kinds in the lock's name."""

    # billing's SQL function licet_api_key_lock uses the same number.
    API_KEY = 4711
    RELEASE = 4712
    # Equal requests of one API key, while one of them writes the job.
    REQUEST = 4713


def lock_for_use(what: Lockable, subject: object) -> None:
    """Share the lock: waits while a revocation is under way. Needs a transaction."""
    _lock("SELECT pg_advisory_xact_lock_shared(hashtextextended(%s, %s))", what, subject)


def lock_for_revocation(what: Lockable, subject: object) -> None:
    """Take the lock alone: waits for every user that came before, admits none after."""
    _lock("SELECT pg_advisory_xact_lock(hashtextextended(%s, %s))", what, subject)


def lock_alone(what: Lockable, subject: object) -> None:
    """Take the lock where there are no sharers: one after the other. Needs a transaction."""
    lock_for_revocation(what, subject)


def _lock(statement: str, what: Lockable, subject: object) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, [str(subject), int(what)])
