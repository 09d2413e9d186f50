"""Requests and replies of the image API, as clients send and see them."""

import re
from typing import Any

from rest_framework import serializers

from governance.api.fields import Text
from inference.operations.adapters import AdapterChoice
from inference.operations.moodboards import DEFAULT_STRENGTH, StyleChoice, StyleWish
from inference.operations.planning import (
    BEST_COMPRESSION,
    MAX_IMAGES,
    MAX_PARTIAL_IMAGES,
    MAX_STEPS,
    OUTPUT_FORMATS,
    GenerationRequest,
)

SIZE = re.compile(r"(\d{2,5})x(\d{2,5})")
# OpenAI's fields that Krea 2 has no use for; kept with the job, so that nobody wonders later.
WITHOUT_EFFECT = (
    "quality",
    "style",
    "background",
    "moderation",
    "guidance_scale",
    "negative_prompt",
)


class AdapterChoiceBody(serializers.Serializer[Any]):
    """An adapter on a request."""

    id = serializers.UUIDField()
    strength = serializers.FloatField(
        default=1.0, min_value=-2.0, max_value=2.0, help_text="1 is as trained."
    )


class StyleChoiceBody(serializers.Serializer[Any]):
    """A style reference on a request."""

    id = serializers.UUIDField(help_text="From POST /v1/style_references.")
    strength = serializers.FloatField(
        default=DEFAULT_STRENGTH, min_value=0.0, max_value=1.0, help_text="0 is not at all."
    )


class ImagesRequest(serializers.Serializer[Any]):
    """Body of POST /v1/images/generations: OpenAI's fields, and ours beside them."""

    prompt = Text(trim_whitespace=False, help_text="What to draw.")
    model = Text(
        required=False, allow_null=True, help_text="A release; by default the deployment's own."
    )
    n = serializers.IntegerField(required=False, allow_null=True, min_value=1, max_value=MAX_IMAGES)
    size = Text(
        required=False,
        allow_null=True,
        help_text='"WIDTHxHEIGHT" in px, rounded up to multiples of 16, or "auto".',
    )
    seed = serializers.IntegerField(required=False, allow_null=True, min_value=0)
    steps = serializers.IntegerField(
        required=False, allow_null=True, min_value=1, max_value=MAX_STEPS
    )
    num_inference_steps = serializers.IntegerField(
        required=False, allow_null=True, min_value=1, max_value=MAX_STEPS
    )
    output_format = serializers.ChoiceField(
        OUTPUT_FORMATS, required=False, allow_null=True, help_text="png by default."
    )
    response_format = serializers.ChoiceField(
        ("b64_json", "url"), required=False, allow_null=True, help_text="Both by default."
    )
    adapters = AdapterChoiceBody(
        many=True, required=False, help_text="Up to four of your own LoRA adapters."
    )
    style_references = StyleChoiceBody(
        many=True, required=False, help_text="Up to ten of your own style references."
    )
    moodboard = serializers.UUIDField(
        required=False, allow_null=True, help_text="All references of one of your moodboards."
    )
    moodboard_strength = serializers.FloatField(
        required=False,
        allow_null=True,
        min_value=0.0,
        max_value=1.0,
        help_text="Of its heaviest reference; the others have their share of it.",
    )
    style_variation = serializers.FloatField(
        required=False,
        allow_null=True,
        min_value=0.0,
        max_value=1.0,
        help_text="The share of the steps, the last ones, that go on without the references.",
    )
    expand_prompt = serializers.BooleanField(
        required=False,
        allow_null=True,
        help_text="Let the prompt be expanded; off by default. Every word of it stays, and what it "
        "becomes is shown as revised_prompt.",
    )
    deadline_s = serializers.IntegerField(
        required=False,
        allow_null=True,
        min_value=1,
        max_value=86400,
        help_text="Seconds after which the job is not worth making; it then ends free of charge.",
    )
    output_compression = serializers.IntegerField(
        required=False,
        allow_null=True,
        min_value=0,
        max_value=BEST_COMPRESSION,
        help_text="Quality of webp and jpeg, 0 to 100; png is lossless.",
    )
    stream = serializers.BooleanField(
        required=False, allow_null=True, help_text="Server-sent events instead of one reply."
    )
    partial_images = serializers.IntegerField(
        required=False,
        allow_null=True,
        min_value=0,
        max_value=MAX_PARTIAL_IMAGES,
        help_text="Previews in the stream; each passes the content filter or is withheld.",
    )
    user = Text(required=False, allow_null=True, max_length=200)
    quality = Text(required=False, allow_null=True, max_length=32)
    # Field has an attribute of this name; a serializer's fields are no attributes of it.
    style = Text(  # type: ignore[assignment]
        required=False, allow_null=True, max_length=32
    )
    background = Text(required=False, allow_null=True, max_length=32)
    moderation = Text(
        required=False,
        allow_null=True,
        max_length=32,
        help_text="Recorded and without effect: the filter cannot be turned down.",
    )
    guidance_scale = serializers.FloatField(required=False, allow_null=True)
    negative_prompt = Text(required=False, allow_null=True, max_length=8000)

    def validate_size(self, value: str | None) -> tuple[int, int] | None:
        """(width, height) in px, or None for the release's default."""
        if value in (None, "", "auto"):
            return None
        matched = SIZE.fullmatch(str(value))
        if matched is None:
            raise serializers.ValidationError(
                'Write the size as "WIDTHxHEIGHT" in pixels, for example "1024x1024", or "auto".'
            )
        return int(matched[1]), int(matched[2])


def generation_request(body: dict[str, Any], *, dialect: str = "openai") -> GenerationRequest:
    """OpenAI's fields in our words."""
    width, height = body.get("size") or (None, None)
    streamed = bool(body.get("stream"))
    return GenerationRequest(
        prompt=body["prompt"],
        model=body.get("model"),
        width=width,
        height=height,
        steps=body.get("steps") or body.get("num_inference_steps"),
        seed=body.get("seed"),
        images=body.get("n") or 1,
        output_format=body.get("output_format") or "png",
        output_compression=body.get("output_compression"),
        partial_images=(body.get("partial_images") or 0) if streamed else 0,
        dialect=dialect,
        client_user=body.get("user") or "",
        adapters=tuple(AdapterChoice(**each) for each in body.get("adapters") or ()),
        style=style_wish(body),
        expand_prompt=bool(body.get("expand_prompt")),
        deadline_s=body.get("deadline_s"),
        ignored={
            name: body[name] for name in WITHOUT_EFFECT if body.get(name) not in (None, "", "auto")
        },
    )


def style_wish(body: dict[str, Any]) -> StyleWish:
    """References, moodboard and variation in our words."""
    strength = body.get("moodboard_strength")
    return StyleWish(
        references=tuple(StyleChoice(**each) for each in body.get("style_references") or ()),
        moodboard=body.get("moodboard"),
        strength=DEFAULT_STRENGTH if strength is None else strength,
        variation=body.get("style_variation") or 0.0,
    )


class ImageData(serializers.Serializer[Any]):
    """One delivered image."""

    b64_json = serializers.CharField(required=False)
    url = serializers.URLField(required=False)
    revised_prompt = serializers.CharField(required=False)
    seed = serializers.IntegerField()
    sha256 = serializers.CharField()


class ImagesUsage(serializers.Serializer[Any]):
    """What it cost. µUSD: 1 USD = 1,000,000."""

    cost_microusd = serializers.IntegerField()
    images = serializers.IntegerField()
    withheld = serializers.IntegerField()


class ImagesResponse(serializers.Serializer[Any]):
    """Reply of POST /v1/images/generations."""

    created = serializers.IntegerField()
    id = serializers.UUIDField()
    model = serializers.CharField()
    size = serializers.CharField()
    output_format = serializers.CharField()
    # Serializer has a property of this name; for a schema the field is what counts.
    data = ImageData(many=True)  # type: ignore[assignment]
    usage = ImagesUsage()
