"""A bare Flask view that returns a constant: what any answer of Flask costs at least.

`python -m bench.bare PORT` serves it as the service is served; gunicorn serves `bench.bare:app`.
"""

import sys

from flask import Flask, Response

BYTES = 1_500
"""About what an answer with a token takes."""

app = Flask("bare")
_ANSWER = b"x" * BYTES


@app.post("/embed/token")
def constant() -> Response:
    return Response(_ANSWER, mimetype="application/json")


def main() -> None:
    from widgetsvc.rsgi import BufferedWsgi  # noqa: PLC0415 - gunicorn does not need it
    from widgetsvc.server import run  # noqa: PLC0415

    run(lambda: BufferedWsgi(app, max_body=1_048_576), address="127.0.0.1", port=int(sys.argv[1]))


if __name__ == "__main__":
    main()
