"""Services that begin and end, as a subscriber sees them: who draws now is told by name within a
minute, who has ended makes room, and every watt of the machine is somebody's at each tick."""

import pytest
from harness import Mqtt, Service, until
from leap import OTHERS, Leap, Machine, berlin

TICK = 10
TOLD = 3
# What a subscriber is not told of: changes below these, W.
HOST, PART = 0.5, 0.25


class Server:
    """A server of four cores, 20 W idle and 100 W busy, with a place for three services."""

    def __init__(self, folder):
        self.leap = Leap(folder, berlin(2025, 6, 2))
        self.machine = Machine(folder / "host")
        self.service = Service(folder / "home", {
            "host": self.machine.config(),
            "node": {"interval": f"{TICK}s"},
            "collect": {name: {"enabled": False} for name in OTHERS},
            "power": {"host": {"idle_w": 20, "max_w": 100}, "services": {"top": TOLD},
                      "processes": {"top": 5}},
        }, self.leap.environment).start()
        self.mqtt = self.service.keep(
            Mqtt(self.service.mqtt_port, "homewatch/box/power/#", keepalive=0))
        self.at = self.leap.now()

    def go_on(self, seconds, services, each=lambda: None, unseen=()):
        """So many seconds pass in which ``services`` keep so many cores busy; ``each`` is called
        after each look."""
        for _ in range(seconds // TICK):
            self.machine.work(TICK, services, unseen)
            self.at += TICK
            self.leap.to(self.at)
            each()

    def watts(self):
        """What each subject is told to draw, of those that are there."""
        latest = self.mqtt.latest("homewatch/box/power/#")
        names = {topic.split("/")[3] for topic, message in latest.items()
                 if topic.endswith("/availability") and message.text == "online"}
        return {name: latest[f"homewatch/box/power/{name}"].json["power_w"] for name in names
                if "power_w" in latest[f"homewatch/box/power/{name}"].json}

    def services(self):
        """Those that are told by name."""
        return {name.removeprefix("service-") for name in self.watts() if name.startswith("service-")}

    def adds_up(self):
        """Checks that the parts are the whole, as far as it is told."""
        until(self._is_whole, "parts that are the whole")
        told = self.watts()
        assert all(watts >= 0 for watts in told.values()), told

    def _is_whole(self):
        """Whether they are, once all messages of a look have arrived: the clocks stand meanwhile."""
        told = self.watts()
        parts = [watts for name, watts in told.items() if name.startswith(("service-", "services-"))]
        return not parts or sum(parts) == pytest.approx(told["host"], abs=HOST + PART * len(parts))

    def close(self):
        """Ends all of it."""
        self.service.close()
        self.machine.close()


@pytest.fixture
def server(tmp_path):
    one = Server(tmp_path)
    yield one
    one.close()


def test_who_draws_now_is_told_within_a_minute_and_who_ended_makes_room(server):
    usual = {"web": 0.8, "db": 0.5, "mail": 0.1}
    server.go_on(1800, usual, server.adds_up)
    assert server.services() == {"web", "db", "mail"}
    # A service ends, another begins to work.
    server.machine.end("db")
    busy = {"web": 0.8, "mail": 0.1, "backup": 1.5}
    waited = []
    server.go_on(90, busy, lambda: (server.adds_up(), waited.append(server.services())))
    first = next(place for place, told in enumerate(waited, 1) if "backup" in told)
    assert first * TICK <= 70, waited
    assert server.services() == {"web", "mail", "backup"}, "who has ended made room"
    watts = server.watts()
    above = watts["host"] - watts["services-idle"]
    assert watts["service-backup"] == pytest.approx(above * 1.5 / 2.4, rel=0.05)
    assert watts["service-web"] == pytest.approx(above * 0.8 / 2.4, rel=0.05)


def test_what_lives_for_a_moment_is_its_services(server):
    # Three quarters of the service's work is done by processes that end before anybody looks.
    server.go_on(300, {"ci": 0.3, "web": 0.6}, server.adds_up, {"ci": 0.9})
    watts = server.watts()
    above = watts["host"] - watts["services-idle"]
    assert watts["service-ci"] == pytest.approx(above * 1.2 / 1.8, rel=0.05)
    assert watts["process-ci-short-lived"] == pytest.approx(watts["service-ci"] * 0.75, rel=0.05)
