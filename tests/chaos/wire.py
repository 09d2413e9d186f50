"""As much of PostgreSQL's protocol as it takes to see a COMMIT go by."""

import struct

# Requests before the first message: SSL and GSS encryption; what follows either is asked anew.
NEGOTIATIONS = frozenset({80877103, 80877104})
HEAD = 5
STATEMENTS = frozenset(b"QP")


class Statements:
    """Reads what one client sends, in pieces of any size.

    A simple query is ``Q`` + length + SQL + NUL; the extended protocol's Parse is ``P`` + length + name +
    NUL + SQL + NUL. The length counts itself. The start of a connection has no letter before its length.
    """

    def __init__(self) -> None:
        self.started = False
        self.rest = b""

    def commits_in(self, piece: bytes) -> bool:
        """Whether a COMMIT was completed by this piece."""
        self.rest += piece
        found = False
        while (message := self.next_message()) is not None:
            found = found or is_commit(message)
        return found

    def next_message(self) -> bytes | None:
        """The next whole message; None until it has come."""
        head = HEAD if self.started else HEAD - 1
        if len(self.rest) < head + (0 if self.started else 4):
            return None
        (length,) = struct.unpack("!i", self.rest[head - 4 : head])
        size = length + head - 4
        if len(self.rest) < size:
            return None
        message, self.rest = self.rest[:size], self.rest[size:]
        if not self.started:
            self.started = struct.unpack("!i", message[4:8])[0] not in NEGOTIATIONS
            return b""
        return message


def is_commit(message: bytes) -> bool:
    """Whether this message asks for a commit."""
    if not message or message[0] not in STATEMENTS:
        return False
    parts = message[HEAD:].split(b"\0")
    text = parts[0] if message[:1] == b"Q" else parts[1]
    return text.strip().rstrip(b";").upper() == b"COMMIT"
