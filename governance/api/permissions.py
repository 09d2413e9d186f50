"""Which key may call which view."""

from typing import TYPE_CHECKING, ClassVar

from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request

from governance.operations.api_keys import Caller, ScopeMissing

if TYPE_CHECKING:  # DRF reads this module while its views are being imported
    from rest_framework.views import APIView

READ, WRITE = "organization:read", "organization:write"


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


class ScopeByMethod:
    """A view whose reading methods need ``read_scope`` and whose others need ``write_scope``."""

    read_scope: ClassVar[str]
    write_scope: ClassVar[str]

    @property
    def scope(self) -> str:
        """What HasApiKey asks for."""
        request: Request = self.request  # type: ignore[attr-defined] # (APIView's)
        return self.read_scope if request.method in SAFE_METHODS else self.write_scope
