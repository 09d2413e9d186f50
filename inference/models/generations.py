"""One generation from request to image, and the images that it released."""

from uuid import UUID

from django.db import models
from django.db.models import F, Q

from governance.kernel.ids import uuid7


class State(models.TextChoices):
    """Where a generation is. The first two are open, the others final."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    BLOCKED = "blocked"
    FAILED = "failed"
    CANCELLED = "cancelled"


OPEN_STATES = (State.QUEUED, State.RUNNING)
FINAL_STATES = (State.SUCCEEDED, State.BLOCKED, State.FAILED, State.CANCELLED)


class Generation(models.Model):
    """One job: what was asked, by whom, under which rules, at which price, and how it went.

    The row is the outbox of its own dispatch: a Celery message only says "look here". ``lease_epoch``
    is the fencing token: a worker that lost its lease cannot finish the job. Money in µUSD,
    sizes in px, guidance in thousandths, work in GFLOP.
    """

    id: models.UUIDField[UUID, UUID] = models.UUIDField(primary_key=True, default=uuid7)
    organization = models.ForeignKey(
        "governance.Organization", on_delete=models.PROTECT, related_name="+"
    )
    project = models.ForeignKey("governance.Project", on_delete=models.PROTECT, related_name="+")
    api_key = models.ForeignKey(
        "governance.ApiKey", null=True, on_delete=models.PROTECT, related_name="+"
    )
    member = models.ForeignKey(
        "governance.User", null=True, on_delete=models.SET_NULL, related_name="+"
    )
    release = models.ForeignKey(
        "governance.ModelRelease", on_delete=models.PROTECT, related_name="+"
    )
    dialect = models.CharField(max_length=16)
    request_id = models.CharField(max_length=64, blank=True)
    # The admission's span in W3C's words, below which the job's spans hang; empty without tracing.
    # The database's default: a web process of the release before writes rows without it.
    traceparent = models.CharField(max_length=55, blank=True, default="", db_default="")
    request_sha256 = models.CharField(max_length=64, blank=True)
    client_user = models.CharField(max_length=200, blank=True)
    test_mode = models.BooleanField(default=False)

    prompt = models.TextField()
    # What the picture is drawn from where the prompt was to be expanded; empty until it has been.
    expand_prompt = models.BooleanField(default=False)
    revised_prompt = models.TextField(blank=True)
    # Of the revised prompt where there is one, else of the prompt.
    prompt_receipt = models.JSONField(default=dict)
    width = models.PositiveSmallIntegerField()
    height = models.PositiveSmallIntegerField()
    steps = models.PositiveSmallIntegerField()
    guidance_milli = models.PositiveIntegerField(default=0)
    seed = models.BigIntegerField()
    images = models.PositiveSmallIntegerField(default=1)
    output_format = models.CharField(max_length=8, default="png")
    # Each with id, sha256, blob and strength, as they were when the job was accepted.
    adapters = models.JSONField(default=list)
    # Each with id, organization, sha256, blob and strength; the last steps of a share of
    # style_variation_milli / 1000 are drawn without them.
    style_references = models.JSONField(default=list)
    style_variation_milli = models.PositiveSmallIntegerField(default=0)
    # After this the job is not worth making any more; it ends within a step and costs nothing.
    deadline_at = models.DateTimeField(null=True)
    # 0 to 100; None: the encoder's own. PNG is lossless and takes none.
    output_compression = models.PositiveSmallIntegerField(null=True)
    partial_images = models.PositiveSmallIntegerField(default=0)
    # What the client asked for and did not get, such as moderation "low": on record, without effect.
    ignored = models.JSONField(default=dict)
    # Where this one job's end is told, besides the organization's own webhooks.
    webhook_url = models.CharField(max_length=500, blank=True)
    # The caller's attempt as its SDK counts them; 0 for a first attempt and for clients that do not count.
    retry_count = models.PositiveSmallIntegerField(default=0)

    authorization = models.JSONField(default=dict)
    quote = models.JSONField(default=dict)
    quoted_microusd = models.BigIntegerField(default=0)
    charged_microusd = models.BigIntegerField(default=0)
    hold_id: models.UUIDField[UUID | None, UUID | None] = models.UUIDField(null=True, unique=True)

    state = models.CharField(max_length=16, choices=State, default=State.QUEUED)
    work_gflop = models.BigIntegerField(default=0)
    attempts = models.PositiveSmallIntegerField(default=0)
    lease_epoch = models.PositiveIntegerField(default=0)
    lease_until = models.DateTimeField(null=True)
    worker = models.CharField(max_length=128, blank=True)
    step = models.PositiveSmallIntegerField(default=0)
    cancel_requested_at = models.DateTimeField(null=True)
    error_code = models.CharField(max_length=64, blank=True)
    error_detail = models.TextField(blank=True)
    error_facts = models.JSONField(default=dict)
    created_at = models.DateTimeField()
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "inference_generation"
        indexes = [
            models.Index(fields=["organization", "-id"], name="generation_by_organization"),
            models.Index(
                fields=["organization", "id"],
                name="generation_queued",
                condition=Q(state="queued"),
            ),
            models.Index(fields=["api_key", "request_sha256", "-id"], name="generation_by_request"),
            models.Index(
                fields=["deadline_at"], name="generation_deadline", condition=Q(state="queued")
            ),
            models.Index(
                fields=["-finished_at"], name="generation_failed", condition=Q(state="failed")
            ),
            models.Index(
                fields=["lease_until"], name="generation_running", condition=Q(state="running")
            ),
        ]
        constraints = [
            models.CheckConstraint(condition=Q(state__in=State.values), name="generation_state"),
            models.CheckConstraint(
                condition=Q(charged_microusd=0) | Q(state="succeeded"),
                name="generation_charged_only_when_delivered",
            ),
            models.CheckConstraint(
                condition=Q(charged_microusd__gte=0)
                & Q(charged_microusd__lte=F("quoted_microusd")),
                name="generation_charged_within_quote",
            ),
            models.CheckConstraint(
                condition=Q(state__in=("queued", "running"), finished_at__isnull=True)
                | Q(state__in=("succeeded", "blocked", "failed", "cancelled"))
                & Q(finished_at__isnull=False),
                name="generation_finished_when_final",
            ),
            models.CheckConstraint(
                condition=~Q(state="running") | Q(lease_until__isnull=False),
                name="generation_running_has_a_lease",
            ),
            models.CheckConstraint(
                condition=Q(images__gte=1) & Q(images__lte=10), name="generation_one_to_ten_images"
            ),
        ]

    @property
    def is_final(self) -> bool:
        """Whether nothing more will happen to it."""
        return self.state in FINAL_STATES


class Artifact(models.Model):
    """One released image. A row exists only with the gate's receipt for exactly these bytes."""

    id: models.UUIDField[UUID, UUID] = models.UUIDField(primary_key=True, default=uuid7)
    generation = models.ForeignKey(Generation, on_delete=models.PROTECT, related_name="artifacts")
    organization_id: models.UUIDField[UUID, UUID] = models.UUIDField()
    index = models.PositiveSmallIntegerField()
    attempt = models.PositiveSmallIntegerField()
    sha256 = models.CharField(max_length=64)
    size_bytes = models.PositiveIntegerField()
    media_type = models.CharField(max_length=32)
    width = models.PositiveSmallIntegerField()
    height = models.PositiveSmallIntegerField()
    blob = models.CharField(max_length=200)
    receipt = models.JSONField()
    created_at = models.DateTimeField()
    deleted_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "inference_artifact"
        constraints = [
            models.UniqueConstraint(fields=["generation", "index"], name="artifact_once_per_index"),
            models.CheckConstraint(
                condition=Q(receipt__has_key="signature"), name="artifact_has_a_receipt"
            ),
        ]
