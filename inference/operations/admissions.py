"""One request on its way to a job: who asks, what is planned, and the rows that come of it."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings

from billing.operations.holds import HoldRequest
from governance.kernel import tracing
from governance.kernel.actors import Actor
from governance.operations.authorization import Authorization
from inference.models import Generation
from inference.operations.idempotency import Repetition, claim_request
from inference.operations.planning import Plan


@dataclass(frozen=True)
class Submitter:
    """Who pays and who acts."""

    organization_id: UUID
    project_id: UUID
    api_key_id: UUID | None
    actor: Actor
    member_id: UUID | None = None
    test_mode: bool = False


@dataclass(frozen=True)
class Admission:
    """One request on its way to a job: what is planned, for whom, under which id, since when."""

    plan: Plan
    submitter: Submitter
    generation_id: UUID
    repetition: Repetition
    at: datetime

    def claim(self) -> UUID | None:
        """The job of an equal request, or None when this one may write its own."""
        return claim_request(
            repetition=self.repetition,
            organization_id=self.submitter.organization_id,
            api_key_id=self.submitter.api_key_id,
            request_sha256=self.plan.request.sha256,
            generation_id=self.generation_id,
            at=self.at,
        )


def hold_request(admission: Admission) -> HoldRequest:
    """The price of the whole job, for billing."""
    submitter, plan = admission.submitter, admission.plan
    return HoldRequest(
        organization_id=submitter.organization_id,
        project_id=submitter.project_id,
        api_key_id=submitter.api_key_id,
        member_id=submitter.member_id,
        job_id=admission.generation_id,
        quote=plan.quote,
        idempotency_key=f"job:{admission.generation_id}",
        request_sha256=plan.request.sha256,
        at=admission.at,
        test_mode=submitter.test_mode,
    )


def new_generation(admission: Admission) -> Generation:
    """An unsaved row with everything frozen that the job depends on."""
    plan, submitter, request = admission.plan, admission.submitter, admission.plan.request
    return Generation(
        id=admission.generation_id,
        organization_id=submitter.organization_id,
        project_id=submitter.project_id,
        api_key_id=submitter.api_key_id,
        member_id=submitter.member_id,
        release_id=plan.authorization.release_id,
        dialect=request.dialect,
        request_id=submitter.actor.request_id,
        traceparent=tracing.traceparent(),
        request_sha256=request.sha256,
        client_user=request.client_user[:200],
        test_mode=submitter.test_mode,
        prompt=request.prompt,
        expand_prompt=request.expand_prompt,
        width=plan.size.width,
        height=plan.size.height,
        steps=plan.steps,
        guidance_milli=plan.authorization.guidance_milli,
        seed=plan.seed,
        images=request.images,
        output_format=request.output_format,
        adapters=plan.adapters,
        style_references=plan.style_references,
        style_variation_milli=round(request.style.variation * 1000),
        deadline_at=admission.at + timedelta(seconds=request.deadline_s or settings.JOB_DEADLINE_S),
        output_compression=request.output_compression,
        partial_images=request.partial_images,
        ignored=request.ignored,
        webhook_url=request.webhook_url,
        retry_count=admission.repetition.retry_count or 0,
        authorization=frozen_authorization(plan.authorization),
        quote=plan.quote.as_json(),
        quoted_microusd=plan.quote.amount,
        work_gflop=plan.work,
        created_at=admission.at,
    )


def frozen_authorization(authorization: Authorization) -> dict[str, Any]:
    """What the job's row keeps of the licence engine's permission."""
    return {
        "standing": authorization.standing,
        "terms_version": str(authorization.terms_version_id),
        "terms_sha256": authorization.terms_sha256,
        "release": authorization.release_slug,
        "weights_sha256": authorization.weights_sha256,
        "decided_at": authorization.decided_at.isoformat(),
    }
