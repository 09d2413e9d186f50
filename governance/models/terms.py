"""The terms as dated, hashed rows: documents, and versions that bind documents to rules."""

from uuid import UUID

import pgtrigger
from django.db import models

from governance.kernel.ids import uuid7
from governance.models.epochs import host_facts_changed

KEPT = [pgtrigger.Protect(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete)]


class DocumentKind(models.TextChoices):
    """What a document is; each kind has one stable address."""

    LICENCE = "licence"
    POLICY = "policy"
    NOTICE = "notice"


class TermsDocument(models.Model):
    """A text that people accept. ``official`` is False for our own summary of it.

    ``clauses`` is a list of {number, title, summary}, by which versions are compared.
    """

    id: models.UUIDField[UUID, UUID] = models.UUIDField(primary_key=True, default=uuid7)
    kind = models.CharField(max_length=16, choices=DocumentKind)
    title = models.CharField(max_length=200)
    version = models.CharField(max_length=32)
    dated = models.DateField()
    text = models.TextField()
    official = models.BooleanField(default=False)
    clauses = models.JSONField(default=list)
    source = models.CharField(max_length=300, blank=True)
    sha256 = models.CharField(max_length=64)
    created_at = models.DateTimeField()

    class Meta:
        db_table = "governance_terms_document"
        constraints = [
            models.UniqueConstraint(fields=["kind", "sha256"], name="terms_document_once"),
            models.CheckConstraint(
                condition=models.Q(kind__in=DocumentKind.values), name="terms_document_kind_known"
            ),
        ]
        triggers = KEPT

    def __str__(self) -> str:
        return f"{self.title} {self.version}"


class TermsVersion(models.Model):
    """Rules and documents that apply together from ``effective_from``; never changed, only followed.

    ``sha256`` covers the rules and the documents' hashes.
    """

    id: models.UUIDField[UUID, UUID] = models.UUIDField(primary_key=True, default=uuid7)
    label = models.CharField(max_length=64, unique=True)
    effective_from = models.DateTimeField(db_index=True)
    licence = models.ForeignKey(TermsDocument, on_delete=models.PROTECT, related_name="+")
    policy = models.ForeignKey(TermsDocument, on_delete=models.PROTECT, related_name="+")
    notice = models.ForeignKey(TermsDocument, on_delete=models.PROTECT, related_name="+")
    rules = models.JSONField()
    sha256 = models.CharField(max_length=64)
    reason = models.CharField(max_length=300, blank=True)
    created_at = models.DateTimeField()
    created_by = models.CharField(max_length=200)

    class Meta:
        db_table = "governance_terms_version"
        triggers = [*KEPT, host_facts_changed]

    def __str__(self) -> str:
        return self.label
