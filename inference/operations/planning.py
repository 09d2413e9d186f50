"""What a request asks for: defaults filled in, limits checked, licensed and priced. Writes nothing."""

import secrets
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from billing.queries.quotes import Quote, quote_generation
from governance.kernel.canonical import fingerprint
from governance.kernel.errors import DomainError, InvalidRequest
from governance.operations.authorization import Authorization, authorize_generation
from governance.queries.releases import default_release_slug
from inference.operations.adapters import AdapterChoice, chosen_adapters
from inference.operations.moodboards import NO_STYLE, StyleWish, chosen_references
from inference.queries.engines import is_served
from inference.queries.prompt_tokens import MAX_PROMPT_TOKENS, prompt_tokens
from inference.queries.work import Size, rounded_up, work_gflop

MAX_PROMPT_CHARACTERS = 8_000
MAX_STEPS = 100
MAX_IMAGES = 10
MAX_PARTIAL_IMAGES = 3
BEST_COMPRESSION = 100
LARGEST_SEED = 2**53 - 1
SEED_BITS = 32
OUTPUT_FORMATS = ("png", "webp", "jpeg")


class ModelNotServed(DomainError):
    """The model is on record, but no engine here has loaded it."""

    code = "model_not_served"
    title = "No engine here has loaded this model"
    status = 503
    retryable = True


class PromptTooLong(DomainError):
    """The prompt has more tokens than the model reads; it would be cut silently."""

    code = "prompt_too_long"
    title = "The prompt is too long for the model"
    status = 400


@dataclass(frozen=True)
class GenerationRequest:
    """What a client asked for, in any dialect. None means "the release's default"; sizes in px.

    ``ignored`` is what it asked for and will not get; it is kept on the job's row.
    """

    prompt: str
    model: str | None = None
    width: int | None = None
    height: int | None = None
    steps: int | None = None
    seed: int | None = None
    images: int = 1
    output_format: str = "png"
    dialect: str = "openai"
    client_user: str = ""
    adapters: tuple[AdapterChoice, ...] = ()
    style: StyleWish = NO_STYLE
    expand_prompt: bool = False
    deadline_s: int | None = None
    output_compression: int | None = None
    partial_images: int = 0
    webhook_url: str = ""
    ignored: dict[str, Any] = field(default_factory=dict)

    @property
    def sha256(self) -> str:
        """Fingerprint of the request, for idempotency and for joining retries."""
        adapters = [[str(each.id), str(each.strength)] for each in self.adapters]
        return fingerprint({**self.__dict__, "adapters": adapters, "style": self.style.as_json()})


@dataclass(frozen=True)
class Plan:
    """A request with every default filled in and every rule of the release applied."""

    request: GenerationRequest
    authorization: Authorization
    size: Size
    steps: int
    seed: int
    quote: Quote
    work: int = field(default=0)
    adapters: list[dict[str, Any]] = field(default_factory=list)
    style_references: list[dict[str, Any]] = field(default_factory=list)


def plan_generation(*, request: GenerationRequest, organization_id: UUID, at: datetime) -> Plan:
    """Fill in defaults, check the limits, ask the licence engine, price. Writes nothing."""
    check_shape(request)
    authorization = authorize_generation(
        organization_id=organization_id,
        release_slug=request.model or default_release_slug(),
        at=at,
    )
    require_served(authorization.release_slug, at)
    size = Size(
        rounded_up(request.width or authorization.default_side),
        rounded_up(request.height or authorization.default_side),
    )
    check_side("width", size.width, authorization)
    check_side("height", size.height, authorization)
    steps = request.steps or authorization.steps
    adapters = chosen_adapters(request.adapters, organization_id=organization_id)
    references = chosen_references(request.style, organization_id=organization_id)
    quote = quote_generation(
        release_slug=authorization.release_slug,
        variant=authorization.variant,
        width=size.width,
        height=size.height,
        steps=steps,
        images=request.images,
        adapters=len(adapters),
        style_references=len(references),
        at=at,
    )
    return Plan(
        request=request,
        authorization=authorization,
        size=size,
        steps=steps,
        seed=secrets.randbits(SEED_BITS) if request.seed is None else request.seed,
        quote=quote,
        adapters=adapters,
        style_references=references,
        work=work_gflop(
            size=size,
            steps=steps,
            guided=authorization.guidance_milli > 0,
            images=request.images,
            style_references=len(references),
        ),
    )


def check_shape(request: GenerationRequest) -> None:
    """Limits that hold for every release. Raises InvalidRequest naming the parameter."""
    if not request.prompt.strip():
        raise InvalidRequest("The prompt is empty. Describe the picture.", param="prompt")
    if len(request.prompt) > MAX_PROMPT_CHARACTERS:
        raise InvalidRequest(
            f"The prompt has {len(request.prompt)} characters; at most {MAX_PROMPT_CHARACTERS} "
            "are read. Shorten it.",
            param="prompt",
        )
    if not 1 <= request.images <= MAX_IMAGES:
        raise InvalidRequest(f"n must be from 1 to {MAX_IMAGES}.", param="n")
    if request.steps is not None and not 1 <= request.steps <= MAX_STEPS:
        raise InvalidRequest(f"steps must be from 1 to {MAX_STEPS}.", param="steps")
    if request.seed is not None and not 0 <= request.seed <= LARGEST_SEED - MAX_IMAGES:
        raise InvalidRequest(f"seed must be from 0 to {LARGEST_SEED - MAX_IMAGES}.", param="seed")
    if request.output_format not in OUTPUT_FORMATS:
        raise InvalidRequest(
            f"output_format must be one of {', '.join(OUTPUT_FORMATS)}.", param="output_format"
        )
    check_delivery(request)
    check_tokens(request.prompt)


def check_delivery(request: GenerationRequest) -> None:
    """How the images shall come. Raises InvalidRequest naming the parameter."""
    quality = request.output_compression
    if quality is not None and not 0 <= quality <= BEST_COMPRESSION:
        raise InvalidRequest(
            "output_compression must be from 0 to 100.", param="output_compression"
        )
    if not 0 <= request.partial_images <= MAX_PARTIAL_IMAGES:
        raise InvalidRequest(
            f"partial_images must be from 0 to {MAX_PARTIAL_IMAGES}.", param="partial_images"
        )


def check_tokens(prompt: str) -> None:
    """Raises PromptTooLong. Where no tokenizer is at hand the engine refuses the same prompt later."""
    tokens = prompt_tokens(prompt)
    if tokens is not None and tokens > MAX_PROMPT_TOKENS:
        raise PromptTooLong(
            f"The prompt has {tokens} tokens and the model reads {MAX_PROMPT_TOKENS}. Shorten it.",
            tokens=tokens,
            limit=MAX_PROMPT_TOKENS,
            param="prompt",
        )


def require_served(release_slug: str, at: datetime) -> None:
    """A job that no engine can take is refused, not queued. Raises ModelNotServed."""
    if not is_served(release_slug, at=at):
        raise ModelNotServed(
            f"No engine here has loaded {release_slug}. GET /v1/models shows which are served; the "
            "operator opts in to another one by LICET_MODEL.",
            param="model",
        )


def check_side(name: str, side: int, authorization: Authorization) -> None:
    """A side in px against the release's limits. Raises InvalidRequest."""
    low, high = authorization.min_side, authorization.max_side
    if not low <= side <= high:
        raise InvalidRequest(
            f"The {name} is {side} px; {authorization.release_slug} draws from {low} to {high} px "
            "a side.",
            param="size",
        )
