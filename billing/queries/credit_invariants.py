"""What must always hold of credit: lots, payments, refunds, disputes and closed months.

Same shape as ``billing.queries.invariants.QUESTIONS``: name, rows looked at, rows that break it.
"""

from billing.kernel.statements import broken_links
from billing.models import Statement

QUESTIONS: tuple[tuple[str, str, str], ...] = (
    (
        "no lot holds more than its credit less what has left it",
        "SELECT count(*) FROM billing_credit_lot",
        """SELECT l.id || ' has ' || l.remaining || ' of ' || l.granted || ', moved ' || coalesce(m.total, 0)
           FROM billing_credit_lot l
           LEFT JOIN (SELECT lot_id, sum(amount) AS total FROM billing_lot_movement GROUP BY lot_id) m
                  ON m.lot_id = l.id
           WHERE l.remaining <> l.granted - coalesce(m.total, 0)""",
    ),
    (
        "lots cover the wallet: what they hold beyond it was spent since they were settled",
        "SELECT count(DISTINCT organization_id) FROM billing_credit_lot",
        """SELECT w.organization_id || ' posted ' || w.posted || ', lots ' || sum(l.remaining)
           FROM billing_wallet w JOIN billing_credit_lot l ON l.organization_id = w.organization_id
           GROUP BY w.organization_id, w.posted HAVING w.posted > sum(l.remaining)""",
    ),
    (
        "a payment that succeeded is one credit of its amount, and no other top-up is any",
        "SELECT count(*) FROM billing_top_up",
        """SELECT u.id || ' is ' || u.state || ' with ' || u.amount || ', credited ' || coalesce(c.total, 0)
           FROM billing_top_up u
           LEFT JOIN (SELECT t.external_reference, sum(e.amount) AS total
                      FROM billing_ledger_transaction t
                      JOIN billing_ledger_entry e ON e.transaction_id = t.id AND e.account = 'wallet'
                      WHERE t.kind = 'credit_paid' GROUP BY t.external_reference) c
                  ON c.external_reference = u.payment
           WHERE coalesce(c.total, 0) <> CASE WHEN u.state = 'succeeded' THEN u.amount ELSE 0 END""",
    ),
    (
        "a refund is booked once, returned if it failed, and refunds never exceed their payment",
        "SELECT count(*) FROM billing_refund",
        """SELECT u.id || ' of ' || u.amount || ' has refunds of ' || sum(r.amount)
           FROM billing_refund r JOIN billing_top_up u ON u.id = r.top_up_id
           WHERE r.state <> 'failed' GROUP BY u.id, u.amount HAVING sum(r.amount) > u.amount
           UNION ALL
           SELECT r.id || ' is ' || r.state || ', booked ' || coalesce(sum(e.amount), 0)
           FROM billing_refund r
           LEFT JOIN billing_ledger_transaction t ON t.external_reference = r.id::text
                AND t.kind IN ('refund', 'refund_failed')
           LEFT JOIN billing_ledger_entry e ON e.transaction_id = t.id AND e.account = 'wallet'
           GROUP BY r.id, r.state, r.amount
           HAVING coalesce(sum(e.amount), 0) <> CASE WHEN r.state = 'failed' THEN 0 ELSE -r.amount END""",
    ),
    (
        "a dispute moves what it took, and gives it back at most once",
        "SELECT count(*) FROM billing_dispute",
        """SELECT d.id || ' of ' || d.amount || ', booked ' || coalesce(sum(e.amount), 0)
           FROM billing_dispute d
           LEFT JOIN billing_ledger_transaction t ON t.external_reference = d.id
                AND t.kind IN ('dispute_withdrawn', 'dispute_reinstated')
           LEFT JOIN billing_ledger_entry e ON e.transaction_id = t.id AND e.account = 'wallet'
           GROUP BY d.id, d.amount, d.withdrawn, d.reinstated
           HAVING coalesce(sum(e.amount), 0)
               <> CASE WHEN d.withdrawn AND NOT d.reinstated THEN -d.amount ELSE 0 END""",
    ),
    (
        "a closed month closes at the sum of the journal before its end",
        "SELECT count(*) FROM billing_statement",
        """SELECT s.organization_id || ' number ' || s.number || ' closes at ' || s.closing
                  || ', journal ' || coalesce(sum(e.amount), 0)
           FROM billing_statement s
           LEFT JOIN billing_ledger_transaction t ON t.organization_id = s.organization_id
                AND t.booked_at < s.ends_at
           LEFT JOIN billing_ledger_entry e ON e.transaction_id = t.id AND e.account = 'wallet'
           GROUP BY s.id HAVING s.closing <> coalesce(sum(e.amount), 0)""",
    ),
)


def broken_statements() -> tuple[int, list[str]]:
    """How many statements there are, and what breaks their chains: hashes, numbers, openings."""
    chains: dict[object, list[dict[str, object]]] = {}
    rows = Statement.objects.order_by("organization_id", "number")
    for row in rows.iterator():
        chains.setdefault(row.organization_id, []).append(
            {"body": row.body, "previous_sha256": row.previous_sha256, "sha256": row.sha256}
        )
    broken = [f"{owner}: {text}" for owner, chain in chains.items() for text in broken_links(chain)]
    return sum(len(chain) for chain in chains.values()), broken
