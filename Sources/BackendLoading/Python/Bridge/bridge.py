"""The program: starts the user's backend, then processes calls until the server sends close or has ended."""

import asyncio
import faulthandler
import logging
import os
import signal
import sys
import threading
import traceback

from _agent_memory_bridge import factory
from _agent_memory_bridge.backend import Backend
from _agent_memory_bridge.channel import Channel, ChannelLog
from _agent_memory_bridge.embeddings import Call, Embeddings, current_call
from _agent_memory_bridge.failures import answer, bounded, CallError, detail, EmbeddingError, named, Refusal
from _agent_memory_bridge.operations import Operations

# Threads of the backend may be stuck when all is closed; the process does not wait for them for longer.
SECONDS_TO_END = 2
# It has the folders of sys.path in it.
LONGEST_REFUSAL = 4000
logger = logging.getLogger("agent-memory")


def main(descriptor):
    """Runs until the end; `descriptor` is the socket to the server, from which the modules have been read."""
    # What the user's module prints belongs into the server's standard error.
    os.dup2(2, 1)
    faulthandler.enable()
    # A terminal's or a supervisor's signal reaches the whole group. The server ends, and with it its end of the socket.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: None)
    channel = Channel(descriptor)
    logging.basicConfig(level=logging.INFO, format="%(name)s: %(message)s", handlers=[ChannelLog(channel)])
    start = channel.receive()
    sys.exit(asyncio.run(_run(Bridge(channel, start))))


async def _run(bridge):
    status = await bridge.run()
    watchdog = threading.Timer(SECONDS_TO_END, os._exit, [status])
    watchdog.daemon = True
    watchdog.start()
    return status


class Bridge:
    def __init__(self, channel, start):
        self._channel = channel
        self._factory = start["factory"]
        self._settings = start["settings"]
        self._embeddings = Embeddings(channel, self._settings)
        self._operations = None
        self._tasks = {}
        self._closing = asyncio.Event()

    async def run(self):
        """The exit status."""
        loop = asyncio.get_running_loop()
        threading.Thread(target=self._receive, args=[loop], daemon=True, name="bridge").start()
        if self._settings["scope"] is not None:
            os.environ["MEMORY_VECTOR_DB_SCOPE"] = self._settings["scope"]
        try:
            instance = await factory.create(self._factory, self._embeddings)
            backend = Backend(instance)
            description = factory.description(instance, backend)
        except Refusal as refusal:
            if refusal.__cause__ is not None:
                logger.error("%s", detail(refusal.__cause__))
            # Paths and the texts of exceptions may hold what UTF-8 cannot carry.
            message = bounded(refusal, LONGEST_REFUSAL)
            self._channel.send({"type": "refused", "failure": refusal.failure, "message": message})
            return 1
        self._operations = Operations(backend, self._settings["distance_metric"])
        self._channel.send({"type": "started", "description": description})
        await self._closing.wait()
        await self._close(backend)
        return 0

    def _receive(self, loop):
        """The thread that reads. Embeddings go to who waits for them, who may be blocking the loop."""
        try:
            while True:
                frame = self._channel.receive()
                if frame["type"] == "embedded":
                    self._embeddings.received(frame)
                else:
                    loop.call_soon_threadsafe(self._received, frame)
        except BaseException:
            # Without this thread the process is deaf; the server starts another one.
            traceback.print_exc()
            os._exit(1)

    def _received(self, frame):
        if frame["type"] == "call":
            number = frame["call"]
            task = asyncio.create_task(self._call(number, frame["operation"], frame["request"]))
            self._tasks[number] = task
            task.add_done_callback(lambda task: self._ended(number, frame["operation"], task))
        elif frame["type"] == "cancel":
            if task := self._tasks.get(frame["call"]):
                task.cancel()
        elif frame["type"] == "close":
            self._closing.set()

    async def _call(self, number, operation, request):
        call = Call(number)
        current_call.set(call)
        try:
            result = await self._operations.perform(operation, request)
            if call.failure is not None:
                # The backend has kept the failure to itself: its answer may lack what was to be found.
                raise EmbeddingError(call.failure)
            return {"status": "ok", "answer": result}
        # A SystemExit of the user's code ends the call, not the process.
        except (Exception, SystemExit) as error:
            return answer(error, operation)

    def _ended(self, number, operation, task):
        del self._tasks[number]
        # A task that is cancelled before its first step runs none of its code, so it cannot answer for itself.
        members = answer(asyncio.CancelledError(), operation) if task.cancelled() else task.result()
        try:
            self._channel.send({"type": "answer", "call": number, **members})
        except (TypeError, ValueError, RecursionError) as error:
            # The backend gave something that JSON does not have, such as a metadata value of another type.
            told = CallError("internal_error", f"the backend gave what JSON does not have: {error}")
            told.__cause__ = error
            self._channel.send({"type": "answer", "call": number, **answer(told, operation)})

    async def _close(self, backend):
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for name in ("aclose", "close"):
            if backend.has(name):
                try:
                    await backend.call(name)
                except Exception as error:
                    logger.error("%s of the backend raised %s\n%s", name, named(error), detail(error))
                break
        backend.end()
