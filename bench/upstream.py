"""A stand-in for Cronofy's API that takes its time: `python -m bench.upstream PORT MILLISECONDS`.

`GET /mints` tells how many element tokens it has been asked for.
"""

import json
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Cronofy(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    mints = 0
    delay = 0.0

    def do_GET(self) -> None:
        self._answer({"mints": Cronofy.mints})

    def do_POST(self) -> None:
        content = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path == "/oauth/token":
            # With good credentials one hears that the token is none.
            self._answer({"error": "invalid_grant"}, status=400)
            return
        body = json.loads(content)
        time.sleep(Cronofy.delay)
        self._answer(token(body) if self.path == "/v1/element_tokens" else calendar(body))

    def _answer(self, document: dict[str, Any], status: int = 200) -> None:
        answer = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: object) -> None:
        pass


def token(body: dict[str, Any]) -> dict[str, Any]:
    Cronofy.mints += 1
    granted = {name: body[name] for name in ("permissions", "origin")}
    return {"element_token": {"token": f"{Cronofy.mints:064}", "expires_in": 64_800, **granted}}


def calendar(body: dict[str, Any]) -> dict[str, Any]:
    name = body["application_calendar_id"]
    tokens = {"access_token": "access", "refresh_token": "refresh", "expires_in": 10_800}
    account = {"sub": f"apc_{name.encode().hex()}", "linking_profile": {"profile_id": "pro_1"}}
    return {"application_calendar_id": name, "token_type": "bearer", **tokens, **account}


def main() -> None:
    Cronofy.delay = float(sys.argv[2]) / 1_000
    ThreadingHTTPServer.request_queue_size = 128
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Cronofy).serve_forever()


if __name__ == "__main__":
    main()
