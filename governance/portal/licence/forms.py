"""Forms of the licence pages. They parse; operations decide."""

from typing import Any, cast

from django import forms

from governance.licensing.facts import Bracket
from governance.models import Role
from governance.queries.permissions import may_grant

BRACKETS = [
    (Bracket.UNDER_250K, "Less than 250,000 USD"),
    (Bracket.UNDER_500K, "250,000 to less than 500,000 USD"),
    (Bracket.UNDER_800K, "500,000 to less than 800,000 USD"),
    (Bracket.UNDER_1M, "800,000 to less than 1,000,000 USD"),
    (Bracket.AT_OR_OVER_1M, "1,000,000 USD or more"),
    (Bracket.UNSURE, "We are not sure"),
]
ROLES = [(role.value, role.label) for role in Role if role != Role.OWNER]


def text_input(**attributes: str) -> forms.TextInput:
    """A line of text in the portal's style."""
    return forms.TextInput(attrs={"class": "input", **attributes})


class AcceptanceForm(forms.Form):
    """Step 1: the person's authority to bind the organization."""

    authority = forms.CharField(
        label="Your authority to accept for the organization",
        help_text="For instance: managing director, holder of a power of attorney of 3 May.",
        max_length=200,
        widget=text_input(autocomplete="organization-title"),
    )
    read = forms.BooleanField(label="I have read the licence and the Acceptable Use Policy.")


class PersonalAcceptanceForm(forms.Form):
    """A person's acceptance for themselves."""

    read = forms.BooleanField(label="I have read the licence and the Acceptable Use Policy.")


class RevenueForm(forms.Form):
    """Step 2: revenue of the trailing twelve months with all affiliates."""

    bracket = forms.ChoiceField(
        label="Total revenue of the last twelve months",
        help_text="From all sources, of the organization and every affiliate under common "
        "ownership or control. Exactly 1,000,000 USD is no longer less than 1,000,000 USD.",
        choices=BRACKETS,
        widget=forms.RadioSelect,
    )
    amount_usd = forms.DecimalField(
        label="Exact amount in USD",
        required=False,
        min_value=0,
        max_digits=14,
        decimal_places=2,
        widget=forms.NumberInput(attrs={"class": "input", "step": "0.01", "inputmode": "decimal"}),
    )
    affiliates = forms.CharField(
        label="Affiliates that are included, one a line",
        required=False,
        widget=forms.Textarea(attrs={"rows": 3}),
    )
    period_end = forms.DateField(
        label="Last day of the twelve months",
        widget=forms.DateInput(attrs={"class": "input", "type": "date"}),
    )


class SignatureForm(forms.Form):
    """Step 3: who signs, with what evidence, until when."""

    signer_name = forms.CharField(label="Name", max_length=200, widget=text_input())
    signer_title = forms.CharField(label="Position", max_length=200, widget=text_input())
    months = forms.TypedChoiceField(
        label="Holds for",
        choices=[(3, "3 months"), (6, "6 months"), (12, "12 months")],
        coerce=int,
        initial=6,
    )
    evidence = forms.FileField(
        label="Evidence, for instance the annual accounts",
        help_text="At most 10 MB. Only its hash is shown to others.",
        required=False,
    )
    true = forms.BooleanField(label="This statement is true and complete to my knowledge.")


class InvitationForm(forms.Form):
    """Addresses to invite, pasted as they come."""

    addresses = forms.CharField(
        label="E-mail addresses",
        help_text="One or many: separated by commas, spaces or lines.",
        widget=forms.Textarea(attrs={"rows": 3, "autocomplete": "off"}),
    )
    role = forms.ChoiceField(label="Role", choices=ROLES, initial=Role.MEMBER)


class RoleForm(forms.Form):
    """The roles that somebody of ``own`` role may give."""

    role = forms.ChoiceField(label="Role")

    def __init__(self, own: Role, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = cast("forms.ChoiceField", self.fields["role"])
        field.choices = [(role.value, role.label) for role in Role if may_grant(own, role)]


class ReasonForm(forms.Form):
    """A reason in words, for acts that need one."""

    reason = forms.CharField(label="Reason", max_length=300, widget=text_input())


class DestructionForm(forms.Form):
    """Where the copies were; the statement is fixed."""

    copies = forms.CharField(
        label="Where the copies were, one a line",
        widget=forms.Textarea(attrs={"rows": 3}),
    )


class DeniedFileForm(forms.Form):
    """A file's hash for the deny-list."""

    sha256 = forms.RegexField(
        r"^[0-9a-f]{64}$", label="SHA-256 of the file", widget=text_input(spellcheck="false")
    )
    reason = forms.CharField(label="Reason", max_length=300, widget=text_input())
