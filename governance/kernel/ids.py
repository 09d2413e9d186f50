"""Identifiers: UUIDs of version 7 (RFC 9562), so that rows of one moment lie side by side."""

import os
import time
from uuid import UUID


def uuid7() -> UUID:
    """A time-ordered UUID: 48 bits of Unix milliseconds, 74 random bits (RFC 9562, 5.7)."""
    milliseconds = time.time_ns() // 1_000_000
    value = milliseconds.to_bytes(6, "big") + os.urandom(10)
    number = int.from_bytes(value, "big")
    number = (number & ~(0xF << 76)) | (0x7 << 76)
    number = (number & ~(0x3 << 62)) | (0x2 << 62)
    return UUID(int=number)
