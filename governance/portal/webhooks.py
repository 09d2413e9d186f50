"""Webhooks: endpoints, their secret, what was delivered and what was not."""

from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.timezone import now
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from governance.kernel.errors import DomainError, NotFound
from governance.kernel.registry import webhook_event_types
from governance.models import Organization, WebhookEndpoint
from governance.operations.webhook_endpoints import (
    change_webhook_endpoint,
    create_webhook_endpoint,
    remove_webhook_endpoint,
    replay_delivery,
    send_test_event,
)
from governance.operations.webhook_secrets import rotate_webhook_secret
from governance.portal.access import actor_of_person, organization_page
from governance.portal.step_up import step_up
from governance.queries.permissions import Permission
from governance.queries.webhooks import (
    deliveries_of,
    endpoint_of,
    endpoints_of,
    signer_of_calls_of,
)

# Endpoints learn what everybody's keys did: for who administers the organization.
administers = organization_page(Permission.MANAGE_MEMBERS)


class EndpointForm(forms.Form):
    """Where events go, and which."""

    url = forms.CharField(
        label="Address",
        max_length=2000,
        help_text="Public and https. Every delivery is signed.",
        widget=forms.URLInput(attrs={"class": "input", "placeholder": "https://example.com/hooks"}),
    )
    description = forms.CharField(
        label="What it is for",
        required=False,
        max_length=200,
        widget=forms.TextInput(attrs={"class": "input"}),
    )
    events = forms.MultipleChoiceField(
        label="Events",
        required=False,
        help_text="None chosen: every event, also those that come later.",
        widget=forms.CheckboxSelectMultiple,
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        events: Any = self.fields["events"]
        events.choices = sorted(webhook_event_types.items.items())


@administers
@require_http_methods(["GET"])
def webhooks(request: HttpRequest, organization: Organization) -> HttpResponse:
    """Every endpoint, and the signer of addresses that calls name."""
    context = {
        "endpoints": endpoints_of(organization.id),
        "signer": signer_of_calls_of(organization.id),
    }
    return render(request, "governance/webhooks.html", context)


@administers
@step_up
@never_cache
@require_http_methods(["GET", "POST"])
def new_webhook(request: HttpRequest, organization: Organization) -> HttpResponse:
    """The form; after it the secret, this once."""
    form = EndpointForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            made = create_webhook_endpoint(
                organization_id=organization.id,
                url=form.cleaned_data["url"],
                events=form.cleaned_data["events"],
                description=form.cleaned_data["description"],
                actor=actor_of_person(request),
                at=now(),
            )
        except DomainError as refusal:
            form.add_error("url", refusal.detail)
        else:
            return secret_page(request, made.endpoint, made.secret)
    return render(request, "governance/webhook_new.html", {"form": form})


def secret_page(request: HttpRequest, endpoint: WebhookEndpoint, secret: str) -> HttpResponse:
    """The signing secret with code that checks a signature."""
    context = {"endpoint": endpoint, "secret": secret, "code": RECEIVER.format(secret=secret)}
    return render(request, "governance/webhook_secret.html", context, status=201)


RECEIVER = """from flask import Flask, request
from standardwebhooks import Webhook

app = Flask(__name__)
hook = Webhook("{secret}")

@app.post("/hooks")
def receive():
    event = hook.verify(request.get_data(), dict(request.headers))
    print(event["type"], event["data"])
    return "", 204"""


@administers
@require_http_methods(["GET"])
def webhook(request: HttpRequest, organization: Organization, endpoint_id: UUID) -> HttpResponse:
    """One endpoint with its log."""
    endpoint = own_endpoint(organization, endpoint_id)
    try:
        page = deliveries_of(endpoint.id, cursor=request.GET.get("after"))
    except NotFound as error:
        raise Http404(error.detail) from error
    return render(request, "governance/webhook.html", {"endpoint": endpoint, "page": page})


@administers
@require_POST
def act_on_webhook(
    request: HttpRequest, organization: Organization, endpoint_id: UUID, act: str
) -> HttpResponse:
    """test, enable, disable or remove."""
    endpoint = own_endpoint(organization, endpoint_id)
    who: dict[str, Any] = {
        "endpoint_id": endpoint.id,
        "organization_id": organization.id,
        "actor": actor_of_person(request),
    }
    try:
        if act == "test":
            send_test_event(**who, at=now())
            messages.success(request, "A test event is on its way. Reload to see what came of it.")
        elif act in {"enable", "disable"}:
            change_webhook_endpoint(**who, at=now(), enabled=act == "enable")
            messages.success(
                request, f"The endpoint is switched {'on' if act == 'enable' else 'off'}."
            )
        elif act == "remove":
            remove_webhook_endpoint(**who)
            messages.success(request, f"{endpoint.url} is removed.")
            return redirect("webhooks", slug=organization.slug)
        else:
            raise Http404
    except DomainError as refusal:
        messages.error(request, refusal.detail)
    return redirect("webhook", slug=organization.slug, endpoint_id=endpoint.id)


@administers
@step_up
@never_cache
@require_POST
def rotate_secret(
    request: HttpRequest, organization: Organization, endpoint_id: UUID
) -> HttpResponse:
    """A new signing secret, shown once; for a day both sign."""
    endpoint = own_endpoint(organization, endpoint_id)
    secret = rotate_webhook_secret(
        endpoint_id=endpoint.id,
        organization_id=organization.id,
        actor=actor_of_person(request),
        at=now(),
    )
    return secret_page(request, endpoint, secret)


@administers
@require_POST
def replay(request: HttpRequest, organization: Organization, delivery_id: UUID) -> HttpResponse:
    """Send an event once more."""
    try:
        again = replay_delivery(
            delivery_id=delivery_id,
            organization_id=organization.id,
            actor=actor_of_person(request),
            at=now(),
        )
    except NotFound as error:
        raise Http404(error.detail) from error
    except DomainError as refusal:
        messages.error(request, refusal.detail)
        return redirect("webhooks", slug=organization.slug)
    messages.success(request, "The event is on its way once more.")
    return redirect("webhook", slug=organization.slug, endpoint_id=again.endpoint_id)


def own_endpoint(organization: Organization, endpoint_id: UUID) -> WebhookEndpoint:
    """The endpoint of this organization. Raises Http404."""
    try:
        return endpoint_of(organization.id, endpoint_id)
    except NotFound as error:
        raise Http404(error.detail) from error
