"""A UPS by a real upsd, whose driver plays an outage."""

import signal

from harness import until

STATE = "homewatch/box/health/ups-rack"


def config(upsd, ran):
    return {
        "node": {"interval": "1s"},
        "collect": {"ups": {
            "nut": "off", "apcupsd": "off", "feeds_host": "rack",
            "servers": {"real": {"address": f"127.0.0.1:{upsd.port}", "username": "homewatch",
                                 "password": "se cret", "tests": ["quick"]}},
            "action": {"enabled": True, "for": "0s", "commands": [
                ["sh", "-c", f"echo one >> {ran}"], ["sh", "-c", f"echo two >> {ran}"]]},
        }},
        "rules": {"ups_on_battery": {"for": "0s", "clear_for": "0s"},
                  "ups_battery_low": {"for": "0s"}, "battery_action": {"for": "0s"}},
    }


def test_an_outage_is_told_acted_upon_once_and_kept(home, upsd, tmp_path):
    ran = tmp_path / "ran"
    service = home(config(upsd, ran)).start()
    mqtt = service.mqtt("homewatch/box/#")
    first = mqtt.wait(STATE, lambda m: m.json["state"] == "on_mains").json
    assert (first["power_w"], first["charge_pct"], first["outages"]) == (210, 100, 0)
    refused = mqtt.command("ups/rack/test", "quick")
    assert not refused["ok"] and "no such command" in refused["error"], refused
    upsd.set("ups.status", "OB DISCHRG")
    mqtt.wait(STATE, lambda m: m.json["on_battery"])
    begin = mqtt.wait("homewatch/box/event/power_outage").json
    assert begin["state"] == "begin" and begin["subject"] == "health/ups-rack"
    mqtt.wait("homewatch/box/alert/ups_on_battery-health-ups-rack")
    assert not ran.exists()
    upsd.set("battery.charge", "40")
    upsd.set("ups.status", "OB DISCHRG LB")
    mqtt.wait("homewatch/box/event/ups_action", lambda m: m.json["state"] == "done")
    mqtt.wait("homewatch/box/alert/battery_action-health-battery-action")
    assert ran.read_text() == "one\ntwo\n"
    # In the same outage a restart repeats nothing.
    service.stop()
    service.start()
    mqtt = service.mqtt("homewatch/box/#")
    mqtt.wait(STATE, lambda m: m.json["state"] == "low_battery")
    before = len(mqtt.messages)
    upsd.set("ups.status", "OL CHRG")
    end = mqtt.wait("homewatch/box/event/power_outage", lambda m: m.json["state"] == "end",
                    before).json
    assert (end["ended"], end["lowest_charge_pct"], end["battery_low"]) == ("mains", 40, True)
    told = mqtt.wait(STATE, lambda m: m.json["state"] == "on_mains", before).json
    assert told["outages"] == 1 and told["last_outage_s"] > 0
    [outage] = service.get("power/outages")["items"]
    assert outage["ended"] == "mains" and outage["lowest_charge_pct"] < 100, outage
    assert ran.read_text() == "one\ntwo\n"


def test_without_being_switched_on_no_command_is_run(home, upsd, tmp_path):
    ran = tmp_path / "ran"
    settings = config(upsd, ran)
    del settings["collect"]["ups"]["action"]["enabled"]
    service = home(settings).start()
    mqtt = service.mqtt("homewatch/box/#")
    mqtt.wait(STATE, lambda m: m.json["state"] == "on_mains")
    upsd.set("ups.status", "OB DISCHRG LB")
    mqtt.wait("homewatch/box/alert/ups_battery_low-health-ups-rack",
              lambda m: m.json["state"] == "firing")
    before = len(mqtt.messages)
    upsd.set("ups.status", "OL CHRG")
    mqtt.wait("homewatch/box/event/power_outage", lambda m: m.json["state"] == "end", before)
    told = set(mqtt.latest())
    assert not ran.exists()
    assert not told & {"homewatch/box/event/ups_action", "homewatch/box/health/battery-action"}


def test_a_driver_that_dies_on_battery_is_critical(home, upsd, tmp_path):
    service = home(config(upsd, tmp_path / "ran") | {
        "rules": {"ups_lost_on_battery": {"for": "0s"}}}).start()
    mqtt = service.mqtt("homewatch/box/#")
    upsd.set("ups.status", "OB DISCHRG")
    mqtt.wait(STATE, lambda m: m.json.get("on_battery"))
    upsd.processes[0].kill()
    upsd.processes[0].wait()
    lost = mqtt.wait(STATE, lambda m: m.json["state"] == "lost").json
    assert lost["lost_on_battery"] and "driver" in lost["reason"] and "charge_pct" not in lost
    alert = mqtt.wait("homewatch/box/alert/ups_lost_on_battery-health-ups-rack")
    assert alert.json["severity"] == "critical"


def test_a_upsd_that_hangs_does_not_flap_however_short_the_tick(home, upsd, tmp_path):
    service = home(config(upsd, tmp_path / "ran") | {
        "rules": {"ups_lost": {"for": "4s"}}}).start()
    mqtt = service.mqtt("homewatch/box/#")
    mqtt.wait(STATE, lambda m: m.json["state"] == "on_mains")
    upsd.processes[1].send_signal(signal.SIGSTOP)
    try:
        lost = mqtt.wait(STATE, lambda m: m.json["state"] == "lost")
        assert "no answer" in lost.json["reason"], lost
        before = len(mqtt.messages)
        alert = "homewatch/box/alert/ups_lost-health-ups-rack"
        mqtt.wait(alert, lambda m: m.json["state"] == "firing")
        told = [m.text for m in mqtt.messages[before:] if m.topic == f"{STATE}/availability"]
        assert "offline" not in told, told
    finally:
        upsd.processes[1].send_signal(signal.SIGCONT)
