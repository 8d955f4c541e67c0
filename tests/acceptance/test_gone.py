"""Alerts about what is gone for good: no data never ends one, but none stays for ever."""

import shutil

import pytest
from leap import HOUR, berlin

RULE = "temperature_high"


class Chips:
    """A machine with chips of one hot sensor each, watched hour by hour."""

    def __init__(self, calendar, *names, **policy):
        self.names = names
        self.home = calendar(berlin(2025, 6, 2), HOUR, {
            "collect": {"hwmon": {"enabled": True}},
            "rules": policy | {RULE: {"for": "0s", "clear_for": "0s"}}})
        for number, name in enumerate(names):
            folder = f"sys/class/hwmon/hwmon{number}"
            self.home.machine.put(f"{folder}/name", f"{name}\n")
            self.home.machine.put(f"{folder}/temp1_input", "95000\n")
        self.home.begin()

    def hours(self, count):
        for _ in range(count):
            self.home.go_on({}, 30, 2)

    def take_out(self, name):
        number = self.names.index(name)
        shutil.rmtree(self.home.machine.folder / f"sys/class/hwmon/hwmon{number}")

    def alerts(self):
        items = self.home.service.get("alerts")["items"]
        return {one["subject"].split("-")[1]: one for one in items if one["rule"] == RULE}

    def states(self):
        return {name: alert["state"] for name, alert in self.alerts().items()}

    def acknowledge(self, name):
        path = f"/api/v1/alerts/{self.alerts()[name]['id']}/ack"
        assert self.home.service.api().post(path).status_code == 200


@pytest.fixture
def chips(calendar):
    """Makes machines with chips."""
    return lambda *names, **policy: Chips(calendar, *names, **policy)


def test_an_alert_of_what_is_gone_ends_once_it_is_acknowledged_or_after_long(chips):
    machine = chips("old", "known", "late", "stays", give_up_after="2d", forget_after="1d")
    machine.hours(1)
    assert machine.states() == dict.fromkeys(machine.names, "firing")
    machine.acknowledge("known")
    for name in ("old", "known", "late"):
        machine.take_out(name)
    machine.hours(3)
    assert machine.states() == {"old": "firing", "known": "acknowledged", "late": "firing",
                                "stays": "firing"}, "that it tells nothing is no good news"
    # Whoever acknowledges it now knows that it is gone.
    machine.acknowledge("late")
    machine.hours(1)
    assert machine.states() == {"old": "firing", "known": "acknowledged", "stays": "firing"}
    # What was acknowledged while it was there may come back: it is kept for longer.
    machine.hours(22)
    assert machine.states() == {"old": "firing", "stays": "firing"}
    machine.hours(24)
    assert machine.states() == {"old": "resolved", "stays": "firing"}
    assert "is gone" in machine.alerts()["old"]["summary"]


def test_what_was_taken_out_while_homewatch_was_off_is_given_up_as_well(chips):
    machine = chips("gone", "stays", give_up_after="1d")
    machine.hours(1)
    machine.take_out("gone")
    machine.home.pause_until(berlin(2025, 6, 2, 12))
    machine.hours(1)
    assert machine.states() == {"gone": "firing", "stays": "firing"}
    machine.hours(25)
    assert machine.states() == {"gone": "resolved", "stays": "firing"}
