"""Forms of what only the operator puts on record. They parse; operations decide."""

from datetime import UTC, datetime, time
from typing import Any

from django import forms

from governance.models import ENTERPRISE_FEATURES, ControlGroup, ModelRelease
from governance.portal.licence.forms import text_input

DATE = {"class": "input", "type": "date"}


def midnight(field: str, given: dict[str, Any]) -> datetime:
    """The day of a form's date field at 00:00 UTC."""
    return datetime.combine(given[field], time(), tzinfo=UTC)


class ContractForm(forms.Form):
    """An enterprise contract, with its document."""

    reference = forms.CharField(label="Reference", max_length=200, widget=text_input())
    starts = forms.DateField(label="From (UTC)", widget=forms.DateInput(attrs=DATE))
    ends = forms.DateField(label="Until, not including (UTC)", widget=forms.DateInput(attrs=DATE))
    seats = forms.IntegerField(
        label="Seats", min_value=1, widget=forms.NumberInput(attrs={"class": "input"})
    )
    features = forms.MultipleChoiceField(
        label="It covers",
        required=False,
        choices=[(feature, feature.upper()) for feature in ENTERPRISE_FEATURES],
        widget=forms.CheckboxSelectMultiple,
    )
    terms = forms.CharField(
        label="Terms, in short", required=False, widget=forms.Textarea(attrs={"rows": 3})
    )
    document = forms.FileField(
        label="The signed document", help_text="At most 10 MB; kept with its SHA-256."
    )


class BreachForm(forms.Form):
    """A breach: the clause and what happened."""

    clause = forms.CharField(label="Clause", max_length=64, widget=text_input())
    description = forms.CharField(label="What happened", widget=forms.Textarea(attrs={"rows": 3}))


class ReinstatementForm(forms.Form):
    """The licensor's written reinstatement."""

    reference = forms.CharField(
        label="The licensor's letter or message", max_length=300, widget=text_input()
    )


class GroupForm(forms.Form):
    """The control group of an organization: a known one, a new one, or none."""

    group = forms.ModelChoiceField(
        label="Known group",
        queryset=ControlGroup.objects.order_by("name"),
        required=False,
        empty_label="none",
    )
    name = forms.CharField(
        label="Or a new one", required=False, max_length=200, widget=text_input()
    )


class NoticeForm(forms.Form):
    """The licensor's notice of termination: thirty days from its receipt."""

    received = forms.DateField(label="Received on (UTC)", widget=forms.DateInput(attrs=DATE))
    release = forms.ModelChoiceField(
        label="For",
        queryset=ModelRelease.objects.exclude(status="revoked").order_by("name"),
        required=False,
        empty_label="the whole service",
    )
    note = forms.CharField(label="Note", required=False, widget=forms.Textarea(attrs={"rows": 2}))
