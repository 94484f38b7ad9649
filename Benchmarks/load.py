"""Files of requests, and the client that sends them: client.c says what a file holds."""
import collections
import json
import statistics
import struct
import subprocess

from servers import ROOT

Outcome = collections.namedtuple("Outcome", "rate p50 p99 answered errors")


def build_client():
    (ROOT / ".cache").mkdir(exist_ok=True)
    subprocess.run(["cc", "-O2", "-D_GNU_SOURCE", "-o", ROOT / ".cache/bench-client", ROOT / "Benchmarks/client.c",
                    "-lpthread"], check=True)


def write_requests(path, requests):
    parts = [struct.pack("<I", len(requests))]
    for steps in requests:
        parts.append(struct.pack("<I", len(steps)))
        for answers, data in steps:
            parts += [struct.pack("<II", answers, len(data)), data]
    path.write_bytes(b"".join(parts))
    return path


def http_request(path, body):
    data = json.dumps(body).encode()
    head = f"POST {path} HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\nContent-Length: {len(data)}\r\n\r\n"
    return [(1, head.encode() + data)]


def measure(kind, address, requests, connections, seconds, preamble=None):
    command = [ROOT / ".cache/bench-client", kind, address[0], str(address[1]), requests, str(connections), str(seconds)]
    printed = subprocess.run(command + ([preamble] if preamble else []), check=True, stdout=subprocess.PIPE, text=True)
    outcome = Outcome(*map(float, printed.stdout.split()))
    if outcome.errors:
        raise SystemExit(f"error: {outcome.errors:.0f} of {outcome.answered:.0f} answers were errors ({kind}, {requests.name})")
    return outcome


def median(outcomes):
    return Outcome(*map(statistics.median, zip(*outcomes)))
