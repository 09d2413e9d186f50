"""What is fuzzed: a function of bytes that either returns or raises what is documented."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

Runs = Callable[[bytes], object]


@dataclass(frozen=True)
class Target:
    """One parser of foreign bytes.

    ``run`` gets one input. It returns (accepted) or raises one of ``refusals``, which the parser
    documents. Whatever else it raises is a finding; so is more processor time than ``seconds``, or
    more new memory than ``memory_mib``. ``run`` is made by ``prepare`` once in each process.
    """

    name: str
    prepare: Callable[[], Runs]
    seeds: Callable[[], Sequence[bytes]]
    refusals: tuple[type[BaseException], ...] = ()
    words: Sequence[bytes] = field(default=())
    # Structure that mutation keeps: "" for any bytes, "json" for JSON values.
    form: str = ""
    seconds: float = 2.0
    memory_mib: int = 64
    # Inputs of the short run in `make test`.
    short: int = 400
    largest: int = 1 << 16
