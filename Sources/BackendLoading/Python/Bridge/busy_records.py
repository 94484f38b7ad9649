"""Keeps writes to the same record apart, so that an update, which reads and then writes whole records, loses nothing."""

import asyncio
import contextlib


class BusyRecords:
    """Writes hold the ids of their records. Used on the event loop alone."""

    def __init__(self):
        self._held = set()
        self._waiting = []

    @contextlib.asynccontextmanager
    async def holding(self, ids):
        """Waits until no other call holds one of the ids, then holds them all."""
        ids = set(ids)
        while not ids.isdisjoint(self._held):
            waiter = asyncio.get_running_loop().create_future()
            self._waiting.append(waiter)
            await waiter
        self._held |= ids
        try:
            yield
        finally:
            self._held -= ids
            waiting, self._waiting = self._waiting, []
            for waiter in waiting:
                if not waiter.done():
                    waiter.set_result(None)
