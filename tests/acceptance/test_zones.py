"""Days by the owner's clock, also where it goes by half or quarter hours, or leaps at midnight."""

import datetime
import zoneinfo

import pytest
from leap import HOUR

# The day before the one on which the clocks change, each way.
CHANGES = [
    # By half an hour only, at 2.
    ("Australia/Lord_Howe", (2025, 4, 5)), ("Australia/Lord_Howe", (2025, 10, 4)),
    # At a quarter to three.
    ("Pacific/Chatham", (2025, 4, 5)), ("Pacific/Chatham", (2025, 9, 27)),
    # At midnight to 1 o'clock, and from 1 o'clock back to midnight.
    ("Atlantic/Azores", (2025, 3, 29)), ("Atlantic/Azores", (2025, 10, 25)),
]


def price(local):
    """A kWh in EUR: the first hour of the day costs ten times as much, and one at night three times."""
    return 3.0 if local.hour == 0 else 0.9 if local.hour == 2 else 0.3


@pytest.mark.parametrize("name, day", CHANGES)
def test_the_day_on_which_the_clocks_change_has_its_hours_and_its_price(calendar, name, day):
    zone = zoneinfo.ZoneInfo(name)
    start = datetime.datetime(*day, tzinfo=zone)
    home = calendar(start - datetime.timedelta(hours=3), HOUR, {"power": {
        "budgets": {"day": {"per": "day", "kwh": 2.4}},
        "tariff": {"currency": "XTS", "time_zone": name, "price": 0.3, "standing": 3.1,
                   "windows": {"first": {"from": "00:00", "to": "01:00", "price": 3},
                               "night": {"from": "02:00", "to": "03:00", "price": 0.9}}}}})

    def midnight(date):
        return datetime.datetime.combine(date, datetime.time(), zone).timestamp()

    home.begin()
    for _ in range(3 + 3 * 24):
        home.go_on({"web": 0.2}, 100, 0)
    for offset in (0, 1, 2):
        date = start.date() + datetime.timedelta(days=offset)
        begin, end = (midnight(date + datetime.timedelta(days=days)) for days in (0, 1))
        minutes = [datetime.datetime.fromtimestamp(at, zone)
                   for at in range(int(begin), int(min(end, home.at)), 60)]
        kwh = 0.1 * len(minutes) / 60
        cost = sum(price(local) for local in minutes) * 0.1 / 60
        told = home.service.get("power/report", period=date.isoformat())["figures"]
        assert told["energy_kwh"]["value"] == pytest.approx(kwh, abs=0.004), date
        assert told["cost_xts"]["value"] == pytest.approx(cost, abs=0.012), date
        if offset < 2:
            assert told["mean_w"]["value"] == pytest.approx(100, abs=0.2), date
    host = home.mqtt.latest("homewatch/box/power/host")["homewatch/box/power/host"].json
    today = midnight(datetime.datetime.fromtimestamp(home.at, zone).date())
    assert host["energy_today_kwh"] == pytest.approx((home.at - today) / 36000, abs=0.01)
