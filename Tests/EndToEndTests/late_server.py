"""A proxy that answers a create before it is stored: late_server.py ORIGIN LOOKS. Prints its port.

It passes a create on once it has answered LOOKS other requests, so that they cannot see what was created, however slow the machine is.
"""

import http.client
import http.server
import sys
import threading
import urllib.parse

ORIGIN, LOOKS = urllib.parse.urlsplit(sys.argv[1]), int(sys.argv[2])
lock = threading.Lock()
# Of each create: how many requests it still waits for, and what to send.
pending = []


class Proxy(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1

    def handle_one(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.command == "POST" and self.path == "/v1/long-term-memory/":
            with lock:
                pending.append([LOOKS, (self.command, self.path, body)])
            return self.reply(200, b'{"status":"ok"}')
        self.reply(*forward(self.command, self.path, body))
        self.wfile.flush()
        with lock:
            for create in pending:
                create[0] -= 1
            while pending and pending[0][0] <= 0:
                forward(*pending.pop(0)[1])

    do_GET = do_POST = do_PATCH = do_DELETE = do_PUT = handle_one

    def reply(self, status, body):
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def forward(command, path, body):
    connection = http.client.HTTPConnection(ORIGIN.hostname, ORIGIN.port)
    headers = {"Content-Type": "application/json"} if body else {}
    connection.request(command, path, body or None, headers)
    answer = connection.getresponse()
    return answer.status, answer.read()


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Proxy)
print(f"port {server.server_port}", flush=True)
server.serve_forever()
