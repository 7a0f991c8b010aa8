"""A second proxy of the Runtime API, as another product's layer would bring one: an external extension that forwards what it gets.

It listens on SECOND_PORT and forwards to SECOND_UPSTREAM, or to the address that Lambda gave. It prints what passes, so that a test sees
on which side of Picket it stands.
"""

import hashlib
import http.client
import json
import os
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

API = os.environ["AWS_LAMBDA_RUNTIME_API"]
UPSTREAM = os.environ.get("SECOND_UPSTREAM") or API


class Forward(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def forward(self):
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        upstream = http.client.HTTPConnection(UPSTREAM)
        headers = {key: value for key, value in self.headers.items() if key.lower() not in ("host", "connection")}
        upstream.request(self.command, self.path, body or None, headers)
        answer = upstream.getresponse()
        payload = answer.read()
        digest = hashlib.sha256(payload).hexdigest()
        print("second-proxy", self.command, self.path, answer.status, digest, flush=True)
        self.send_response(answer.status)
        for key, value in answer.getheaders():
            if key.lower() not in ("transfer-encoding", "content-length", "connection", "date", "server"):
                self.send_header(key, value)
        self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        self.wfile.write(payload)

    do_GET = do_POST = forward

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", int(os.environ["SECOND_PORT"])), Forward)
threading.Thread(target=server.serve_forever, daemon=True).start()

connection = http.client.HTTPConnection(API)
connection.request(
    "POST",
    "/2020-01-01/extension/register",
    json.dumps({"events": ["SHUTDOWN"]}),
    {"Lambda-Extension-Name": "second"},
)
registered = connection.getresponse()
registered.read()
connection.request(
    "GET",
    "/2020-01-01/extension/event/next",
    headers={"Lambda-Extension-Identifier": registered.headers["Lambda-Extension-Identifier"]},
)
connection.getresponse().read()
