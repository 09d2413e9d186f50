"""Which addresses a webhook may reach: public ones, resolved now, and nothing else.

A tenant names the address and we make the request, so an address inside our network would let them
reach what they cannot (server-side request forgery). The name is resolved for every attempt, every
address it has must be allowed, and the connection goes to the very address that was checked, so that
a name that changes between look and call (DNS rebinding) gains nothing.
"""

import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Any
from urllib.parse import urlsplit

from governance.kernel.errors import DomainError

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
Lookup = Callable[..., Sequence[tuple[Any, ...]]]
LONGEST_URL = 2000
PORTS = {"https": 443, "http": 80}
FIRST_FREE_PORT = 1024
# RFC 4291: the only space that is handed out for the public Internet.
GLOBAL_UNICAST = IPv6Network("2000::/3")


class WebhookAddressRefused(DomainError):
    """A webhook may only go to a public https address."""

    code = "webhook_address_refused"
    title = "A webhook cannot be sent to this address"
    status = 400


@dataclass(frozen=True)
class Target:
    """A well-formed address, taken apart. ``path`` holds the query as well."""

    scheme: str
    host: str
    port: int
    path: str


def parsed_target(url: str) -> Target:
    """The parts of ``url``. Raises WebhookAddressRefused for anything but plain http or https."""
    try:
        parts = urlsplit(url)
        port = parts.port
        host = (parts.hostname or "").encode("idna").decode()
    except (ValueError, UnicodeError) as error:
        raise _refused("This is no address.") from error
    if len(url) > LONGEST_URL or any(ord(sign) <= ord(" ") or ord(sign) > ord("~") for sign in url):
        raise _refused(f"Write at most {LONGEST_URL} printable ASCII characters.")
    if parts.scheme not in PORTS or not host:
        raise _refused("Write the address as https://host/path.")
    if parts.username is not None or parts.password is not None:
        raise _refused("Put no password into the address: check the signature instead.")
    port = PORTS[parts.scheme] if port is None else port
    if port < FIRST_FREE_PORT and port not in PORTS.values():
        raise _refused(f"Port {port} belongs to another service.")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Target(parts.scheme, host, port, path)


def address_to_call(
    target: Target, *, opened: Sequence[Network], lookup: Lookup = socket.getaddrinfo
) -> Address:
    """The address to connect to now. Raises WebhookAddressRefused.

    ``opened`` are the private networks that the operator lets webhooks into; http goes there only.
    """
    addresses = _resolved(target, lookup)
    if not addresses:
        raise _refused(f"{target.host} has no address.")
    for address in addresses:
        inside = any(address in network for network in opened)
        if not inside and not is_public(address):
            raise _refused(f"{target.host} is not a public address.")
        if not inside and target.scheme != "https":
            raise _refused("Use https: a webhook carries what happened in your organization.")
    return addresses[0]


def is_public(address: Address) -> bool:
    """Whether anybody on the Internet may own it, also when it is written inside an IPv6 address."""
    if isinstance(address, IPv4Address):
        return address.is_global and not address.is_multicast and not address.is_reserved
    if address.ipv4_mapped is not None:
        return is_public(address.ipv4_mapped)
    embedded: list[Address] = [
        each for each in (address.sixtofour, *(address.teredo or ())) if each
    ]
    return (
        address in GLOBAL_UNICAST
        and address.is_global
        and all(is_public(each) for each in embedded)
    )


def _resolved(target: Target, lookup: Lookup) -> list[Address]:
    try:
        found = lookup(target.host, target.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise _refused(f"{target.host} cannot be found.") from error
    # A scope such as %eth0 belongs to link-local addresses, which are refused as they are.
    return [_unwrapped(ip_address(str(entry[4][0]).partition("%")[0])) for entry in found]


def _unwrapped(address: Address) -> Address:
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def _refused(detail: str) -> WebhookAddressRefused:
    return WebhookAddressRefused(detail, param="url")
