"""Row-level security: what a tenant's request may see of this app's tables (decision 0071)."""

from django.db import migrations

from governance.kernel.row_policies import DROP_FUNCTION, FUNCTION, only, own, shared, through

OWN = (
    "acceptance", "api_key", "attestation", "audit_entry", "audit_leaf", "auditor_link", "breach",
    "compliance_report", "directory_resource", "directory_token", "enterprise_contract",
    "identity_provider", "invitation", "membership", "model_release", "organization_standing",
    "project", "report_schedule", "seat", "standing_change", "webhook_endpoint", "webhook_event",
)
THROUGH = (
    ("retiring_secret", "key_id", "api_key"),
    ("key_use", "key_id", "api_key"),
    ("attestation_reminder", "attestation_id", "attestation"),
    ("release_file", "release_id", "model_release"),
    ("destruction", "release_id", "model_release"),
    ("webhook_secret", "endpoint_id", "webhook_endpoint"),
    ("webhook_delivery", "endpoint_id", "webhook_endpoint"),
    ("webhook_attempt", "delivery_id", "webhook_delivery"),
)
SHARED = (
    "terms_document", "terms_version", "kill_switch", "termination_notice",
    "audit_checkpoint", "audit_node", "audit_stamp",
)
OF_POOL = "EXISTS (SELECT 1 FROM governance_organization o WHERE {column} IN (o.id, o.group_id))"
# People of the organization, present and past, and the operator's, who are named in its records.
PEOPLE = """is_staff
    OR EXISTS (SELECT 1 FROM governance_membership m WHERE m.user_id = governance_user.id)
    OR EXISTS (SELECT 1 FROM governance_seat s WHERE s.user_id = governance_user.id)"""


class Migration(migrations.Migration):
    dependencies = [("governance", "0011_seats_activity_and_line")]

    operations = [
        migrations.RunSQL(*step)
        for step in (
            (FUNCTION, DROP_FUNCTION),
            own("governance_organization", "id"),
            *(own(f"governance_{table}") for table in OWN),
            *(
                through(f"governance_{table}", column, f"governance_{parent}")
                for table, column, parent in THROUGH
            ),
            only("governance_control_group", OF_POOL.format(column="governance_control_group.id")),
            only("governance_seat_snapshot", OF_POOL.format(column="pool_id")),
            only("governance_user", PEOPLE),
            *(shared(f"governance_{table}") for table in SHARED),
            # Those of the host: base models, and what concerns every tenant.
            shared("governance_model_release", "organization_id IS NULL"),
            shared("governance_breach", "organization_id IS NULL"),
        )
    ]
