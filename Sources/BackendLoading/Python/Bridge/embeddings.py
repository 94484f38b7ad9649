"""The embeddings object that the factory is given: the server's own embeddings, with the reference's methods."""

import array
import asyncio
import base64
import concurrent.futures
import contextvars
import itertools
import math
import sys
import threading

from _agent_memory_bridge.failures import EmbeddingError, bounded

# The call that is being worked on; a task or a thread that a call starts inherits it.
current_call = contextvars.ContextVar("current_call", default=None)


class Call:
    """What embeddings need to know of the call that asks for them."""

    def __init__(self, number):
        self.number = number
        # Why the last embeddings of the call failed.
        self.failure = None


class Embeddings:
    """Vectors of texts. The methods without `a` block their thread, and may be used anywhere, the factory included."""

    def __init__(self, channel, settings):
        self.model = settings["embedding_model"]
        self.distance_metric = settings["distance_metric"]
        self.api_base = None
        self.api_key = None
        self._dimensions = settings["dimensions"]
        self._channel = channel
        self._numbers = itertools.count(1)
        self._waiting = {}
        self._lock = threading.Lock()

    @property
    def dimensions(self):
        """The length of every vector."""
        return self._dimensions

    def embed_documents(self, texts):
        """A list of floats for each text. Raises EmbeddingError."""
        texts = _checked(texts)
        return self._vectors(self._ask(texts).result(), len(texts)) if texts else []

    def embed_query(self, text):
        return self.embed_documents([text])[0]

    async def aembed_documents(self, texts):
        texts = _checked(texts)
        return self._vectors(await asyncio.wrap_future(self._ask(texts)), len(texts)) if texts else []

    async def aembed_query(self, text):
        return (await self.aembed_documents([text]))[0]

    def received(self, frame):
        """Passes the server's answer on to who waits for it; called on the thread that reads."""
        with self._lock:
            future = self._waiting.pop(frame["embed"], None)
        # A cancelled call does not wait for it.
        if future is not None and future.set_running_or_notify_cancel():
            future.set_result(frame)

    def _ask(self, texts):
        call = current_call.get()
        future = concurrent.futures.Future()
        with self._lock:
            number = next(self._numbers)
            self._waiting[number] = future
        self._channel.send({"type": "embed", "embed": number, "call": call.number if call else 0, "texts": texts})
        return future

    def _vectors(self, frame, count):
        call = current_call.get()
        try:
            vectors = self._checked_vectors(frame, count)
        except EmbeddingError as error:
            if call:
                call.failure = str(error)
            raise
        if call:
            call.failure = None
        return vectors

    def _checked_vectors(self, frame, count):
        if frame["status"] != "ok":
            raise EmbeddingError(bounded(frame.get("message") or "the embeddings failed"))
        rows, columns = frame["rows"], frame["columns"]
        if rows != count:
            raise EmbeddingError(f"{count} texts were to be embedded, and {rows} vectors came")
        if columns != self._dimensions:
            raise EmbeddingError(f"the embeddings have {columns} dimensions, and {self._dimensions} are configured")
        numbers = array.array("f", base64.b64decode(frame["matrix"]))
        if sys.byteorder == "big":
            numbers.byteswap()
        if len(numbers) != rows * columns:
            raise EmbeddingError(f"{rows} vectors of {columns} numbers were announced, and {len(numbers)} numbers came")
        vectors = [numbers[row * columns : (row + 1) * columns].tolist() for row in range(rows)]
        for vector in vectors:
            if not math.isfinite(sum(vector)):
                raise EmbeddingError("an embedding holds a number that is not finite")
            if not any(vector):
                raise EmbeddingError("an embedding is zero in every dimension")
        return vectors


def _checked(texts):
    if isinstance(texts, str):
        raise TypeError("embed_documents takes a list of texts; embed_query takes one")
    texts = list(texts)
    for index, text in enumerate(texts):
        if not isinstance(text, str) or not text:
            raise ValueError(f"text {index} to embed is {'empty' if text == '' else type(text).__name__}")
    return texts
