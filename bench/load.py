"""Load from a process that costs little itself: wrk."""

import json
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

_SCRIPT = Path(__file__).with_name("post.lua")


@dataclass(frozen=True)
class Load:
    """What came back: requests per second, and milliseconds that half and 99 of 100 took at most."""

    per_second: float
    p50: float
    p99: float
    failed: int


def post(url: str, form: str, origin: str, *, seconds: float = 4, connections: int = 16) -> Load:
    """Post a form over and over; a `*` in the origin makes each request's its own."""
    wrk = shutil.which("wrk")
    if wrk is None:
        raise SystemExit("This bench needs wrk: apt-get install wrk")
    command = [wrk, "-t1", f"-c{connections}", f"-d{seconds:g}s", "--latency", "-s", str(_SCRIPT), url, "--"]
    done = subprocess.run([*command, form, origin], capture_output=True, text=True, check=True)
    counted = json.loads(done.stdout.strip().splitlines()[-1])
    return Load(
        counted["requests"] / counted["seconds"], counted["p50"], counted["p99"], int(counted["failed"])
    )
