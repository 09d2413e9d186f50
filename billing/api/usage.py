"""``/v1/organization/usage/images`` and ``/costs``, as OpenAI's admin client asks for them."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

from django.utils.timezone import now
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from billing.queries.buckets import Bucket, BucketRow, UsageQuestion, usage_buckets
from governance.api.authentication import caller_of
from governance.api.organization.lists import whole_number_in, words_in
from governance.api.paging import page_size
from governance.api.permissions import READ
from governance.kernel.errors import InvalidRequest
from governance.kernel.money import MICRODOLLARS_PER_USD

WORDS = {"type": "array", "items": {"type": "string"}}
# Width, and how many buckets a page has: usually, at most.
WIDTHS = {
    "1m": (timedelta(minutes=1), 60, 1440),
    "1h": (timedelta(hours=1), 24, 168),
    "1d": (timedelta(days=1), 7, 31),
}
SOURCE = "image.generation"
USAGE_GROUPS = ("project_id", "user_id", "api_key_id", "model", "size", "source")
COST_GROUPS = ("project_id", "user_id", "api_key_id", "line_item")
FILTERS = {
    "project_ids": "project_id",
    "user_ids": "user_id",
    "api_key_ids": "api_key_id",
    "models": "model",
    "sizes": "size",
    "line_items": "line_item",
}
# Year 2100, above which nobody asks and below which every time can be computed with.
LATEST = 4_102_444_800


class UsageResult(serializers.Serializer[Any]):
    """One group; what it was not grouped by is null."""

    object = serializers.CharField()
    images = serializers.IntegerField()
    num_model_requests = serializers.IntegerField()
    project_id = serializers.CharField(allow_null=True)
    user_id = serializers.CharField(allow_null=True)
    api_key_id = serializers.CharField(allow_null=True)
    model = serializers.CharField(allow_null=True)
    size = serializers.CharField(allow_null=True)
    source = serializers.CharField(allow_null=True)  # type: ignore[assignment]


class Amount(serializers.Serializer[Any]):
    """USD; ``microusd`` is exact."""

    value = serializers.FloatField()
    currency = serializers.CharField()
    microusd = serializers.IntegerField()


class CostResult(serializers.Serializer[Any]):
    """One group; what it was not grouped by is null."""

    object = serializers.CharField()
    amount = Amount()
    project_id = serializers.CharField(allow_null=True)
    user_id = serializers.CharField(allow_null=True)
    api_key_id = serializers.CharField(allow_null=True)
    line_item = serializers.CharField(allow_null=True)
    quantity = serializers.FloatField(allow_null=True)
    quantity_unit = serializers.CharField(allow_null=True)


class UsageBucket(serializers.Serializer[Any]):
    """One span of time, Unix seconds; the end is not included."""

    object = serializers.CharField(default="bucket")
    start_time = serializers.IntegerField()
    end_time = serializers.IntegerField()
    results = UsageResult(many=True)


class CostBucket(UsageBucket):
    """One day of costs."""

    results = CostResult(many=True)  # type: ignore[assignment]


class UsagePage(serializers.Serializer[Any]):
    """Buckets in order; ``next_page`` goes into ``page``."""

    object = serializers.CharField(default="page")
    # Serializer has a property of this name; for a schema the field is what counts.
    data = UsageBucket(many=True)  # type: ignore[assignment]
    has_more = serializers.BooleanField()
    next_page = serializers.CharField(allow_null=True)


class CostPage(UsagePage):
    """Days in order."""

    data = CostBucket(many=True)


@dataclass(frozen=True)
class Asked:
    """The question of a request, and where the next page begins."""

    question: UsageQuestion
    group_by: tuple[str, ...]
    next_page: str | None


def asked_of(request: Request, *, groups: tuple[str, ...], widths: tuple[str, ...]) -> Asked:
    """Read the query. Raises InvalidRequest for what cannot be answered."""
    width, usual, most = WIDTHS[one_of(request, "bucket_width", widths, "1d")]
    start = whole_number_in(request, "start_time", largest=LATEST)
    if start is None:
        raise InvalidRequest("start_time is needed, in Unix seconds.", param="start_time")
    end = whole_number_in(request, "end_time", largest=LATEST)
    until = datetime.fromtimestamp(end, UTC) if end is not None else now()
    since = aligned(page_start(request) or start, width)
    if until <= since:
        raise InvalidRequest("end_time must be after start_time.", param="end_time")
    wanted = page_size(request.query_params.get("limit"), usual=usual, largest=most)
    left = -((since - until) // width)
    buckets = min(wanted, left)
    group_by = tuple(dict.fromkeys(words_in(request, "group_by")))
    unknown = [name for name in group_by if name not in groups]
    if unknown:
        raise InvalidRequest(f"group_by is one of {', '.join(groups)}.", param="group_by")
    following = since + buckets * width
    return Asked(
        UsageQuestion(
            since=since,
            width=width,
            buckets=buckets,
            group_by=tuple(name for name in group_by if name != "source"),
            filters=filters_of(request),
        ),
        group_by,
        f"page_{int(following.timestamp())}" if left > wanted else None,
    )


def one_of(request: Request, name: str, allowed: tuple[str, ...], usual: str) -> str:
    """A word of the query. Raises InvalidRequest."""
    word = request.query_params.get(name, usual)
    if word not in allowed:
        raise InvalidRequest(f"{name} is one of {', '.join(allowed)}.", param=name)
    return word


def page_start(request: Request) -> int | None:
    """Where the page begins, of ``next_page``. Raises InvalidRequest."""
    text = request.query_params.get("page")
    if text is None:
        return None
    number = text.removeprefix("page_")
    if not (number.isascii() and number.isdigit() and len(number) < 12 and int(number) <= LATEST):  # noqa: PLR2004
        raise InvalidRequest("page is next_page of the page before.", param="page")
    return int(number)


def aligned(second: int, width: timedelta) -> datetime:
    """The beginning of the bucket that holds this moment."""
    step = int(width.total_seconds())
    return datetime.fromtimestamp(second - second % step, UTC)


def filters_of(request: Request) -> dict[str, list[str]]:
    """What the usage is narrowed to."""
    given = {column: words_in(request, name) for name, column in FILTERS.items()}
    return {column: words for column, words in given.items() if words}


def page_body(asked: Asked, buckets: tuple[Bucket, ...], result: Any) -> dict[str, Any]:
    """The reply's JSON."""
    return {
        "object": "page",
        "data": [
            {
                "object": "bucket",
                "start_time": int(bucket.start.timestamp()),
                "end_time": int(bucket.end.timestamp()),
                "results": [result(row, asked.group_by) for row in bucket.rows],
            }
            for bucket in buckets
        ],
        "has_more": asked.next_page is not None,
        "next_page": asked.next_page,
    }


def usage_result(row: BucketRow, group_by: tuple[str, ...]) -> dict[str, Any]:
    """One group of usage."""
    return {
        "object": "organization.usage.images.result",
        "images": row.images,
        "num_model_requests": row.requests,
        **{name: row.groups.get(name) for name in USAGE_GROUPS},
        "source": SOURCE if "source" in group_by else None,
    }


def cost_result(row: BucketRow, group_by: tuple[str, ...]) -> dict[str, Any]:
    """One group of costs; the quantity only by line item, as OpenAI has it."""
    by_item = "line_item" in group_by
    return {
        "object": "organization.costs.result",
        "amount": {
            "value": row.charged / MICRODOLLARS_PER_USD,
            "currency": "usd",
            "microusd": row.charged,
        },
        **{name: row.groups.get(name) for name in COST_GROUPS},
        "quantity": row.images if by_item else None,
        "quantity_unit": "images" if by_item else None,
    }


def parameters(groups: tuple[str, ...], widths: tuple[str, ...]) -> list[OpenApiParameter]:
    """The query's parameters for the schema."""
    many = {"type": "array", "items": {"type": "string", "enum": list(groups)}}
    return [
        OpenApiParameter("start_time", int, required=True, description="Unix seconds, included."),
        OpenApiParameter("end_time", int, description="Unix seconds, not included; now."),
        OpenApiParameter("bucket_width", str, enum=widths),
        OpenApiParameter("group_by[]", many),
        OpenApiParameter("limit", int, description="Buckets a page."),
        OpenApiParameter("page", str, description="next_page of the page before."),
        OpenApiParameter("project_ids[]", WORDS),
        OpenApiParameter("api_key_ids[]", WORDS),
    ]


class ImageUsage(APIView):
    """GET /v1/organization/usage/images."""

    scope: ClassVar[str] = READ

    @extend_schema(
        operation_id="usage_images",
        summary="Images by time",
        parameters=[
            *parameters(USAGE_GROUPS, tuple(WIDTHS)),
            *(OpenApiParameter(name, WORDS) for name in ("user_ids[]", "models[]", "sizes[]")),
        ],
        responses={200: UsagePage},
    )
    def get(self, request: Request) -> Response:
        """Requests that ended and images that were delivered."""
        asked = asked_of(request, groups=USAGE_GROUPS, widths=tuple(WIDTHS))
        buckets = usage_buckets(caller_of(request).organization_id, asked.question)
        return Response(page_body(asked, buckets, usage_result))


class Costs(APIView):
    """GET /v1/organization/costs."""

    scope: ClassVar[str] = READ

    @extend_schema(
        operation_id="costs",
        summary="Costs by day",
        parameters=parameters(COST_GROUPS, ("1d",)),
        responses={200: CostPage},
    )
    def get(self, request: Request) -> Response:
        """What the journal booked: a month here is the month's statement."""
        asked = asked_of(request, groups=COST_GROUPS, widths=("1d",))
        buckets = usage_buckets(caller_of(request).organization_id, asked.question)
        return Response(page_body(asked, buckets, cost_result))
