"""Lists as OpenAI's administration pages them, and its arrays in the query."""

from collections.abc import Callable, Iterable
from typing import Any, TypeVar
from uuid import UUID

from drf_spectacular.utils import OpenApiParameter
from rest_framework import serializers
from rest_framework.request import Request

from governance.api.paging import page_size
from governance.kernel.errors import InvalidRequest

T = TypeVar("T")
LIMIT = OpenApiParameter("limit", int, description="Rows a page, 1 to 100; 20 by default.")
AFTER = OpenApiParameter("after", str, description="last_id of the page before.")


class ListBody(serializers.Serializer[Any]):
    """A page; ``last_id`` goes into ``after`` for the next one."""

    object = serializers.CharField(default="list")
    first_id = serializers.CharField(allow_null=True)
    last_id = serializers.CharField(allow_null=True)
    has_more = serializers.BooleanField()


class Deleted(serializers.Serializer[Any]):
    """What is gone."""

    object = serializers.CharField()
    id = serializers.CharField()
    deleted = serializers.BooleanField()


def list_body(
    rows: Iterable[T], body: Callable[[T], dict[str, Any]], *, more: bool
) -> dict[str, Any]:
    """The page of ``rows``."""
    data = [body(row) for row in rows]
    return {
        "object": "list",
        "data": data,
        "first_id": data[0]["id"] if data else None,
        "last_id": data[-1]["id"] if data else None,
        "has_more": more,
    }


def page_of(request: Request) -> dict[str, Any]:
    """``after`` and ``limit`` of the query. Raises InvalidRequest."""
    return {
        "after": uuid_in(request, "after"),
        "limit": page_size(request.query_params.get("limit")),
    }


def uuid_in(request: Request, name: str) -> UUID | None:
    """An id in the query, None where there is none. Raises InvalidRequest."""
    text = request.query_params.get(name)
    if text is None:
        return None
    return as_uuid(text, name)


def as_uuid(text: str, name: str) -> UUID:
    """``text`` as an id. Raises InvalidRequest."""
    try:
        return UUID(text)
    except ValueError as error:
        raise InvalidRequest(f"{name} is no id.", param=name) from error


def words_in(request: Request, name: str) -> list[str]:
    """An array in the query: ``name[]=a&name[]=b``, repeated names, or by comma."""
    query = request.query_params
    given = [*query.getlist(f"{name}[]"), *query.getlist(name)]
    return [word for text in given for word in text.split(",") if word]


def whole_number_in(request: Request, name: str, *, largest: int = 2**40) -> int | None:
    """A whole number from 0 in the query. Raises InvalidRequest."""
    text = request.query_params.get(name)
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 15 and int(text) <= largest):  # noqa: PLR2004
        raise InvalidRequest(f"{name} must be a whole number.", param=name)
    return int(text)


def seconds(moment: Any) -> int | None:
    """A time as Unix seconds."""
    return int(moment.timestamp()) if moment is not None else None
