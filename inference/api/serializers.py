"""Requests and replies of the image API, as clients send and see them."""

import re
from typing import Any

from rest_framework import serializers

from inference.operations.planning import MAX_IMAGES, MAX_STEPS, OUTPUT_FORMATS

SIZE = re.compile(r"(\d{2,5})x(\d{2,5})")


class AdapterChoiceBody(serializers.Serializer[Any]):
    """An adapter on a request."""

    id = serializers.UUIDField()
    strength = serializers.FloatField(
        default=1.0, min_value=-2.0, max_value=2.0, help_text="1 is as trained."
    )


class ImagesRequest(serializers.Serializer[Any]):
    """Body of POST /v1/images/generations: OpenAI's fields, and ours beside them."""

    prompt = serializers.CharField(trim_whitespace=False, help_text="What to draw.")
    model = serializers.CharField(
        required=False, allow_null=True, help_text="A release; by default the deployment's own."
    )
    n = serializers.IntegerField(required=False, allow_null=True, min_value=1, max_value=MAX_IMAGES)
    size = serializers.CharField(
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
        ("b64_json", "url"), required=False, allow_null=True, help_text="b64_json by default."
    )
    adapters = AdapterChoiceBody(
        many=True, required=False, help_text="Up to four of your own LoRA adapters."
    )
    deadline_s = serializers.IntegerField(
        required=False,
        allow_null=True,
        min_value=1,
        max_value=86400,
        help_text="Seconds after which the job is not worth making; it then ends free of charge.",
    )
    user = serializers.CharField(required=False, allow_null=True, max_length=200)

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


class ImageData(serializers.Serializer[Any]):
    """One delivered image."""

    b64_json = serializers.CharField(required=False)
    url = serializers.URLField(required=False)
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
