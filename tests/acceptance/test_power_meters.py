"""Meters that cannot be believed, as their owner sees it."""

import json

import pytest

HOST = "homewatch/box/power/host"
STRIP = "homewatch/box/power/meter-strip"


def sensor(mqtt, name, **energy):
    mqtt.client.publish(f"tele/{name}/SENSOR", json.dumps({"ENERGY": energy}))


@pytest.fixture
def ready(home):
    service = home({"power": {
        "host": {"idle_w": 20, "max_w": 70},
        "meters": {"plug": {"tasmota": "plug", "feeds": "host"}, "strip": {"tasmota": "strip"}},
    }}).start()
    return service, service.mqtt("homewatch/#")


def test_a_plug_that_is_off_while_the_machine_runs_is_not_its_plug(ready):
    service, mqtt = ready
    sensor(mqtt, "plug", Total=10.0, Power=60)
    mqtt.wait(HOST, lambda m: m.json["source"] == "meter" and m.json["power_w"] == 60)
    before = len(mqtt.messages)
    mqtt.client.publish("stat/plug/RESULT", '{"POWER":"OFF"}')
    told = mqtt.wait(HOST, lambda m: m.json["source"] != "meter", before).json
    assert told["source"] == "model" and told["power_w"] >= 20
    refused = service.run("power", "calibrate", "--dry-run", code=1)
    assert "says 0 W while this machine runs" in refused and "[power.meters.plug]" in refused
    before = len(mqtt.messages)
    mqtt.client.publish("stat/plug/RESULT", '{"POWER":"ON"}')
    sensor(mqtt, "plug", Total=10.0, Power=61)
    mqtt.wait(HOST, lambda m: m.json["source"] == "meter" and m.json["power_w"] == 61, before)


def test_a_strip_that_also_speaks_as_one_is_counted_once(ready):
    _, mqtt = ready
    sensor(mqtt, "strip", Total=[1.0, 2.0], Power=[30, "60"])
    mqtt.wait(STRIP, lambda m: m.json.get("power_w") == 90 and m.json["energy_kwh"] == 3)
    before = len(mqtt.messages)
    sensor(mqtt, "strip", Total=50.0, Power=100)
    told = mqtt.wait(STRIP, lambda m: m.json.get("power_w") == 100, before).json
    assert told["energy_kwh"] == 3 and "set channel" in told["suspect"]
    before = len(mqtt.messages)
    sensor(mqtt, "strip", Total=50.0, Power=1e308)
    told = mqtt.wait(STRIP, lambda m: "power_w" not in m.json, before).json
    assert told["suspect"].startswith("says 1.0e308 W")
