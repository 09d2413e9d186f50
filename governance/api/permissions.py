"""Which key may call which view."""

from typing import TYPE_CHECKING

from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from governance.operations.api_keys import Caller, ScopeMissing

if TYPE_CHECKING:  # DRF reads this module while its views are being imported
    from rest_framework.views import APIView


class HasApiKey(BasePermission):
    """A valid key, and the scope that the view names in ``scope``, if it names one."""

    def has_permission(self, request: Request, view: "APIView") -> bool:
        """True when the key carries the scope. Raises ScopeMissing with the scope's name."""
        caller: object = request.user
        if not isinstance(caller, Caller):
            return False
        scope = getattr(view, "scope", None)
        if scope is not None and scope not in caller.scopes:
            raise ScopeMissing(
                f"This request needs the scope {scope}. Give it to the key in the portal.",
                scope=scope,
            )
        return True
