"""What electricity costs, with prices that are told on MQTT, and budgets."""

import datetime
import json

from harness import Mqtt

HOST = "homewatch/box/power/host"
PRICE = "homewatch/box/power/price"
BUDGET = "homewatch/box/power/budget-day"


def power():
    """A machine with a budget and a tariff whose prices are told."""
    return {
        "host": {"idle_w": 2000, "max_w": 9000},
        "tariff": {"currency": "EUR", "time_zone": "Europe/Berlin", "price": 0.5, "standing": 6,
                   "cheapest_hours": 1,
                   "dynamic": {"topics": ["prices/now", "prices/list"], "unit": "ct/kWh",
                               "factor": 2, "add": 0.1}},
        "co2": {"g_per_kwh": 400, "topics": ["grid/co2"]},
        "budgets": {"day": {"per": "day", "kwh": 0.0011}},
    }


def test_prices_of_the_moment_are_used_and_their_absence_is_told(home):
    service = home({"power": power(),
                    "rules": {"price_missing": {"for": "0s", "clear_for": "0s"},
                              "budget_exceeded": {"for": "0s"}}}).start()
    mqtt = service.mqtt("homewatch/#", "homeassistant/#")
    first = mqtt.wait(HOST, lambda m: "price_eur" in m.json)
    assert (first.json["price_eur"], first.json["price_basis"]) == (0.5, "fallback")
    service.alert("price_missing", "firing")

    def say(topic, payload, retain=False):
        before = len(mqtt.messages)
        mqtt.client.publish(topic, payload, qos=1, retain=retain)
        return before

    # The price of now, in cents, with a factor and a fee; it may be negative.
    before = say("prices/now", "-30")
    now = mqtt.wait(HOST, lambda m: m.json.get("price_eur") == -0.5, before)
    assert now.json["price_basis"] == "dynamic"
    service.alert("price_missing", "resolved")
    # Nonsense changes nothing, and is told.
    before = say("prices/now", "cheap as chips")
    told = mqtt.wait(HOST, lambda m: "price_trouble" in m.json, before)
    assert "cheap as chips" in told.json["price_trouble"]
    assert told.json["price_eur"] == -0.5
    # A list goes before the number: this hour and the next ones, the third the cheapest.
    hour = datetime.datetime.now(datetime.UTC).replace(minute=0, second=0, microsecond=0)
    times = [hour + datetime.timedelta(hours=n) for n in range(5)]
    slots = [{"start": t.isoformat(), "end": (t + datetime.timedelta(hours=1)).isoformat(),
              "value": 1 if n == 2 else 10} for n, t in enumerate(times)]
    before = say("prices/list", json.dumps({"raw_today": slots, "raw_tomorrow": []}))
    listed = mqtt.wait(HOST, lambda m: m.json.get("price_eur") == 0.3, before)
    assert "price_trouble" not in listed.json
    ahead = mqtt.wait(PRICE, lambda m: "cheapest_at" in m.json, before).json
    begin = datetime.datetime.fromisoformat(ahead["cheapest_at"])
    if hour == datetime.datetime.now(datetime.UTC).replace(minute=0, second=0, microsecond=0):
        assert begin == times[2] and ahead["price_cheapest_eur"] == 0.12
    # CO2 for the moment, and sums in whole.
    before = say("grid/co2", "250")
    clean = mqtt.wait(HOST, lambda m: m.json.get("co2_g_per_kwh") == 250, before)
    assert clean.json["standing_month_eur"] > 0
    assert clean.json["total_month_eur"] >= clean.json["standing_month_eur"] - 0.01
    mqtt.wait(BUDGET, lambda m: m.json["used_pct"] > 100 and m.json["per"] == "day")
    service.alert("budget_exceeded", "firing")
    # Home Assistant: a price is no sum of money.
    config = mqtt.wait("homeassistant/device/+/config", lambda m: "price_eur" in m.text).json
    entities = {key: entity for key, entity in config["cmps"].items() if "uniq_id" in entity}
    price = next(e for key, e in entities.items() if key.endswith("host_price_eur"))
    cost = next(e for key, e in entities.items() if key.endswith("host_cost_eur"))
    assert price["unit_of_meas"] == "EUR/kWh" and "dev_cla" not in price
    assert (cost["dev_cla"], cost["stat_cla"]) == ("monetary", "total")
    # The list is known after a crash, too; a retained number is of unknown age.
    say("prices/now", "-99", retain=True)
    service.stop()
    service.start()
    again = service.keep(Mqtt(service.mqtt_port, "homewatch/#"))
    later = again.wait(HOST, lambda m: "price_eur" in m.json)
    assert later.json["price_basis"] == "dynamic" and later.json["price_eur"] != -1.88
