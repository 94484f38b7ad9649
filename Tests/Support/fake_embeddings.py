#!/usr/bin/env python3
"""A fake service of models that speaks the protocols of real ones over a real socket, for tests and benchmarks.

    fake_embeddings.py [--port 0] [--dimensions 64] [--delay-ms 0] [--api-key KEY] [--tls-cert F --tls-key F]
                       [--exit-with-stdin]

It prints "PORT=n" once it listens. Vectors are a function of the text's bytes: the same text always gets the same one,
and different texts get nearly orthogonal ones. Serialised vectors are kept, so that a benchmark measures its client.

POST .../embeddings   OpenAI's embeddings; "dimensions" and "encoding_format" (float, base64) are honoured
POST .../rerank       scores of "documents" (as Cohere's) or "texts" (as Text Embeddings Inference's): the share of the
                      query's words that a text has; counts and faults are those of embeddings
POST .../chat/completions, .../messages   chat as OpenAI's and as Anthropic's: the answer is "ok", or the "text" of the
                      fault "answer", with its "reason" for having ended (stop, length, ...); faults as those of embeddings
                      the fault "answers" has a list of {"when", "text", "reason"}: the answer is the text of the first
                      whose "when" is in the prompt; the fault "no_formats" refuses these types of response_format
POST /control         {"mode": M, "times": n, ...} sets the fault of the next n embedding requests (default: all);
                      {"mode": "ok"} ends it; {"delay_ms": n} and {"reset": true} are accepted as well
GET  /stats           counts since the start or the last reset, and the last request
GET  /stats?open=n    the same, once at most n connections other than the asking one are open
GET  /stats?prompts=n  the same, once n chat requests have arrived; "prompts" are the last of them
GET  /stats?requests=n  the same, once n embedding requests have arrived
GET  /health, /bytes/N, /echo, /redirect, /headers, /chunks/N   plain answers for tests of HTTP clients

A fault with "for": "chat" or "for": "embeddings" is one of these requests alone.

Modes: ok, answer (text, reason), answers (answers), no_formats (formats, text), status (status, headers, body, message), wrong_count, wrong_length, nan, zero, null, not_json,
truncated_json, truncated_body, close, hang, drip (chunk, interval_ms), base64, reversed, no_index, same_index,
huge (bytes), echo_key, echo_text.
"""

import argparse
import asyncio
import base64
import hashlib
import json
import ssl
import struct
import sys
import threading
from collections import OrderedDict

CACHED_VECTORS = 4096


class Vectors:
    """Components are one of 256 levels, so that a vector is written by looking its bytes up."""

    def __init__(self):
        self.cache = OrderedDict()
        self.tables = {}

    def _tables(self, dimensions):
        if dimensions not in self.tables:
            scale = (3 / dimensions) ** 0.5 / 127.5
            values = [struct.unpack("<f", struct.pack("<f", (level - 127.5) * scale))[0] for level in range(256)]
            self.tables[dimensions] = ([repr(v) for v in values], [struct.pack("<f", v) for v in values])
        return self.tables[dimensions]

    def serialised(self, text, dimensions, encoding):
        key = (text, dimensions, encoding)
        known = self.cache.get(key)
        if known is not None:
            self.cache.move_to_end(key)
            return known
        digest = hashlib.shake_128(text.encode("utf-8", "surrogatepass")).digest(dimensions)
        floats, packed = self._tables(dimensions)
        if encoding == "base64":
            made = '"' + base64.b64encode(b"".join(map(packed.__getitem__, digest))).decode() + '"'
        else:
            made = "[" + ",".join(map(floats.__getitem__, digest)) + "]"
        made = made.encode()
        self.cache[key] = made
        if len(self.cache) > CACHED_VECTORS:
            self.cache.popitem(last=False)
        return made


class Server:
    def __init__(self, options):
        self.options = options
        self.vectors = Vectors()
        self.delay = options.delay_ms / 1000
        self.fault = {"mode": "ok"}
        self.fault_times = None
        self.changed = asyncio.Event()
        self.open = 0
        self.reset()

    def reset(self):
        self.requests = 0
        self.texts = 0
        self.connections = 0
        self.in_flight = 0
        self.most_in_flight = 0
        self.last = None
        self.chats = 0
        self.prompts = []

    def notify(self):
        self.changed.set()
        self.changed = asyncio.Event()

    # -- HTTP/1.1

    async def serve(self, reader, writer):
        self.connections += 1
        self.open += 1
        try:
            while await self.one_request(reader, writer):
                pass
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.LimitOverrunError):
            pass
        finally:
            self.open -= 1
            self.notify()
            writer.close()

    async def one_request(self, reader, writer):
        first = await reader.readexactly(1)
        if not first.isalpha():  # a TLS client, most likely
            self.error(writer, 400, "this is not HTTP")
            return False
        head = (first + await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        method, target, _ = head[0].split(" ", 2)
        headers = {}
        for line in head[1:]:
            if line:
                name, _, value = line.partition(":")
                headers[name.lower()] = value.strip()
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        path, _, query = target.partition("?")
        if path.endswith(("/embeddings", "/rerank", "/chat/completions", "/messages")) and method == "POST":
            keep = await self.embeddings(reader, writer, target, headers, body)
        else:
            keep = await self.other(writer, method, path, query, headers, body)
        await writer.drain()
        return keep and headers.get("connection", "").lower() != "close"

    def head(self, status, length, headers=()):
        lines = [f"HTTP/1.1 {status} Status", "Content-Type: application/json"]
        if length is not None:
            lines.append(f"Content-Length: {length}")
        lines += [f"{name}: {value}" for name, value in headers]
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")

    def answer(self, writer, status, body, headers=()):
        writer.write(self.head(status, len(body), headers) + body)
        return True

    def answer_json(self, writer, status, value, headers=()):
        return self.answer(writer, status, json.dumps(value).encode(), headers)

    def error(self, writer, status, message, headers=(), kind="invalid_request_error", code=None):
        return self.answer_json(
            writer, status, {"error": {"message": message, "type": kind, "param": None, "code": code}}, headers)

    # -- embeddings

    async def embeddings(self, reader, writer, target, headers, body):
        self.requests += 1
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            request = json.loads(body)
            is_chat = "messages" in request
            fault = self.fault
            if fault.get("for", "chat" if is_chat else "embeddings") != ("chat" if is_chat else "embeddings"):
                fault = {"mode": "ok"}
            elif self.fault_times is not None:
                self.fault_times -= 1
                if self.fault_times <= 0:
                    self.fault, self.fault_times = {"mode": "ok"}, None
            chat = [message["content"] for message in request.get("messages", [])]
            texts = request.get("documents") or request.get("texts") or chat or request["input"]
            texts = [texts] if isinstance(texts, str) else texts
            self.texts += len(texts)
            if is_chat:
                self.chats += 1
                self.prompts = (self.prompts + chat)[-100:]
            self.last = {"target": target, "headers": headers, "body": request}
            self.notify()
            if self.delay:
                await asyncio.sleep(self.delay)
            return await self.embed(reader, writer, fault, headers, request, texts)
        finally:
            self.in_flight -= 1

    async def embed(self, reader, writer, fault, headers, request, texts):
        mode = fault["mode"]
        key = self.options.api_key
        given = headers.get("api-key") or headers.get("x-api-key") or headers.get("authorization", "").removeprefix("Bearer ")
        if mode == "status":
            extra = list(fault.get("headers", {}).items())
            if "body" in fault:
                return self.answer(writer, fault["status"], fault["body"].encode(), extra)
            return self.error(
                writer, fault["status"], fault.get("message", "the fake service was told to fail"), extra,
                code=fault.get("code"))
        if mode == "echo_key" or (key and given != key):
            return self.error(writer, 401, f"Incorrect API key provided: {given}.", code="invalid_api_key")
        if mode == "no_formats" and request.get("response_format", {}).get("type") in fault["formats"]:
            return self.error(writer, 400, "response_format is not supported")
        if mode == "echo_text":
            return self.error(writer, 400, f"the input '{texts[0]}' is not acceptable")
        if mode == "close":
            writer.transport.abort()
            return False
        if mode == "hang":
            await reader.read(1)  # until the client goes away
            return False
        if mode == "not_json":
            return self.answer(writer, 200, b"<html>a gateway's page</html>")
        if mode == "huge":
            return self.answer(writer, 200, b" " * fault.get("bytes", 1 << 20))
        if "messages" in request:
            made = self.chat_body(fault, request, texts)
        else:
            body = self.rerank_body if "query" in request else self.embedding_body
            made = body(mode, request, texts)
        if mode == "truncated_json":
            return self.answer(writer, 200, made[: len(made) // 2])
        if mode == "truncated_body":
            writer.write(self.head(200, len(made)) + made[: len(made) // 2])
            await writer.drain()
            return False
        if mode == "drip":
            writer.write(self.head(200, len(made)))
            chunk = fault.get("chunk", 64)
            for start in range(0, len(made), chunk):
                writer.write(made[start : start + chunk])
                await writer.drain()
                await asyncio.sleep(fault.get("interval_ms", 1) / 1000)
            return True
        return self.answer(writer, 200, made)

    def embedding_body(self, mode, request, texts):
        dimensions = request.get("dimensions") or self.options.dimensions
        if mode == "wrong_length":
            dimensions += 1
        encoding = "base64" if mode == "base64" else request.get("encoding_format", "float")
        items = [self.vectors.serialised(text, dimensions, encoding) for text in texts]
        if mode == "wrong_count":
            items = items[:-1]
        special = {"nan": b"NaN", "zero": b"0.0", "null": b"null"}.get(mode)
        if special:
            items[-1] = b"[" + b",".join([special] * dimensions) + b"]"
        numbered = list(enumerate(items))
        if mode == "reversed":
            numbered.reverse()
        parts = []
        for index, item in numbered:
            if mode == "no_index":
                parts.append(b'{"object":"embedding","embedding":%b}' % item)
            else:
                shown = 0 if mode == "same_index" else index
                parts.append(b'{"object":"embedding","index":%d,"embedding":%b}' % (shown, item))
        model = json.dumps(request.get("model", "fake")).encode()
        tokens = sum(len(text) // 4 + 1 for text in texts)
        return b'{"object":"list","data":[%b],"model":%b,"usage":{"prompt_tokens":%d,"total_tokens":%d}}' % (
            b",".join(parts), model, tokens, tokens)

    def chat_body(self, fault, request, texts):
        text, reason = fault.get("text", "ok"), fault.get("reason")
        for answer in fault.get("answers", []):
            if answer.get("when", "") in texts[-1]:
                text, reason = answer["text"], answer.get("reason")
                break
        used, made = sum(len(text) // 4 + 1 for text in texts), len(text) // 4 + 1
        if "max_tokens" in request:  # which Anthropic's protocol requires
            return json.dumps({
                "type": "message", "role": "assistant", "model": request["model"],
                "content": [{"type": "text", "text": text}], "stop_reason": reason or "end_turn",
                "usage": {"input_tokens": used, "output_tokens": made}}).encode()
        return json.dumps({
            "object": "chat.completion", "model": request["model"],
            "choices": [{
                "index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": reason or "stop"}],
            "usage": {"prompt_tokens": used, "completion_tokens": made, "total_tokens": used + made}}).encode()

    def rerank_body(self, mode, request, texts):
        words = request["query"].lower().split()
        scores = [sum(word in text.lower().split() for word in words) / len(words) for text in texts]
        if mode == "wrong_count":
            scores = scores[:-1]
        name = "relevance_score" if "documents" in request else "score"
        results = [{"index": 0 if mode == "same_index" else i, name: None if mode == "null" else score}
                   for i, score in enumerate(scores)]
        results.sort(key=lambda result: -(result[name] or 0))
        return json.dumps({"results": results} if "documents" in request else results).encode()

    # -- everything else

    async def other(self, writer, method, path, query, headers, body):
        if path == "/control" and method == "POST":
            return self.control(writer, json.loads(body))
        if path == "/stats":
            name, _, value = query.partition("=")
            if name == "open":
                await self.until(lambda: self.open - 1 <= int(value))
            elif name == "prompts":
                await self.until(lambda: self.chats >= int(value))
            elif name == "requests":
                await self.until(lambda: self.requests >= int(value))
            return self.answer_json(writer, 200, {
                "requests": self.requests, "texts": self.texts, "connections": self.connections,
                "open": self.open - 1, "in_flight": self.in_flight, "most_in_flight": self.most_in_flight,
                "last": self.last, "chats": self.chats, "prompts": self.prompts})
        if path == "/health":
            return self.answer_json(writer, 200, {"status": "ok"})
        if path.startswith("/bytes/"):
            return self.answer(writer, 200, b"x" * int(path[7:]))
        if path.startswith("/chunks/"):
            writer.write(self.head(200, None, [("Transfer-Encoding", "chunked")]))
            for _ in range(int(path[8:])):
                writer.write(b"400\r\n" + b"x" * 1024 + b"\r\n")
                await writer.drain()
            writer.write(b"0\r\n\r\n")
            return True
        if path == "/echo":
            return self.answer_json(
                writer, 200, {"method": method, "query": query, "headers": headers, "body": body.decode("latin-1")})
        if path == "/redirect":
            return self.answer_json(writer, 302, {}, [("Location", "/echo")])
        if path == "/headers":
            writer.write(b"HTTP/1.1 103 Early Hints\r\nX-Early: yes\r\n\r\n")
            return self.answer_json(writer, 200, {}, [("X-Blank", ""), ("x-mixed", "  padded\t")])
        return self.error(writer, 404, f"no such path: {method} {path}")

    async def until(self, condition):
        while not condition():
            await self.changed.wait()

    def control(self, writer, command):
        if command.get("reset"):
            self.reset()
        if "delay_ms" in command:
            self.delay = command["delay_ms"] / 1000
        if "mode" in command:
            self.fault = command
            self.fault_times = command.get("times")
        return self.answer_json(writer, 200, {"mode": self.fault["mode"]})


async def main():
    parser = argparse.ArgumentParser(description="A fake embedding service.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0 takes any free one (default)")
    parser.add_argument("--dimensions", type=int, default=64)
    parser.add_argument("--delay-ms", type=float, default=0, help="latency of each embeddings request")
    parser.add_argument("--api-key", help="refuse any other key")
    parser.add_argument("--tls-cert")
    parser.add_argument("--tls-key")
    parser.add_argument("--exit-with-stdin", action="store_true", help="end when standard input is closed")
    options = parser.parse_args()

    context = None
    if options.tls_cert:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(options.tls_cert, options.tls_key)
    server = Server(options)
    listener = await asyncio.start_server(
        server.serve, options.host, options.port, limit=1 << 20, backlog=1024, ssl=context)
    print(f"PORT={listener.sockets[0].getsockname()[1]}", flush=True)

    ended = asyncio.Event()
    if options.exit_with_stdin:
        loop = asyncio.get_running_loop()

        def watch():
            sys.stdin.buffer.read()
            loop.call_soon_threadsafe(ended.set)

        threading.Thread(target=watch, daemon=True).start()
    await ended.wait()


if __name__ == "__main__":
    try:
        asyncio.run(main())
    except KeyboardInterrupt:
        pass
