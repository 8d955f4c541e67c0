"""Alerts from the sensor to the phone and back."""

import json

import pytest
from harness import TS
from ntfy_server import NtfyServer

# How full this machine's own disk is, is no matter here.
AT_ONCE = {"rules": {"temperature_high": {"for": "0s", "clear_for": "0s"}},
           "collect": {"filesystem": {"enabled": False}}}
ID = "temperature_high-health-temp-coretemp-package-id-0"
TOPIC = f"homewatch/box/alert/{ID}"


@pytest.fixture
def hot(home, host):
    """A service whose processor is too hot, and the client that has heard of it."""
    service = home({"host": host.config("sys"), **AT_ONCE}).start()
    service.host = host
    mqtt = service.mqtt("homewatch/#")
    host.processor(97)
    mqtt.wait(TOPIC, lambda m: m.json["state"] == "firing")
    return service, mqtt


def test_overheating_is_an_alert_with_all_that_one_needs_to_know(hot):
    service, mqtt = hot
    alert = mqtt.wait(TOPIC, lambda m: m.json["state"] == "firing").json
    assert alert["id"] == ID and alert["rule"] == "temperature_high"
    assert alert["severity"] == "warning"
    assert alert["subject"] == "health/temp-coretemp-package-id-0"
    assert (alert["value"], alert["threshold"], alert["count"]) == (97, 90, 1)
    assert "97" in alert["summary"] and TS.match(alert["since"])
    late = service.mqtt("homewatch/box/#")
    assert late.wait(TOPIC).retain
    counts = late.wait("homewatch/box/alerts").json
    assert (counts["warning"], counts["worst"]) == (1, "warning")
    assert service.get("alerts")["items"][0]["id"] == ID
    assert service.get("summary")["verdict"] == "warning"
    assert ID in service.run("status")


def test_the_health_report_tells_it_while_the_service_runs_and_after(hot):
    service, _ = hot
    summary = service.alert("temperature_high")["summary"]
    for stop in (lambda: None, service.stop):
        stop()
        told = json.loads(service.run("report", "health", "--format", "json"))
        assert [note["text"] for note in told["notes"]][:2] == ["Verdict: warning.", summary]
        assert told["tables"]["alerts"][0]["state"] == "firing"


def test_it_becomes_critical_and_ends_when_it_is_over_and_acknowledged(hot):
    service, mqtt = hot
    service.host.processor(101)
    mqtt.wait(TOPIC, lambda m: m.payload and m.json["severity"] == "critical")
    service.host.processor(50)
    mqtt.wait(TOPIC, lambda m: m.payload and m.json["state"] == "resolved")
    assert mqtt.command(f"alert/{ID}/ack")["ok"]
    mqtt.wait(TOPIC, lambda m: m.payload == b"")
    service.no_alert("temperature_high")
    assert not service.mqtt("homewatch/box/alert/#", "homewatch/box/status").heard(TOPIC)


def test_between_the_limits_nothing_changes(hot):
    service, mqtt = hot
    service.host.processor(87)
    mqtt.wait("homewatch/box/health/temp-coretemp-package-id-0",
              lambda m: m.json.get("temperature_c") == 87)
    assert service.alert("temperature_high")["state"] == "firing"
    service.host.processor(84)
    service.alert("temperature_high", "resolved")


def test_it_fires_only_after_the_condition_has_held_long_enough(home, host):
    service = home({"host": host.config("sys"),
                    "rules": {"temperature_high": {"for": "5s", "clear_for": "0s"}}}).start()
    mqtt = service.mqtt("homewatch/box/alert/#")
    host.processor(97)
    mqtt.wait(TOPIC, lambda m: m.json["state"] == "firing")
    states = [m.json["state"] for m in mqtt.heard(TOPIC)]
    assert states[0] == "pending" and states[-1] == "firing"


def test_acknowledged_over_mqtt_it_is_acknowledged_everywhere(hot):
    service, mqtt = hot
    result = mqtt.command(f"alert/{ID}/ack", {"by": "Ada", "note": "fan is on order"})
    assert result["ok"], result
    alert = mqtt.wait(TOPIC, lambda m: m.json["state"] == "acknowledged").json
    assert (alert["acknowledged_by"], alert["note"]) == ("Ada", "fan is on order")
    assert TS.match(alert["acknowledged_at"])
    assert service.alert("temperature_high")["acknowledged_by"] == "Ada"
    counts = mqtt.wait("homewatch/box/alerts", lambda m: m.json["acknowledged"] == 1).json
    assert "worst" not in counts
    assert service.get("summary")["verdict"] == "ok"
    assert mqtt.command(f"alert/{ID}/unack")["ok"]
    service.alert("temperature_high", "firing")


def test_acknowledged_over_rest_it_is_acknowledged_everywhere(hot):
    service, mqtt = hot
    answer = service.api("ack").post(f"/api/v1/alerts/{ID}/ack", json={"by": "Ada"})
    assert answer.status_code == 200, answer.text
    alert = mqtt.wait(TOPIC, lambda m: m.json["state"] == "acknowledged").json
    assert "Ada" in alert["acknowledged_by"]
    before = len(mqtt.messages)
    assert service.api("ack").post(f"/api/v1/alerts/{ID}/unack").status_code == 200
    mqtt.wait(TOPIC, lambda m: m.json["state"] == "firing", before)


def test_all_can_be_acknowledged_at_once(hot):
    service, mqtt = hot
    assert mqtt.command("alert/all/ack", "seen")["ok"]
    assert service.alert("temperature_high")["state"] == "acknowledged"


@pytest.mark.parametrize("end", ["stop", "crash"])
def test_acknowledged_stays_acknowledged(hot, end):
    service, mqtt = hot
    assert mqtt.command(f"alert/{ID}/ack", {"by": "Ada"})["ok"]
    before = service.alert("temperature_high", "acknowledged")
    getattr(service, end)()
    service.start()
    after = service.alert("temperature_high")
    for key in ("state", "acknowledged_by", "acknowledged_at", "since", "count"):
        assert after[key] == before[key], key
    message = service.mqtt("homewatch/box/alert/#").wait(TOPIC)
    assert message.retain and message.json["state"] == "acknowledged"


def test_what_ended_while_we_were_away_ends_when_we_are_back(hot):
    service, _ = hot
    service.crash()
    service.host.processor(40)
    service.start()
    service.alert("temperature_high", "resolved")


def test_a_silence_holds_over_a_restart_and_is_shown(hot):
    service, mqtt = hot
    assert mqtt.command(f"alert/{ID}/silence", {"for": "2h"})["ok"]
    until = service.alert("temperature_high")["silenced_until"]
    service.crash()
    service.start()
    assert service.alert("temperature_high")["silenced_until"] == until


def test_a_collector_that_fails_is_an_alert(home, host):
    """The others go on meanwhile."""
    service = home({"host": host.config(),
                    "rules": {"collector_silent": {"for": "0s", "clear_for": "0s"}}}).start()
    mqtt = service.mqtt("homewatch/box/health/temp-coretemp-package-id-0")
    mqtt.wait("#")
    meminfo = (host.folder / "proc/meminfo").read_text()
    host.write("proc/meminfo", "nonsense")
    alert = service.alert("collector_silent", "firing")
    assert "memory" in alert["subject"]
    host.processor(60)
    mqtt.wait("#", lambda m: m.json["temperature_c"] == 60)
    host.write("proc/meminfo", meminfo.rstrip("\n"))
    service.alert("collector_silent", "resolved")


def test_a_rule_of_ones_own(home, host):
    service = home({"host": host.config("sys"), "rules": {"cool": {
        "severity": "info", "series": "health/temp-coretemp-package-id-0/temperature_c",
        "below": 30, "clear": 35, "summary": "{subject} is cool: {value}"}}}).start()
    host.processor(21)
    alert = service.alert("cool", "firing")
    assert alert["severity"] == "info" and "is cool: 21" in alert["summary"]


# The phone

@pytest.fixture
def ntfy():
    """A server that speaks ntfy's protocol."""
    with NtfyServer() as server:
        yield server


def phone(ntfy, **more):
    """The configuration that pushes to it."""
    return {"push": {"group": "0s", "ntfy": {"server": ntfy.url, "topic": "box", **more}}}


def test_an_alert_is_pushed_and_its_button_acknowledges_it(home, host, ntfy):
    service = home({"host": host.config("sys"), **AT_ONCE, **phone(ntfy)}).start()
    ntfy.wait_for_subscriber()
    host.processor(97)
    message = ntfy.wait("box")
    assert "97" in message["message"] + message.get("title", "")
    assert message["priority"] >= 3 and message["tags"]
    label = next(a["label"] for a in message["actions"] if a["label"].lower().startswith("ack"))
    assert ntfy.press(message, label) == 200
    alert = service.alert("temperature_high", "acknowledged")
    mqtt = service.mqtt("homewatch/box/alert/#")
    assert mqtt.wait(TOPIC).json["state"] == "acknowledged"
    service.crash()
    service.start()
    assert service.alert("temperature_high")["acknowledged_at"] == alert["acknowledged_at"]


def test_the_button_goes_to_the_rest_bridge_where_that_is_reachable(home, host, ntfy):
    service = home({"host": host.config("sys"), **AT_ONCE, **phone(ntfy)})
    service.configure({"api": {"public_url": service.url}})
    service.start()
    host.processor(97)
    message = ntfy.wait("box")
    action = next(a for a in message["actions"] if a["label"].lower().startswith("ack"))
    assert action["url"].startswith(f"{service.url}/api/v1/alerts/{ID}/ack")
    assert ntfy.press(message, action["label"]) == 200
    service.alert("temperature_high", "acknowledged")


def test_a_button_of_another_alert_or_a_made_up_one_does_nothing(home, host, ntfy):
    service = home({"host": host.config("sys"), **AT_ONCE, **phone(ntfy)})
    service.configure({"api": {"public_url": service.url}})
    service.start()
    host.processor(97)
    action = ntfy.wait("box")["actions"][0]
    forged = action["url"].replace("ticket=", "ticket=x")
    assert forged != action["url"]
    assert service.api().post(forged, headers={"Authorization": ""}).status_code == 401
    assert service.alert("temperature_high")["state"] == "firing"


def test_what_could_not_be_pushed_is_pushed_later_even_after_a_crash(home, host, ntfy):
    service = home({"host": host.config("sys"), **AT_ONCE, **phone(ntfy)})
    ntfy.answer(500)
    service.start()
    host.processor(97)
    service.alert("temperature_high", "firing")
    ntfy.wait_for_attempts()
    service.crash()
    ntfy.answer(200)
    service.start()
    assert "97" in str(ntfy.wait("box"))


def test_the_end_of_an_alert_is_pushed_too(home, host, ntfy):
    service = home({"host": host.config("sys"), **AT_ONCE, **phone(ntfy)}).start()
    host.processor(97)
    ntfy.wait("box")
    host.processor(40)
    service.alert("temperature_high", "resolved")
    ntfy.wait("box", matches=lambda m: "40" in str(m) and "97" not in m["message"])


def test_a_silenced_rule_is_not_pushed_but_shown(home, host, ntfy):
    service = home({"host": host.config("sys"), **phone(ntfy), "rules": {
        "temperature_high": {"for": "0s", "clear_for": "0s"},
        "loud": {"severity": "critical", "above": 60, "clear": 50,
                 "series": "health/temp-coretemp-core-0/temperature_c"}}}).start()
    mqtt = service.mqtt("homewatch/box/result")
    assert mqtt.command("rule/temperature_high/silence", {"for": "1h"})["ok"]
    host.processor(97)
    service.alert("temperature_high", "firing")
    host.write("sys/class/hwmon/hwmon2/temp2_input", 70000)
    ntfy.wait("box", matches=lambda m: "70" in m["message"])
    assert not any("97" in m["message"] for m in ntfy.of("box"))


def test_the_doctor_sends_a_test_message(home, ntfy):
    service = home(phone(ntfy))
    service.run("doctor", "--push")
    assert ntfy.wait("box")["message"]
