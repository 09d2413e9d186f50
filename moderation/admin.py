"""The operator's raw tables: reviewers can be changed, records only read."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from unfold.admin import ModelAdmin

from moderation.models import Decision, HashEntry, Policy, PolicyActivation, Removal, Reviewer


class ReadOnly(ModelAdmin):  # type: ignore[misc]
    """Shows rows and changes none."""

    def has_add_permission(self, _request: HttpRequest) -> bool:
        """Nobody adds by hand."""
        return False

    def has_change_permission(self, _request: HttpRequest, _obj: Any = None) -> bool:
        """Nobody changes by hand."""
        return False

    def has_delete_permission(self, _request: HttpRequest, _obj: Any = None) -> bool:
        """Nobody deletes by hand."""
        return False


@admin.register(Reviewer)
class ReviewerAdmin(ModelAdmin):  # type: ignore[misc]
    """Who reviews, in which roles, and how much in a day."""

    list_display = ("user", "roles", "daily_limit", "active")
    autocomplete_fields = ()
    raw_id_fields = ("user",)


@admin.register(Decision)
class DecisionAdmin(ReadOnly):
    """What the gate decided."""

    list_display = ("at", "stage", "outcome", "item", "complete", "organization_id", "job_id")
    list_filter = ("stage", "outcome", "complete")


@admin.register(Policy)
class PolicyAdmin(ReadOnly):
    """Policies by their hash."""

    list_display = ("version", "hash", "author", "created_at")


@admin.register(PolicyActivation)
class PolicyActivationAdmin(ReadOnly):
    """Who put which policy in force."""

    list_display = ("at", "policy", "mode", "proposed_by", "approved_by")


@admin.register(Removal)
class RemovalAdmin(ReadOnly):
    """Removals and their clocks."""

    list_display = ("requested_at", "due_at", "state", "item")
    list_filter = ("state",)


@admin.register(HashEntry)
class HashEntryAdmin(ReadOnly):
    """Entries of the hash banks."""

    list_display = ("bank", "sha256", "source", "added_at", "withdrawn_at")
    list_filter = ("bank",)
