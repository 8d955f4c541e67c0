"""Sensors, the processor's behaviour and rooms, as a user sees them."""

import json

from harness import TS, Host


def test_an_under_voltage_of_a_raspberry_pi_is_told_at_once(home, tmp_path):
    host = Host(tmp_path / "pi", "raspberry-pi")
    rules = {"under_voltage": {"for": "0s"}}
    service = home({"host": host.config("proc", "sys"), "rules": rules}).start()
    mqtt = service.mqtt("homewatch/#")
    calm = mqtt.wait("homewatch/box/health/raspberry-pi").json
    assert (calm["under_voltage"], calm["under_voltage_since_boot"]) == (False, True)
    host.write("sys/devices/platform/soc/soc:firmware/get_throttled", "50001")
    mqtt.wait("homewatch/box/alert/under_voltage-health-raspberry-pi",
              lambda m: m.json["state"] == "firing" and m.json["severity"] == "critical")


def test_a_new_error_in_the_kernel_s_log_is_an_event_and_is_counted(home, host):
    service = home({"host": host.config("root", "proc"),
                    "collect": {"kernel": {"enabled": True}}}).start()
    mqtt = service.mqtt("homewatch/#")
    before = mqtt.wait("homewatch/box/health/kernel").json
    assert (before["usb_errors"], before["disk_errors"]) == (1, 0)
    with (host.folder / "root/dev/kmsg").open("a") as log:
        log.write("3,900,500000000,-;critical medium error, dev sdb, sector 77\n")
    event = mqtt.wait("homewatch/box/event/kernel").json
    assert TS.match(event.pop("ts"))
    assert event == {"kind": "disk", "device": "sdb", "count": 1,
                     "text": "critical medium error, dev sdb, sector 77"}
    after = mqtt.wait("homewatch/box/health/kernel", lambda m: m.json["disk_errors"] == 1).json
    assert {"kind": "disk", "device": "sdb", "count": 1} in after["devices"]


def test_a_thermometer_of_a_room_is_a_subject_like_any_other(home):
    rack = {"topic": "zigbee2mqtt/Rack", "label": "Server rack"}
    service = home({"health": {"ambient": {"rack": rack}}}).start()
    mqtt = service.mqtt("homewatch/#")
    mqtt.wait("homewatch/box/health/memory")
    mqtt.publish("zigbee2mqtt/Rack", json.dumps({"temperature": 24.6, "battery": 91}))
    told = mqtt.wait("homewatch/box/health/ambient-rack").json
    assert (told["temperature_c"], told["fault"]) == (24.6, False)


def test_voltages_are_there_and_switched_off_in_home_assistant(desktop):
    mqtt = desktop.mqtt("homewatch/#", "homeassistant/#")
    told = mqtt.wait("homewatch/box/health/voltage-nct6798-in7").json
    assert (told["voltage_v"], told["min_v"], told["max_v"]) == (3.424, 2.976, 3.632)
    found = mqtt.wait_for(
        lambda: [m.json["cmps"]["health_voltage-nct6798-in7_voltage_v"]
                 for t, m in mqtt.latest("homeassistant/device/#").items()
                 if "health_voltage-nct6798-in7_voltage_v" in m.json.get("cmps", {})],
        "the entity of a voltage")
    assert found[0]["en"] is False and found[0]["dev_cla"] == "voltage"
