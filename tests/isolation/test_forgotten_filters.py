"""Queries that forget the organization, in each table that has one: the database does not forget it."""

from uuid import UUID, uuid4

import pytest
from django.apps import apps
from django.db import ProgrammingError, connection, models, transaction

from governance.kernel.tenancy import privileged, reading_for
from tests.isolation.rows import insert, loosened, owner_column, row_for

pytestmark = pytest.mark.django_db

OWNED = [model for model in apps.get_models() if owner_column(model)]
# Tables with an organization that no tenant's request may read at all, and why.
CLOSED = {
    "governance_outgoing_mail": "letters hold links that sign people in; workers send them",
    "moderation_vault_key": "keys of the evidence vault; for reviewers",
    "moderation_evidence": "withheld pictures; for reviewers",
}
OPEN = [model for model in OWNED if model._meta.db_table not in CLOSED]
# Tables that everybody may read whole, and why.
PUBLISHED = {
    "governance_terms_document": "the licence's own text",
    "governance_terms_version": "which text is in force",
    "governance_kill_switch": "whether the host has stopped",
    "governance_termination_notice": "the licensor's notices to the host",
    "governance_audit_checkpoint": "signed statements, made to be shown",
    "governance_audit_node": "hashes of 256 leaves and more",
    "governance_audit_stamp": "notaries' receipts of checkpoints",
    "moderation_policy": "the filter's policy, the same for all",
    "moderation_policy_activation": "which policy is in force",
    "billing_price_version": "the price list",
    "billing_rollup_day": "which days are summed up",
    "inference_engine_status": "which models are served",
}
MINE, THEIRS = uuid4(), uuid4()


def name(model: type[models.Model]) -> str:
    return str(model._meta.db_table)


@pytest.fixture(params=OPEN, ids=name)
def table(request: pytest.FixtureRequest) -> type[models.Model]:
    """A table with a row of each of two organizations."""
    model: type[models.Model] = request.param
    loosened(name(model))
    for number, organization_id in enumerate((MINE, THEIRS), start=1):
        insert(name(model), row_for(name(model), organization_id, number))
    return model


def owners(model: type[models.Model]) -> list[UUID]:
    """Whose rows a query without any filter finds."""
    return list(model._default_manager.values_list("organization_id", flat=True))


def may_write(table: str) -> None:
    """What no tenant's request may: to see that the policy refuses and not only the missing right."""
    with connection.cursor() as cursor:
        cursor.execute(f"GRANT INSERT, UPDATE, DELETE ON {table} TO licet_tenant")


class TestReadingForATenant:
    def test_finds_its_own_rows_alone(self, table: type[models.Model]) -> None:
        with reading_for(MINE):
            found = owners(table)

        assert found == [MINE]

    def test_of_no_organization_finds_nothing(self, table: type[models.Model]) -> None:
        cursor = connection.connection.cursor()
        cursor.execute("SET LOCAL ROLE licet_tenant")

        found = cursor.execute(f"SELECT 1 FROM {name(table)} WHERE organization_id IS NOT NULL")

        assert found.fetchall() == []

    def test_of_another_organization_finds_nothing(self, table: type[models.Model]) -> None:
        with reading_for(uuid4()):
            found = owners(table)

        assert found == []

    def test_ends_with_its_block(self, table: type[models.Model]) -> None:
        with reading_for(MINE):
            owners(table)

        assert set(owners(table)) >= {MINE, THEIRS}

    def test_is_lifted_by_a_privileged_block_and_comes_back(
        self, table: type[models.Model]
    ) -> None:
        with reading_for(MINE):
            with privileged():
                everybody = owners(table)
            found = owners(table)

        assert set(everybody) >= {MINE, THEIRS}
        assert found == [MINE]


class TestWritingForATenant:
    def test_is_not_a_right_of_its_role(self, table: type[models.Model]) -> None:
        with reading_for(MINE), pytest.raises(ProgrammingError, match="permission denied"):
            with transaction.atomic():
                insert(name(table), row_for_test(table, MINE))

    def test_a_row_of_another_is_refused_whatever_its_rights(
        self, table: type[models.Model]
    ) -> None:
        may_write(name(table))
        row = row_for_test(table, THEIRS)

        with reading_for(MINE), pytest.raises(ProgrammingError, match="row-level security"):
            with transaction.atomic():
                insert(name(table), row)

    def test_does_not_reach_the_rows_of_another(self, table: type[models.Model]) -> None:
        may_write(name(table))

        with reading_for(MINE):
            changed = table._default_manager.filter(organization_id=THEIRS).update(
                organization_id=THEIRS
            )
            deleted = execute(f"DELETE FROM {name(table)} WHERE organization_id <> '{MINE}'")

        assert (changed, deleted) == (0, 0)

    def test_cannot_give_a_row_away(self, table: type[models.Model]) -> None:
        may_write(name(table))

        with reading_for(MINE), pytest.raises(ProgrammingError, match="row-level security"):
            with transaction.atomic():
                table._default_manager.update(organization_id=THEIRS)


def row_for_test(model: type[models.Model], organization_id: UUID) -> dict[str, object]:
    """The columns are read as ourselves: the catalog shows a role only what it may read."""
    with privileged():
        return row_for(name(model), organization_id, 3)


def execute(statement: str) -> int:
    """How many rows a statement touched."""
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return int(cursor.rowcount)


class TestEveryTable:
    @pytest.mark.parametrize("table_name", sorted(CLOSED))
    def test_without_a_policy_is_closed(self, table_name: str) -> None:
        with reading_for(MINE), pytest.raises(ProgrammingError, match="permission denied"):
            execute(f"SELECT 1 FROM {table_name}")

    def test_that_is_published_whole_is_named_with_its_reason(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT polrelid::regclass::text FROM pg_policy WHERE polname = 'licet_shared'"
                " AND pg_get_expr(polqual, polrelid) = 'true'"
            )
            found = {table for (table,) in cursor.fetchall()}

        assert found == set(PUBLISHED)

    def test_that_the_role_may_read_has_row_level_security(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT relname FROM pg_class WHERE relnamespace = current_schema()::regnamespace"
                " AND relkind IN ('r', 'p', 'v', 'm') AND NOT relrowsecurity"
                " AND has_table_privilege('licet_tenant', oid, 'SELECT')"
            )
            found = cursor.fetchall()

        assert found == []

    def test_is_read_only_for_the_role(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT relname FROM pg_class WHERE relnamespace = current_schema()::regnamespace"
                " AND relkind IN ('r', 'p', 'v', 'm')"
                " AND has_table_privilege('licet_tenant', oid, 'INSERT, UPDATE, DELETE, TRUNCATE')"
            )
            found = cursor.fetchall()

        assert found == []
