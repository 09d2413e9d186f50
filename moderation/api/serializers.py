"""What moderation's API takes and gives."""

from typing import Any

from rest_framework import serializers

from governance.api.fields import Text

LONGEST = 4000
ITEMS = [str(number) for number in range(1, 10)]


class AppealRequest(serializers.Serializer[Any]):
    """Why a refusal should be looked at again."""

    statement = Text(max_length=LONGEST)


class ReportRequest(serializers.Serializer[Any]):
    """Which delivered image breaks the policy, and how."""

    generation = serializers.UUIDField()
    index = serializers.IntegerField(min_value=0, max_value=9, default=0)
    sha256 = serializers.RegexField(r"^[0-9a-f]{64}$")
    item = serializers.ChoiceField(ITEMS)
    statement = Text(max_length=LONGEST)
    contact = Text(max_length=320, required=False, default="", allow_blank=True)


class DecisionReply(serializers.Serializer[Any]):
    """One decision of the gate in plain words; scores are shares from 0 to 1."""

    id = serializers.UUIDField()
    generation = serializers.UUIDField()
    stage = serializers.CharField()
    outcome = serializers.CharField()
    item = serializers.CharField()
    reason = serializers.CharField()
    policy = serializers.CharField()
    at = serializers.DateTimeField()
    appeal = serializers.CharField(allow_null=True)


class DecisionList(serializers.Serializer[Any]):
    """What was withheld, newest first, at most fifty."""

    # Serializer has a property of this name; for a schema the field is what counts.
    data = DecisionReply(many=True)  # type: ignore[assignment]
