"""A network namespace for each host, joined with this machine by a cable of two addresses."""

import os
import subprocess
from dataclasses import dataclass


@dataclass(frozen=True)
class Network:
    """Where one host lives: its namespace (empty: none), its address and this machine's as it sees it."""

    namespace: str
    address: str
    outside: str

    @property
    def enter(self) -> tuple[str, ...]:
        """What starts a command in there."""
        return ("ip", "netns", "exec", self.namespace) if self.namespace else ()

    def remove(self) -> None:
        """The namespace and its cable."""
        if self.namespace:
            ip("netns", "delete", self.namespace)


def ip(*words: str) -> bool:
    """Whether the command succeeded."""
    try:
        return subprocess.run(["ip", *words], capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False


def network_of(number: int) -> Network:
    """A namespace of its own for host ``number``; where none may be made, an address of the loopback."""
    name, cable = f"licet-{os.getpid()}-{number}", f"lc{os.getpid() % 10**6}x{number}"
    inside, outside = f"10.77.{number}.2", f"10.77.{number}.1"
    if not ip("netns", "add", name):
        return Network("", f"127.0.0.{number + 1}", "127.0.0.1")
    steps = (
        ("link", "add", cable, "type", "veth", "peer", "name", "eth0", "netns", name),
        ("address", "add", f"{outside}/30", "dev", cable),
        ("link", "set", cable, "up"),
        ("-n", name, "address", "add", f"{inside}/30", "dev", "eth0"),
        ("-n", name, "link", "set", "eth0", "up"),
        ("-n", name, "link", "set", "lo", "up"),
    )
    if not all(ip(*step) for step in steps):
        ip("netns", "delete", name)
        return Network("", f"127.0.0.{number + 1}", "127.0.0.1")
    return Network(name, inside, outside)
