"""News of changes on a real Redis: heard by the others, believed only if sealed, made up for when missed."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from threading import Event

import pytest

from tests.servers import RedisServer
from tests.shared.conftest import KEY_BYTES, PATIENCE, connect, eventually
from widgetsvc.gateway.audit import Action, Change
from widgetsvc.shared.changes import CHANNEL, ChangeFeed
from widgetsvc.shared.seal import Seal

CHANGE = Change(
    3, 1_795_348_800, 7, "acme", "operator", Action.TENANT_UPDATED, None, {"allowed_origins": [["a"], []]}
)


def feed(url: str, key: bytes = KEY_BYTES) -> ChangeFeed:
    return ChangeFeed(connect(url), Seal(key))


class Listener:
    def __init__(self) -> None:
        self.heard: list[Change] = []
        self.caught_up = Event()

    @contextmanager
    def following(self, feed: ChangeFeed) -> Iterator[None]:
        with feed.following(self.heard.extend, self.caught_up.set):
            assert self.caught_up.wait(PATIENCE)
            yield


@pytest.fixture
def listener() -> Listener:
    return Listener()


def test_others_hear_what_was_changed(redis_url: str, listener: Listener) -> None:
    with listener.following(feed(redis_url)):
        feed(redis_url).publish([CHANGE, replace(CHANGE, entry_id=4)])

        eventually(lambda: listener.heard == [CHANGE, replace(CHANGE, entry_id=4)])


def test_nobody_hears_itself(redis_url: str, listener: Listener) -> None:
    own = feed(redis_url)
    with listener.following(own):
        own.publish([CHANGE])
        feed(redis_url).publish([replace(CHANGE, entry_id=4)])

        eventually(lambda: listener.heard)
    assert listener.heard == [replace(CHANGE, entry_id=4)]


def test_what_is_not_sealed_for_this_is_not_believed(
    redis_server: RedisServer, redis_url: str, listener: Listener, caplog: pytest.LogCaptureFixture
) -> None:
    document = json.dumps({"by": "x", "changes": []}).encode()
    with listener.following(feed(redis_url)), redis_server.connect() as client:
        feed(redis_url, key=bytes(32)).publish([CHANGE])
        for junk in (b"", b"junk", document, Seal(KEY_BYTES).close(document, "elsewhere")):
            client.publish(CHANNEL, junk)
        feed(redis_url).publish([CHANGE])

        eventually(lambda: listener.heard == [CHANGE])
    assert caplog.text.count("was not put there by this service") == 5


@pytest.mark.parametrize("how", ["killed", "frozen", "cut off"])
def test_who_was_cut_off_catches_up_and_hears_again(
    server: RedisServer, listener: Listener, how: str
) -> None:
    with listener.following(feed(server.url)):
        listener.caught_up.clear()
        if how == "killed":
            server.kill()
            server.start()
        elif how == "frozen":
            server.freeze()
            assert not listener.caught_up.wait(3.5)
            server.thaw()
        else:
            with server.connect() as client:
                client.client_kill_filter(_type="pubsub")

        assert listener.caught_up.wait(PATIENCE)
        feed(server.url).publish([CHANGE])
        eventually(lambda: listener.heard == [CHANGE])


def test_nothing_to_connect_to_holds_up_neither_start_nor_end(server: RedisServer) -> None:
    server.stop()
    listener = Listener()

    with feed(server.url).following(listener.heard.extend, listener.caught_up.set):
        feed(server.url).publish([CHANGE])

    assert not listener.caught_up.is_set()
