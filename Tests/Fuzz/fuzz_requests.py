#!/usr/bin/env python3
"""Sends malformed requests, and fails if the server responds to them badly.

    fuzz_requests.py URL [--requests N] [--seed N] [--connections N] [--pid PID] [--slowest SECONDS]
                         [--memory MEGABYTES]

Every route, every parameter, the extremes of every number, and what is not what it should be: types
swapped, names misspelt and repeated, bytes that are not UTF-8, depths, lengths; not what the HTTP
codec itself refuses. The same seed makes the same requests.

Failures are: no answer, an answer of the server's own fault (5xx; 501 and a 503 with a reason are
answers), an error that is not JSON with a detail, an answer later than --slowest twice in a row, and
a process (--pid) that ends, or that has grown by more than --memory in the end. The last lines say
how many requests there were, the slowest, and the memory; exit status 1 after a failure.
"""

import argparse
import collections
import http.client
import json
import os
import random
import socket
import sys
import threading
import time
import urllib.parse

NUMBERS = [
    "-9223372036854775808", "9223372036854775807", "-9223372036854775809", "9223372036854775808",
    "9223372036854775806", "-9223372036854775807", "18446744073709551615", "18446744073709551616", "-1", "0", "1",
    "2", "100", "101", "10000", "10001", "2147483647", "2147483648", "-2147483648", "-2147483649", "4294967295",
    "4294967296", "9007199254740993", "253402300800", "-62135596801", "1e18", "1e19", "-1e19", "1e400", "-1e400",
    "1e-400", "1.7976931348623157e308", "-1.7976931348623157e308", "5e-324", "1e-9", "0.5", "-0.5", "1.0", "-0",
    "-0.0", "1e2", "9" * 40, "-" + "9" * 40, "9" * 5000, "0." + "0" * 400 + "1", "1e131072", "1e2147483648",
]
NOT_NUMBERS = ["NaN", "Infinity", "-Infinity", "0x10", "1_000", "\u0661\u0662", "", " ", " 5 ", "+5", "5x", "--5", "true", "null"]
TEXTS = [
    "", " ", "\u2003", "\u200b", "\u0000", "a\u0000b", "\u001f", "\u0085", "a" * 511, "a" * 512, "a" * 513, "\u00fc" * 300,
    "e\u0301", "\u00e9", "\U0001f600", "\U0001f468\u200d\U0001f469\u200d\U0001f467", "\u202e", "\ufeff", "\ufffd", "'", "''; DROP TABLE memories; --", '"',
    "\\", "%", "%00", "%FF", "*", "a*", "@user_id:{*}", "{a|b}", "-a", "a,b", "a|b", "(", ")", "[", "$p0", "$1", "..",
    "../..", "/", "//", "a/b", "a/", "/messages", "a/messages", "search", "count", "?", "#", "a b", "\n", "\t", "\r\n",
    "=>[KNN 10 @vector $v]", "the", "espresso coffee", '"espresso coffee"', '"', "x" * 20000, "word " * 3000,
    "\u0301" * 2000, "2026-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z", "0001-01-01", "10000-01-01",
    "2026-02-30", "2026-01-01T24:00:00Z", "2026-01-01T00:00:00+23:59", "0001-01-01T00:00:00+23:59",
    "9999-12-31T23:59:59-23:59", "1e300", "-99999999999", "99999999999999",
]
USERS = ["ada", "ben", "auth0|eve", "\u00fc"]
SESSIONS = ["s1", "s2", "s3", "a/b", "s\u00fc", "deep/er/messages"]
RECORDS = [f"r{i}" for i in range(20)] + ["a/b", "search", "\u00fc", "x?y"]
MODELS = ["gpt-4o", "gpt-4", "claude-3-opus-latest", "nope"]
METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "SEARCH"]


class Raw(str):
    """A piece of JSON that is written as it is: numbers beyond what Python would write, and worse."""


class Pairs(list):
    """An object as pairs of name and value, so that a name can be there twice."""

    def __add__(self, other):
        return Pairs([*self, *other])


def written(value):
    if isinstance(value, Raw):
        return str(value)
    if isinstance(value, Pairs):
        return "{" + ",".join(f"{json.dumps(name)}:{written(item)}" for name, item in value) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(written, value)) + "]"
    return json.dumps(value)


class Generator:
    def __init__(self, seed):
        self.random = random.Random(seed)

    def chance(self, share):
        return self.random.random() < share

    def pick(self, values):
        return self.random.choice(values)

    def some(self, values):
        return self.random.sample(values, self.random.randint(0, len(values)))

    # Values.

    def number(self):
        return Raw(self.pick(NUMBERS))

    def text(self):
        if self.chance(0.2):
            return "".join(chr(self.random.choice([self.random.randrange(1, 0x250), self.random.randrange(0xE000, 0x10FFFF)])) for _ in range(self.random.randint(1, 30)))
        return self.pick(TEXTS)

    def nested(self):
        depth = self.pick([2, 10, 120, 127, 128, 129, 250, 255, 256, 257, 5000])
        opening, closing = self.pick([("[", "]"), ('{"a":', "}")])
        return Raw(opening * depth + "1" + closing * depth)

    def anything(self):
        kind = self.random.randrange(10)
        if kind < 3:
            return self.number()
        if kind < 6:
            return self.text()
        if kind == 6:
            return self.pick([None, True, False, Raw("NaN"), Raw("nul"), Raw('"\\ud800"'), Raw('"\\u0000"')])
        if kind == 7:
            return [self.anything() for _ in range(self.random.randint(0, 3))]
        if kind == 8:
            return Pairs((self.text(), self.anything()) for _ in range(self.random.randint(0, 3)))
        return self.nested()

    # Bodies.

    def object(self, members, share=0.5):
        return Pairs((name, make()) for name, make in members.items() if self.chance(share))

    def date(self):
        return self.pick(["2026-01-01T00:00:00Z", "2020-05-05", 1700000000, 1700000000000, "2025-06-01T12:00:00.123456+02:00"])

    def tag_filter(self, values):
        operators = {
            "eq": lambda: self.pick(values), "ne": lambda: self.pick(values), "any": lambda: self.some(values),
            "in_": lambda: self.some(values), "all": lambda: self.some(values), "not_in": lambda: self.some(values),
            "startswith": lambda: self.pick(values)[:2],
        }
        return Pairs((name, operators[name]()) for name in self.random.sample(list(operators), self.pick([1, 1, 1, 2])))

    def date_filter(self):
        operators = self.random.sample(["gt", "gte", "lt", "lte", "eq", "ne"], self.pick([1, 1, 2]))
        pairs = Pairs((name, self.date()) for name in operators)
        if self.chance(0.3):
            pairs.append(("between", [self.date(), self.date()]))
        return pairs

    def filters(self):
        users, namespaces = USERS, ["n1", "n2"]
        return {
            "user_id": lambda: self.tag_filter(users), "namespace": lambda: self.tag_filter(namespaces),
            "session_id": lambda: self.tag_filter(SESSIONS), "id": lambda: self.tag_filter(RECORDS),
            "topics": lambda: self.tag_filter(["t1", "t2"]), "entities": lambda: self.tag_filter(["e1", "e2"]),
            "memory_type": lambda: self.tag_filter(["semantic", "episodic", "message"]),
            "created_at": self.date_filter, "last_accessed": self.date_filter, "event_date": self.date_filter,
        }

    def page(self):
        return {"limit": lambda: self.random.randint(1, 100), "offset": lambda: self.pick([0, 5, 100, 1000, 1000000])}

    def search(self):
        ranking = {
            "text": lambda: self.pick(["espresso coffee", "tea", '"green tea" coffee', ""]),
            "search_mode": lambda: self.pick(["semantic", "keyword", "hybrid"]), "hybrid_alpha": self.random.random,
            "text_scorer": lambda: self.pick(["BM25STD", "BM25", "TFIDF", "BM25STD.TANH", "HAMMING"]),
            "distance_threshold": self.random.random, "recency_boost": lambda: self.chance(0.5),
            "server_side_recency": lambda: self.chance(0.5),
            "recency_semantic_weight": self.random.random, "recency_recency_weight": self.random.random,
            "recency_freshness_weight": self.random.random, "recency_novelty_weight": self.random.random,
            "recency_half_life_last_access_days": lambda: 7, "recency_half_life_created_days": lambda: 30,
        }
        return self.object(ranking, 0.3) + self.object(self.filters(), 0.15) + self.object(self.page(), 0.4)

    def record(self):
        required = Pairs([("id", self.pick(RECORDS)), ("text", f"{self.pick(USERS)} likes {self.pick(['tea', 'espresso coffee'])} {self.random.randrange(50)}")])
        return required + self.object({
            "user_id": lambda: self.pick(USERS), "namespace": lambda: self.pick(["n1", "n2"]),
            "session_id": lambda: self.pick(SESSIONS), "memory_type": lambda: self.pick(["semantic", "episodic", "message"]),
            "topics": lambda: self.some(["t1", "t2"]), "entities": lambda: self.some(["e1", "e2"]),
            "extracted_from": lambda: self.some(["m1", "m2"]), "event_date": self.date, "created_at": self.date,
            "last_accessed": self.date, "updated_at": self.date, "persisted_at": self.date,
            "pinned": lambda: self.chance(0.5), "access_count": lambda: self.random.randrange(9),
            "metadata": lambda: Pairs([("a", 1), ("b", [self.anything()])]),
            "extraction_strategy": lambda: "discrete", "extraction_strategy_config": lambda: Pairs([("k", "v")]),
            "discrete_memory_extracted": lambda: self.pick(["t", "f"]),
        }, 0.3)

    def message(self):
        required = Pairs([("role", self.pick(["user", "assistant", "tool"])), ("content", f"message {self.random.randrange(99)}")])
        return required + self.object({"id": lambda: f"m{self.random.randrange(50)}", "created_at": self.date, "persisted_at": self.date}, 0.5)

    def messages(self):
        return Pairs([("messages", [self.message() for _ in range(self.random.randint(1, 3))])])

    def put(self):
        return self.messages() + self.object({
            "memories": lambda: [self.record() for _ in range(self.random.randint(0, 2))],
            "data": lambda: Pairs([("k", self.anything())]), "context": lambda: "so far", "user_id": lambda: self.pick(USERS),
            "namespace": lambda: self.pick(["n1", "n2"]), "tokens": lambda: self.random.randrange(1000),
            "ttl_seconds": lambda: self.pick([1, 60, 3600]), "last_accessed": self.date, "created_at": self.date,
            "long_term_memory_strategy": lambda: Pairs([("strategy", "discrete"), ("config", Pairs())]),
        }, 0.3)

    def create(self):
        return Pairs([("memories", [self.record() for _ in range(self.random.randint(1, 3))])]) + self.object({"deduplicate": lambda: self.chance(0.5)})

    def patch(self):
        return self.object({
            "text": lambda: "changed", "topics": lambda: self.some(["t1", "t2"]), "user_id": lambda: self.pick(USERS),
            "pinned": lambda: True, "event_date": self.date, "memory_type": lambda: "episodic",
        })

    def deletion(self):
        return self.object({"memory_ids": lambda: self.some(RECORDS)})

    def prompt(self):
        session = Pairs([("session_id", self.pick(SESSIONS))]) + self.object({
            "user_id": lambda: self.pick(USERS), "namespace": lambda: self.pick(["n1", "n2"]),
            "model_name": lambda: self.pick(MODELS), "context_window_max": lambda: self.random.randrange(1, 1000),
        })
        return Pairs([("query", "espresso")]) + self.object({
            "session": lambda: session, "long_term_search": lambda: self.pick([True, self.search()]),
        }, 0.7)

    def changed(self, value):
        """The body with one thing wrong, somewhere in it."""
        if isinstance(value, Raw) or not isinstance(value, list) or not value or self.chance(0.15):
            return self.anything()
        copy = type(value)(value)
        index = self.random.randrange(len(copy))
        if isinstance(value, Pairs):
            name, item = copy[index]
            kind = self.random.randrange(8)
            if kind == 0:
                del copy[index]
            elif kind == 1:
                copy.insert(index, (name, self.pick([item, None, self.anything()])))
            elif kind == 2:
                copy[index] = (self.pick([name.upper(), name + "s", self.text()]), item)
            elif kind == 3:
                copy.append((self.text(), self.anything()))
            else:
                copy[index] = (name, self.changed(item))
        else:
            copy[index] = self.changed(copy[index])
        return copy

    def body(self, make):
        value = make()
        while self.chance(0.35):
            value = self.changed(value)
        data = written(value).encode("utf-8", "surrogatepass")
        if self.chance(0.04):
            position = self.random.randrange(len(data) + 1)
            data = self.pick([
                data[:position], data[:position] + b"\xff" + data[position:], data[:position] + b"\x00" + data[position:],
                b"\xef\xbb\xbf" + data, written(value).encode("utf-16", "surrogatepass"), data + data, b"", b" " * 100,
            ])
        return data

    # Targets.

    def escaped(self, text):
        if self.chance(0.02):
            return self.pick([b"%FF", b"%", b"%zz", b"%E9", b"Jos%E9", b"a#b", b"%ED%A0%80", b"%00"])
        raw = text.encode("utf-8", "surrogatepass")
        return urllib.parse.quote(raw, safe=self.pick(["", "/"])).encode()

    def query(self, names):
        parameters = []
        for name in self.random.sample(names, self.random.randint(0, min(3, len(names)))):
            parameters.append((name, self.value(name)))
            if self.chance(0.05):
                parameters.append((name, self.value(name)))
        if self.chance(0.05):
            parameters.append((self.pick(["user", "User_id", "user_id[]", "nope", "", "limit"]), "1"))
        pairs = [self.escaped(name) + b"=" + self.escaped(value) for name, value in parameters]
        if self.chance(0.02):
            pairs.append(self.pick([b"=", b"&&", b"user_id", b"%FF=1", b"a=b=c", b"user_id=%", b"?"]))
        return b"?" + b"&".join(pairs) if pairs else b""

    def value(self, name):
        if self.chance(0.35):
            return self.pick(NUMBERS + NOT_NUMBERS + TEXTS)[:4000]
        return self.pick({
            "user_id": USERS, "namespace": ["n1", "n2"], "model_name": MODELS, "memory_ids": RECORDS,
            "optimize_query": ["true", "false", "maybe"],
        }.get(name, ["0", "1", "5", "100"]))

    def identifier(self, ids):
        return self.escaped(self.text()[:600] if self.chance(0.15) else self.pick(ids))

    def request(self):
        scope = ["user_id", "namespace"]
        window = ["model_name", "context_window_max", "recent_messages_limit"]
        method, path, names, body = self.pick([
            ("POST", b"/v1/long-term-memory/", ["namespace"], self.create),
            ("POST", b"/v1/long-term-memory/search", ["optimize_query"], self.search),
            ("POST", b"/v1/long-term-memory/search", [], self.search),
            ("POST", b"/v1/long-term-memory/list", [], lambda: self.object(self.filters(), 0.2) + self.object(self.page())),
            ("POST", b"/v1/long-term-memory/count", [], lambda: self.object(self.filters(), 0.2)),
            ("GET", b"/v1/long-term-memory/" + self.identifier(RECORDS), ["namespace"], None),
            ("PATCH", b"/v1/long-term-memory/" + self.identifier(RECORDS), [], self.patch),
            ("DELETE", b"/v1/long-term-memory", ["memory_ids", "memory_ids", "namespace"], None),
            ("DELETE", b"/v1/long-term-memory", [], self.deletion),
            ("POST", b"/v1/long-term-memory/delete", [], self.deletion),
            ("GET", b"/v1/working-memory/", scope + ["limit", "offset"], None),
            ("GET", b"/v1/working-memory/" + self.identifier(SESSIONS), scope + window, None),
            ("GET", b"/v1/working-memory/" + self.identifier(SESSIONS), window, None),
            ("PUT", b"/v1/working-memory/" + self.identifier(SESSIONS), scope + window[:2] + ["background"], self.put),
            ("DELETE", b"/v1/working-memory/" + self.identifier(SESSIONS), scope, None),
            ("POST", b"/v1/working-memory/" + self.identifier(SESSIONS) + b"/messages", scope, self.messages),
            ("POST", b"/v1/memory/prompt", ["optimize_query"], self.prompt),
            ("POST", b"/v1/long-term-memory/forget", scope + ["limit", "dry_run"], lambda: Pairs([("policy", Pairs())])),
            ("GET", b"/v1/summary-views/" + self.identifier(["v"]), [], None),
            ("GET", self.pick([b"/v1/health", b"/v1/ready", b"/", b"/v1", b"/v2/health", b"//v1//health"]), ["limit"], None),
        ])
        data = self.body(body) if body else b""
        if self.chance(0.01):
            data = self.body(self.create)
        if self.chance(0.03):
            method = self.pick(METHODS)
        if self.chance(0.02):
            path += self.pick([b"/", b"//", b"/x", b"/messages", b"/.."])
        headers = [(b"Host", b"fuzz"), (b"Content-Type", b"application/json")]
        if self.chance(0.05):
            headers[1] = (b"Content-Type", self.pick([b"", b"text/plain", b"application/json; charset=latin-1", b"application/json; charset=utf-8", b"application/x+json", b"\xff"]))
        if self.chance(0.08):
            tags = [b"*", b'"1"', b'"0"', b'W/"1"', b'"9223372036854775808"', b'"-1"', b"", b'"', b'"1", "2"', b"\xff"]
            headers.append((self.pick([b"If-Match", b"If-None-Match", b"If-Unmodified-Since"]), self.pick(tags)))
        if self.chance(0.02):
            headers.append(self.pick([(b"X-Request-Id", b"x" * 2000), (b"Accept", b"\xff"), (b"Authorization", b"Bearer x"), (b"Content-Encoding", b"gzip")]))
        if self.chance(0.05) and data:
            half = len(data) // 2
            pieces = [piece for piece in (data[:half], data[half:]) if piece]
            headers.append((b"Transfer-Encoding", b"chunked"))
            data = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"
        elif data or method in ("POST", "PUT", "PATCH"):
            headers.append((b"Content-Length", str(len(data)).encode()))
        target = path + self.query(names)
        head = method.encode() + b" " + target[:7000] + b" HTTP/1.1\r\n" + b"".join(name + b": " + value + b"\r\n" for name, value in headers)
        return method, head + b"\r\n" + data


class Connection:
    """One client: sends what it is given, on a connection that is kept while the server keeps it."""

    def __init__(self, address, patience):
        self.address, self.patience, self.socket = address, patience, None

    def send(self, method, data):
        """Status and body; `None` without an answer."""
        for attempt in range(2):
            kept = self.socket is not None
            try:
                if not kept:
                    self.socket = socket.create_connection(self.address, self.patience)
                    self.socket.settimeout(self.patience)
                self.socket.sendall(data)
                response = http.client.HTTPResponse(self.socket, method=method)
                response.begin()
                body = response.read()
                if response.will_close:
                    self.close()
                return response.status, body
            except TimeoutError:
                self.close()
                return None
            except (OSError, http.client.HTTPException):
                # A connection that was kept may have been closed at the other end meanwhile.
                self.close()
                if not kept or attempt:
                    return None
        return None

    def close(self):
        if self.socket:
            self.socket.close()
        self.socket = None


def resident(pid):
    """Megabytes."""
    with open(f"/proc/{pid}/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmRSS")) / 1024


def fault(method, answer):
    """What is wrong with an answer, if anything."""
    if answer is None:
        return "no answer"
    status, body = answer
    if status < 400 or method == "HEAD":
        return f"status {status}" if status >= 500 and status not in (501, 503) else None
    try:
        detail = json.loads(body)["detail"]
        if not detail:
            return f"{status} without a detail"
    except (ValueError, TypeError, KeyError):
        return f"{status} whose body is not JSON with a detail: {body[:80]!r}"
    return f"status {status}: {detail}" if status >= 500 and status not in (501, 503) else None


class Run:
    def __init__(self, options):
        self.options = options
        url = urllib.parse.urlsplit(options.url)
        self.address = (url.hostname, url.port or 80)
        self.lock = threading.Lock()
        self.statuses = collections.Counter()
        self.unavailable = collections.Counter()
        self.failures = []
        self.slowest = (0.0, b"")
        self.warm = None

    def client(self, number, count):
        generator = Generator(self.options.seed * 1000 + number)
        connection = Connection(self.address, max(10, 5 * self.options.slowest))
        for index in range(count):
            if len(self.failures) >= 20:
                break
            method, data = generator.request()
            start = time.monotonic()
            answer = connection.send(method, data)
            duration = time.monotonic() - start
            wrong = fault(method, answer)
            if not wrong and duration > self.options.slowest:
                # Other work on the machine may have held it up: what is slow is slow again.
                start = time.monotonic()
                wrong = fault(method, connection.send(method, data))
                again = time.monotonic() - start
                if not wrong and again > self.options.slowest:
                    wrong = f"answered after {duration:.1f} s, and when sent again after {again:.1f} s"
            with self.lock:
                self.statuses[answer[0] if answer else None] += 1
                if answer and answer[0] == 503:
                    self.unavailable[answer[1][:200]] += 1
                if duration > self.slowest[0]:
                    self.slowest = (duration, data[:300])
                if wrong:
                    self.failures.append(f"client {number}, request {index}: {wrong}\n    {data[:600]!r}")
                if self.options.pid and self.warm is None and sum(self.statuses.values()) >= self.options.requests // 10:
                    self.warm = resident(self.options.pid)
            if answer is None and not self.is_alive():
                break
        connection.close()

    def is_alive(self):
        try:
            socket.create_connection(self.address, 5).close()
            return True
        except OSError:
            with self.lock:
                self.failures.append("the server is gone")
            return False

    def run(self):
        share = -(-self.options.requests // self.options.connections)
        started = time.monotonic()
        threads = [threading.Thread(target=self.client, args=(number, share)) for number in range(self.options.connections)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        answer = Connection(self.address, 10).send("GET", b"GET /v1/health HTTP/1.1\r\nHost: fuzz\r\n\r\n")
        if not answer or answer[0] != 200:
            self.failures.append("the server does not answer /v1/health in the end")
        elif self.options.pid:
            memory, warm = resident(self.options.pid), self.warm or 0
            print(f"memory: {warm:.0f} MB after a tenth of the requests, {memory:.0f} MB in the end")
            if memory - warm > self.options.memory:
                self.failures.append(f"the memory has grown by {memory - warm:.0f} MB")
        done = sum(self.statuses.values())
        print(f"seed {self.options.seed}: {done} requests in {time.monotonic() - started:.1f} s")
        print("statuses:", ", ".join(f"{status}: {count}" for status, count in sorted(self.statuses.items(), key=str)))
        for reason, count in self.unavailable.most_common(5):
            print(f"503, {count} times: {reason!r}")
        print(f"slowest: {self.slowest[0]:.2f} s, {self.slowest[1]!r}")
        for failure in self.failures[:20]:
            print("FAILED", failure)
        print(f"{len(self.failures)} failures" if self.failures else "all as expected")
        return 1 if self.failures else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("url")
    parser.add_argument("--requests", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--connections", type=int, default=4)
    parser.add_argument("--pid", type=int)
    parser.add_argument("--slowest", type=float, default=2.0)
    parser.add_argument("--memory", type=float, default=150.0)
    sys.exit(Run(parser.parse_args()).run())


if __name__ == "__main__":
    main()
