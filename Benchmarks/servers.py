"""What the benchmarks run and measure: the server, and the two stores that it keeps everything in."""
import http.client
import json
import os
import pathlib
import platform
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.parse

ROOT = pathlib.Path(__file__).resolve().parent.parent
NAME = "agent_memory_bench"  # of the indexes, the keys and the schema, which are removed before and after


def say(text):
    print(text, file=sys.stderr, flush=True)


def build():
    subprocess.run(["swift", "build", "-c", "release", "--product", "agent-memory"], check=True, cwd=ROOT)


def machine():
    model = re.search(r"model name\s*:\s*(.+)", pathlib.Path("/proc/cpuinfo").read_text())
    return f"{model[1].strip() if model else platform.machine()}, {os.cpu_count()} cores"


def verdict(holds):
    return "yes" if holds else "**no**"


class Process:
    def __init__(self, command, **options):
        self.process = subprocess.Popen(command, **options)

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


class Server(Process):
    """A running server that knows one store and not the other; `start_ms` is the time to the first answer of
    /v1/health, `ready_ms` that of /v1/ready."""

    def __init__(self, store, log, settings, url=None):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.address = ("127.0.0.1", port)
        environment = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH") if name in os.environ}
        environment |= {
            "PORT": str(port), "LOG_LEVEL": "WARNING", "MEMORY_VECTOR_DB_FACTORY": store.name,
            store.variable: url or store.url, "REDISVL_INDEX_NAME": NAME, "REDISVL_INDEX_PREFIX": NAME,
            "WORKING_MEMORY_INDEX_NAME": f"{NAME}_sessions", "WORKING_MEMORY_INDEX_PREFIX": f"{NAME}_sessions:",
            "REDIS_JOBS_PREFIX": f"{NAME}_jobs", "POSTGRES_SCHEMA": NAME} | settings
        binary = ROOT / ".build/release/agent-memory"
        started = time.monotonic()
        super().__init__([binary, "api"], env=environment, stdout=log, stderr=log, cwd=log.name.rpartition("/")[0])
        self.await_ok("/v1/health", 0.001)
        self.start_ms = (time.monotonic() - started) * 1000
        self.await_ok("/v1/ready", 0.01)
        self.ready_ms = (time.monotonic() - started) * 1000

    def await_ok(self, path, pause):
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and self.process.poll() is None:
            connection = http.client.HTTPConnection(*self.address, timeout=30)
            try:
                connection.request("GET", path)
                if connection.getresponse().status == 200:
                    return
            except OSError:
                pass
            finally:
                connection.close()
            time.sleep(pause)
        raise SystemExit(f"error: the server does not answer {path}")

    def rss_mb(self):
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", status)[1]) / 1024

    def delete(self, path, body):
        connection = http.client.HTTPConnection(*self.address, timeout=60)
        connection.request("DELETE", path, json.dumps(body), {"Content-Type": "application/json"})
        answer = connection.getresponse()
        text = answer.read()
        connection.close()
        if answer.status != 200:
            raise SystemExit(f"error: DELETE {path} answered {answer.status}: {text[:300]!r}")

    def post(self, path, bodies):
        """One after another; yields every answer."""
        connection = http.client.HTTPConnection(*self.address, timeout=60)
        for body in bodies:
            connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
            answer = connection.getresponse()
            text = answer.read()
            if answer.status != 200:
                raise SystemExit(f"error: POST {path} answered {answer.status}: {text[:300]!r}")
            yield json.loads(text)
        connection.close()


class Redis:
    name, variable = "redis", "REDIS_URL"

    def __init__(self, url):
        parts = urllib.parse.urlsplit(url)
        self.url, self.address = url, (parts.hostname, parts.port or 6379)

    @staticmethod
    def encode(*arguments):
        data = [a if isinstance(a, bytes) else str(a).encode() for a in arguments]
        return b"*%d\r\n" % len(data) + b"".join(b"$%d\r\n%b\r\n" % (len(a), a) for a in data)

    def call(self, *arguments):
        def read():
            line = stream.readline()
            kind, rest = line[:1], line[1:-2]
            if kind == b"-":
                raise RuntimeError(rest.decode())
            if kind == b"$":
                return None if rest == b"-1" else stream.read(int(rest) + 2)[:-2]
            return [read() for _ in range(int(rest))] if kind == b"*" else rest

        with socket.create_connection(self.address) as connection, connection.makefile("rb") as stream:
            connection.sendall(self.encode(*arguments))
            return read()

    def clean(self):
        for index in self.call("FT._LIST"):
            if index.decode().startswith(NAME):
                self.call("FT.DROPINDEX", index, "DD")
        cursor = b"0"
        while True:
            cursor, keys = self.call("SCAN", cursor, "MATCH", f"{NAME}*", "COUNT", 1000)
            if keys:
                self.call("DEL", *keys)
            if cursor == b"0":
                return

    def versions(self):
        def field(section, pattern):
            return re.search(pattern, self.call("INFO", section).decode())

        number = int(field("modules", r"name=search,ver=(\d+)")[1])
        return (f"Redis {field('server', r'redis_version:([0-9.]+)')[1]}, "
                f"RediSearch {number // 10000}.{number // 100 % 100}.{number % 100}")


class Postgres:
    name, variable = "pgvector", "DATABASE_URL"

    def __init__(self, url):
        parts = urllib.parse.urlsplit(url)
        self.url, self.parts, self.address = url, parts, (parts.hostname, parts.port or 5432)

    def query(self, sql):
        return subprocess.run(
            [ROOT / "Scripts/stack", "exec", "psql", self.url, "-XAtqc", sql], check=True, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, text=True).stdout.strip()

    def clean(self):
        self.query(f"DROP SCHEMA IF EXISTS {NAME} CASCADE")

    def vacuum(self, *tables):
        for table in tables:
            self.query(f"VACUUM ANALYZE {NAME}.{table}")

    def versions(self):
        return "PostgreSQL " + self.query(
            "SELECT split_part(current_setting('server_version'), ' ', 1) || ', pgvector ' || default_version "
            "FROM pg_available_extensions WHERE name = 'vector'")


def store_urls(backends):
    """By the backend's name; stops where one that is wanted has no service."""
    urls = {"redis": os.environ.get("TEST_REDIS_URL"), "pgvector": os.environ.get("TEST_DATABASE_URL")}
    if not all(urls[name] for name in backends):
        sys.exit("error: TEST_REDIS_URL and TEST_DATABASE_URL name the services: "
                 f"Scripts/with-services {pathlib.Path(sys.argv[0]).parent.name}/{pathlib.Path(sys.argv[0]).name}")
    return urls
