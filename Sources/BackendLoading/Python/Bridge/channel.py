"""Frames on the socket to the server: 4 bytes of length, little-endian, and so many bytes of JSON."""

import logging
import os
import threading

from _agent_memory_bridge import exact_json
from _agent_memory_bridge.failures import bounded

LONGEST_LOG_LINE = 2000


class Channel:
    """Sending is safe from any thread; only one thread may receive. Without the server the process has no task: it ends."""

    def __init__(self, descriptor):
        self._descriptor = descriptor
        self._lock = threading.Lock()
        # Programs that the user's module starts must not keep the socket open.
        os.set_inheritable(descriptor, False)

    def send(self, frame):
        """Raises ValueError or TypeError, and sends nothing, if the frame has no form in JSON."""
        data = exact_json.encode(frame).encode()
        view = memoryview(len(data).to_bytes(4, "little") + data)
        with self._lock:
            try:
                while view:
                    view = view[os.write(self._descriptor, view) :]
            except OSError:
                os._exit(0)

    def receive(self):
        """The next frame; ends the process at the end of the stream."""
        return exact_json.decode(self._read(int.from_bytes(self._read(4), "little")))

    def _read(self, count):
        data = bytearray()
        while len(data) < count:
            try:
                part = os.read(self._descriptor, min(count - len(data), 1 << 20))
            except OSError:
                part = b""
            if not part:
                os._exit(0)
            data += part
        return bytes(data)


class ChannelLog(logging.Handler):
    """Sends what is logged to the server's log."""

    def __init__(self, channel):
        super().__init__(logging.INFO)
        self._channel = channel

    def emit(self, record):
        try:
            self._channel.send({"type": "log", "level": _level(record.levelno), "message": self._message(record)})
        except Exception:
            self.handleError(record)

    def _message(self, record):
        return bounded(self.format(record), LONGEST_LOG_LINE)


def _level(number):
    if number >= logging.ERROR:
        return "error"
    if number >= logging.WARNING:
        return "warning"
    return "info" if number >= logging.INFO else "debug"
