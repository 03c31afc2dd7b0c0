"""What visitors feel of renewals: the time of answers while every token is being renewed, and while none is.

In one process, with a clock that is moved to where all tokens are due, over an upstream that takes 50 ms.
"""

import statistics
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from bench.gateway import KEYS, UPSTREAM_MS, process
from tests.clocks import FakeClock
from tests.processes import share_elements
from widgetsvc.app import create_app, create_instant
from widgetsvc.config import Settings
from widgetsvc.logs import configure_logging
from widgetsvc.services import Services
from widgetsvc.web.instant import InstantTokens
from widgetsvc.wiring import build_services

ROUNDS = 200
LIFE = 64_800


def main() -> None:
    with ExitStack() as stack:
        upstream = stack.enter_context(process("bench.upstream", UPSTREAM_MS))
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        configure_logging("json", stack.enter_context((folder / "log").open("w")))
        clock = FakeClock(0.0)
        services, instant, environs, body = service(folder / "data", upstream, clock)
        quiet = timed(instant, environs, body)
        clock.advance(0.9 * LIFE)
        # With the server a thread does so twice a second.
        services.registry.catch_up_now()
        renewing = timed(instant, environs, body)
    print(f"\n{'':<58}{'p50 ms':>10}{'p99 ms':>10}")
    for name, samples in (("cached tokens", quiet), (f"the same while {KEYS} tokens are renewed", renewing)):
        print(f"{name:<58}{statistics.median(samples):>10.3f}{p99(samples):>10.3f}")
    print(f"p99 while renewing is {p99(renewing) / p99(quiet):.2f} times the other")


def service(
    data: Path, upstream: int, clock: FakeClock
) -> tuple[Services, InstantTokens, list[dict[str, str]], bytes]:
    """A service that has a token for each of many origins, and the requests for them."""
    share_elements(data)
    settings = Settings.from_environment(
        {},
        data_dir=data,
        rate_limit="off",
        cronofy_client_id="bench",
        cronofy_client_secret="a-secret-of-the-bench-that-is-long-enough",
        cronofy_api_url=f"http://127.0.0.1:{upstream}",
        cronofy_rate_limits="1000000/second",
    )
    services = build_services(settings, monotonic=clock)
    app = create_app(settings, services)
    created = services.tenants.create("acme", "Acme", ["https://*.example.org"])
    services.calendars.add(created.tenant, "store-42")
    services.registry.catch_up_now()
    body = f"key={created.tenant.publishable_key}&element=slot-picker&calendar=store-42".encode()
    form, http = "application/x-www-form-urlencoded", app.test_client()
    environs = []
    for number in range(KEYS):
        origin = f"https://key-{number}.example.org"
        answer = http.post("/embed/token", data=body, content_type=form, headers={"Origin": origin})
        assert answer.status_code == 200, answer.text
        environs.append(
            {
                "REQUEST_METHOD": "POST",
                "PATH_INFO": "/embed/token",
                "QUERY_STRING": "",
                "REMOTE_ADDR": "127.0.0.1",
                "CONTENT_TYPE": form,
                "HTTP_ORIGIN": origin,
            }
        )
    return services, create_instant(app, settings, services, clock), environs, body


def timed(instant: InstantTokens, environs: list[dict[str, str]], body: bytes) -> list[float]:
    """Milliseconds of each answer."""
    samples = []
    for _ in range(ROUNDS):
        for environ in environs:
            start = time.perf_counter()
            answer = instant(environ, body)
            samples.append((time.perf_counter() - start) * 1_000)
            assert answer is not None
    return samples


def p99(samples: list[float]) -> float:
    return statistics.quantiles(samples, n=100)[98]


if __name__ == "__main__":
    main()
