"""The server's side of the bridge, for tests: starts the child process as the server does, and talks to it over its socket."""

import base64
import json
import os
import pathlib
import socket
import struct
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).parents[2]
BRIDGE = ROOT / "Sources/BackendLoading/Python/Bridge"
EXAMPLE = ROOT / "Examples/python-backend"
MODULES = {file.stem: file.read_text() for file in sorted(BRIDGE.glob("*.py")) if file.stem != "bootstrap"}
# Puts the socket where the bootstrap expects it; the server does that when it starts a process.
START = "import os, sys; os.dup2(int(sys.argv[1]), 3, True); os.execv(sys.executable, [sys.executable, '-c', sys.argv[2]])"
SETTINGS = {
    "embedding_model": "tests/steered",
    "dimensions": 4,
    "distance_metric": "COSINE",
    "timeout_ms": 5000,
    "scope": None,
}
# So long a test waits for the child before it fails.
PATIENCE = 60


class Ended(Exception):
    """The child has closed its end of the socket."""


class Server:
    """A child process; a context manager that ends it."""

    def __init__(self, factory=None, source=None, *, settings=None, path=(), environment=None):
        self.folder = tempfile.TemporaryDirectory()
        if source is not None:
            (pathlib.Path(self.folder.name) / "my_backends.py").write_text(source)
        self.logs = []
        self.embedded = []
        self.fault = None
        self._calls = 0
        self._answers = {}
        self._socket, theirs = socket.socketpair()
        self._socket.settimeout(PATIENCE)
        variables = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join([self.folder.name, *map(str, path)]),
            "PYTHONDONTWRITEBYTECODE": "1",
            **(environment or {}),
        }
        self.output = open(os.path.join(self.folder.name, "output"), "w+b")
        self.process = subprocess.Popen(
            [sys.executable, "-c", START, str(theirs.fileno()), (BRIDGE / "bootstrap.py").read_text()],
            pass_fds=[theirs.fileno()],
            env=variables,
            cwd=self.folder.name,
            stdin=subprocess.DEVNULL,
            stdout=self.output,
            stderr=self.output,
        )
        theirs.close()
        self.send({"modules": MODULES, "main": "bridge"})
        factory = "my_backends.create_my_backend" if factory is None else factory
        self.send({"type": "start", "factory": factory, "settings": SETTINGS | (settings or {})})

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._socket.close()
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(PATIENCE)
        self.output.close()
        self.folder.cleanup()

    # Frames.

    def send(self, frame):
        text = frame if isinstance(frame, str) else json.dumps(frame)
        data = text.encode()
        self._socket.sendall(struct.pack("<I", len(data)) + data)

    def receive_text(self):
        return self._read(struct.unpack("<I", self._read(4))[0]).decode()

    def receive(self):
        return json.loads(self.receive_text())

    def next(self):
        """The next frame that is neither a log line nor a wish for embeddings; those are dealt with."""
        while True:
            frame = self.receive()
            if frame["type"] == "log":
                self.logs.append(frame)
            elif frame["type"] == "embed":
                self.embed(frame)
            else:
                return frame

    def embed(self, frame):
        self.embedded.append(frame)
        if callable(self.fault):
            return self.fault(self, frame)
        answer = {"type": "embedded", "embed": frame["embed"]}
        if self.fault == "down":
            return self.send(answer | {"status": "embedding_failed", "message": "the embedding service is down"})
        vectors = [vector(text) for text in frame["texts"]]
        if self.fault == "length":
            vectors = [numbers + [1.0] for numbers in vectors]
        elif self.fault == "zero":
            vectors = [[0.0] * len(numbers) for numbers in vectors]
        elif self.fault == "nan":
            vectors = [[float("nan")] * len(numbers) for numbers in vectors]
        matrix = base64.b64encode(b"".join(struct.pack(f"<{len(row)}f", *row) for row in vectors)).decode()
        answer |= {"status": "ok", "rows": len(vectors), "columns": len(vectors[0]), "matrix": matrix}
        return self.send(answer)

    def _read(self, count):
        data = b""
        while len(data) < count:
            part = self._socket.recv(count - len(data))
            if not part:
                raise Ended
            data += part
        return data

    # Operations.

    def started(self):
        frame = self.next()
        if frame["type"] != "started":
            raise AssertionError(f"{frame}\n{self.printed()}")
        return frame["description"]

    def refused(self):
        """The failure and its message, once the child has ended."""
        frame = self.next()
        if frame["type"] != "refused":
            raise AssertionError(frame)
        if self.process.wait(PATIENCE) == 0:
            raise AssertionError("the exit status is 0")
        return frame["failure"], frame["message"]

    def begin(self, operation, request=None):
        self._calls += 1
        frame = {"type": "call", "call": self._calls, "operation": operation, "timeout_ms": 5000, "request": request or {}}
        self.send(frame)
        return self._calls

    def answer(self, call):
        while call not in self._answers:
            frame = self.next()
            self._answers[frame["call"]] = frame
        return self._answers.pop(call)

    def call(self, operation, request=None):
        """The answer; raises AssertionError if it is not ok."""
        frame = self.answer(self.begin(operation, request))
        if frame["status"] != "ok":
            raise AssertionError(f"{frame['message']}\n{frame.get('detail')}")
        return frame["answer"]

    def failure(self, operation, request=None):
        """The status and the message of a call that must fail."""
        frame = self.answer(self.begin(operation, request))
        if frame["status"] == "ok":
            raise AssertionError(f"it did not fail: {frame['answer']}")
        return frame["status"], frame["message"]

    def add(self, *records):
        return self.call("add", {"records": list(records)})["ids"]

    def listed(self, filter=None, limit=100, offset=0):
        answer = self.call("list", {"filter": filter or everything(), "limit": limit, "offset": offset})
        return [record["id"] for record in answer["records"]], answer["total"]

    def record(self, identity):
        records = self.call("list", {"filter": tags(id={"all": [identity]}), "limit": 1, "offset": 0})["records"]
        return records[0] if records else None

    def count(self, filter=None):
        return self.call("count", {"filter": filter or everything()})["count"]

    def update(self, *updates):
        return self.call("update", {"updates": [{"set": {}, "access": None, **update} for update in updates]})["updated"]

    def printed(self):
        """What the child wrote to its standard output and error so far."""
        self.output.flush()
        return pathlib.Path(self.output.name).read_text()

    def hang_up(self):
        """Ends as a server does that was killed."""
        self._socket.close()

    def close(self):
        """The exit status after a close."""
        self.send({"type": "close"})
        try:
            while True:
                frame = self.next()
                self._answers[frame["call"]] = frame
        except Ended:
            return self.process.wait(PATIENCE)


def vector(text):
    """The numbers of a text such as "[1, 0.5] words", filled up with zeros; (1, 1, 1, 1) for any other text."""
    if not text.startswith("["):
        return [1.0] * 4
    numbers = json.loads(text[: text.index("]") + 1])
    return [float(number) for number in numbers] + [0.0] * (4 - len(numbers))


def record(identity, text="[1] text", **values):
    """A record in JSON."""
    return {
        "id": identity, "text": text, "session_id": None, "user_id": None, "namespace": None, "memory_type": "semantic",
        "topics": [], "entities": [], "extracted_from": [], "discrete_memory_extracted": "t",
        "extraction_strategy": "discrete", "extraction_strategy_config": {}, "metadata": {}, "memory_hash": "0" * 64,
        "pinned": False, "access_count": 0, "created_at": 0, "last_accessed": 0, "updated_at": 0, "persisted_at": None,
        "event_date": None, **values,
    }


def everything():
    return {"tags": {}, "dates": {}}


def tags(**conditions):
    """A filter on tags: tags(user_id={"all": ["ada"]})."""
    empty = {"all": [], "any": [], "none": [], "startswith": None}
    return {"tags": {field: empty | condition for field, condition in conditions.items()}, "dates": {}}


def dates(**bounds):
    """A filter on dates: dates(created_at=[("gte", 0)])."""
    return {
        "tags": {},
        "dates": {
            field: [{"comparison": name, "value": value} for name, value in pairs] for field, pairs in bounds.items()
        },
    }


def search(text, mode="semantic", filter=None, limit=10, offset=0, **ranking):
    ranking = {"mode": mode, **({"distance_threshold": None} if mode == "semantic" else {}), **ranking}
    return {"text": text, "ranking": ranking, "filter": filter or everything(), "limit": limit, "offset": offset}
