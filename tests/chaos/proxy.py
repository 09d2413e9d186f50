"""A TCP proxy before PostgreSQL or Valkey that cuts and delays, also right after a COMMIT was sent."""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress

from tests.chaos.wire import Statements

Reader, Writer = asyncio.StreamReader, asyncio.StreamWriter
Connect = Callable[[], Awaitable[tuple[Reader, Writer]]]
PIECE = 65536


class Proxy:
    """Listens on a free port of 127.0.0.1 in a thread of its own; ``connect`` reaches the server.

    Other threads ask for faults; each is carried out in the proxy's own loop.
    """

    def __init__(self, connect: Connect, *, speaks_postgres: bool) -> None:
        self.connect = connect
        self.speaks_postgres = speaks_postgres
        self.lines: set[Writer] = set()
        self.serving: set[asyncio.Task[None] | None] = set()
        self.delay_s = 0.0
        # How many commits still lose their answer, and how many did.
        self.doomed = self.lost_commits = 0
        self.port = 0
        self.server: asyncio.Server | None = None
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.run, name="proxy", daemon=True)
        self.ready = threading.Event()

    def start(self) -> "Proxy":
        """Listen; returns when it does."""
        self.thread.start()
        self.ready.wait()
        return self

    def run(self) -> None:
        """The proxy's thread."""
        self.loop.run_until_complete(self.listen())
        self.loop.run_forever()

    async def listen(self) -> None:
        """Open the port."""
        self.server = await asyncio.start_server(self.serve, "127.0.0.1", 0)
        self.port = self.server.sockets[0].getsockname()[1]
        self.ready.set()

    def stop(self) -> None:
        """End the thread; connections go with it."""
        asyncio.run_coroutine_threadsafe(self.shut(), self.loop).result()
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.loop.close()

    async def shut(self) -> None:
        """Close the port, end all connections and wait for those who carried them."""
        assert self.server is not None
        self.server.close()
        self.cut_all()
        await asyncio.gather(*self.serving, return_exceptions=True)

    def cut(self) -> None:
        """Every connection ends now, as when a cable is pulled."""
        self.loop.call_soon_threadsafe(self.cut_all)

    def cut_all(self) -> None:
        """In the proxy's thread."""
        for line in list(self.lines):
            line.transport.abort()

    def slow(self, seconds: float) -> None:
        """Each piece of an answer takes this much longer from now on; 0 ends it."""
        self.delay_s = seconds

    def lose_commits(self, count: int) -> None:
        """The next ``count`` commits reach the server, and their answers never come."""
        self.doomed = count

    async def serve(self, reader: Reader, writer: Writer) -> None:
        """One client's connection, until one side ends it."""
        self.serving.add(asyncio.current_task())
        try:
            from_server, to_server = await self.connect()
        except OSError:
            writer.transport.abort()
            return
        line = Line(self, (reader, writer), (from_server, to_server))
        self.lines |= {writer, to_server}
        try:
            await line.carry()
        finally:
            self.serving.discard(asyncio.current_task())
            self.lines -= {writer, to_server}
            for end in (writer, to_server):
                end.transport.abort()


class Line:
    """One client, one connection to the server."""

    def __init__(
        self, proxy: Proxy, client: tuple[Reader, Writer], server: tuple[Reader, Writer]
    ) -> None:
        self.proxy, self.client, self.server = proxy, client, server
        self.statements = Statements() if proxy.speaks_postgres else None
        self.answer_is_lost = False

    async def carry(self) -> None:
        """Both ways, until the first of them ends."""
        ways = [asyncio.create_task(self.upwards()), asyncio.create_task(self.downwards())]
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        for way in ways:
            way.cancel()
        await asyncio.gather(*ways, return_exceptions=True)

    async def upwards(self) -> None:
        """What the client says; its commits are noticed."""
        with suppress(OSError):
            while piece := await self.client[0].read(PIECE):
                commits = self.statements is not None and self.statements.commits_in(piece)
                if commits and self.proxy.doomed > 0:
                    self.proxy.doomed -= 1
                    self.answer_is_lost = True
                self.server[1].write(piece)
                await self.server[1].drain()

    async def downwards(self) -> None:
        """What the server says: late, or lost where it answers a doomed commit."""
        with suppress(OSError):
            while piece := await self.server[0].read(PIECE):
                if self.answer_is_lost:
                    self.proxy.lost_commits += 1
                    return
                if self.proxy.delay_s:
                    await asyncio.sleep(self.proxy.delay_s)
                self.client[1].write(piece)
                await self.client[1].drain()
