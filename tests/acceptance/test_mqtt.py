"""Topics and payloads on the embedded broker."""

import json
import re

import pytest
from harness import TS, response_properties

STATE = re.compile(r"^homewatch/box/(power|health|internet|ddns)/[a-z0-9._-]+$")
KEY = re.compile(r"^[a-z0-9]+(_[a-z0-9]+)*$")


@pytest.fixture(scope="module")
def seen(desktop):
    """A client that has seen the whole state."""
    mqtt = desktop.mqtt("homewatch/#", "homeassistant/#")
    mqtt.wait("homewatch/box/health/temp-coretemp-package-id-0")
    mqtt.wait("homewatch/box/health/memory")
    mqtt.wait("homewatch/box/alerts")
    mqtt.wait("homewatch/box/health/cpu", lambda m: "usage_pct" in m.json)
    return mqtt


def states(seen):
    """The last state of every subject."""
    return {t: m for t, m in seen.latest("homewatch/box/#").items() if STATE.match(t)}


def test_status_is_online_and_retained(desktop, seen):
    late = desktop.mqtt("homewatch/box/status")
    message = late.wait("homewatch/box/status")
    assert (message.text, message.retain) == ("online", True)


def test_every_state_is_retained_and_sent_with_qos_1(desktop, seen):
    late = desktop.mqtt("homewatch/box/#")
    topics = states(seen)
    assert len(topics) > 10
    for topic in topics:
        message = late.wait(topic)
        assert message.retain and message.qos == 1, topic


def test_every_state_is_an_object_with_a_time_and_plain_keys(seen):
    for topic, message in states(seen).items():
        body = message.json
        assert isinstance(body, dict), topic
        assert TS.match(body["ts"]), (topic, body["ts"])
        for key in body:
            assert KEY.match(key), (topic, key)


def test_the_last_word_of_a_key_is_its_unit(seen):
    """What has a unit tells it; the rest are counts and plain numbers, listed here."""
    units = {"pct", "c", "rpm", "bytes", "s", "ms", "mhz", "w", "kwh", "v", "a", "hz", "va", "eur",
             "mbit"}
    plain = {"cores", "load_1m", "load_5m", "load_15m", "count", "running", "blocked", "threads",
             "samples", "lost_samples", "series", "failing_collectors", "stratum", "hangs",
             "core_throttle_count", "package_throttle_count", "machine_checks", "oom_kills",
             "link_downs", "skipped_messages"}
    for topic, message in states(seen).items():
        for key, value in message.json.items():
            if isinstance(value, (int, float)) and not isinstance(value, bool):
                assert key.rsplit("_", 1)[-1] in units or key in plain or \
                    key.endswith(("_per_s", "_packets", "_errors", "_drops", "_24h")), (topic, key)


def test_a_figure_that_is_not_known_is_left_out(seen):
    """The captured machine has a sensor that is not connected: no figure, and no 0 or null."""
    faulty = seen.wait("homewatch/box/health/temp-nct6798-auxtin0", lambda m: m.json["fault"]).json
    assert "temperature_c" not in faulty
    for topic, message in states(seen).items():
        assert None not in message.json.values(), topic


def test_each_subject_has_an_availability_of_its_own(seen):
    for topic in states(seen):
        message = seen.wait(f"{topic}/availability")
        assert message.text in ("online", "offline")


def test_a_subject_that_goes_silent_is_told_unavailable_and_comes_back(home, host):
    service = home({"host": host.config("sys")}).start()
    mqtt = service.mqtt("homewatch/box/health/#")
    topic = "homewatch/box/health/temp-coretemp-package-id-0"
    mqtt.wait(f"{topic}/availability", lambda m: m.text == "online")
    chip = host.folder / "sys/devices/platform/coretemp.0/hwmon/hwmon2"
    hidden = chip.with_name("away")
    chip.rename(hidden)
    mqtt.wait(f"{topic}/availability", lambda m: m.text == "offline")
    hidden.rename(chip)
    before = len(mqtt.messages)
    mqtt.wait(f"{topic}/availability", lambda m: m.text == "online", after=before)


def test_what_does_not_change_is_not_sent_again(home, host):
    """The captured sensors stand still while this machine's processor does not. Home Assistant
    would get every state once more after it has been told what there is."""
    service = home({"host": host.config("sys"), "homeassistant": {"enabled": False}}).start()
    mqtt = service.mqtt("homewatch/box/health/#")
    still = "homewatch/box/health/temp-coretemp-core-0"
    first = mqtt.wait(still).text
    at = ""
    for _ in range(4):
        later = mqtt.wait("homewatch/box/health/+",
                          lambda m: not m.retain and m.json["ts"] > at)
        at = later.json["ts"]
    # The retained one and that of the same reading which was under way.
    assert {message.text for message in mqtt.heard(still)} == {first}
    assert len(mqtt.heard(still)) <= 2


def test_an_unchanged_state_is_sent_anew_now_and_then(home, host):
    service = home({"host": host.config("sys"), "node": {"heartbeat": "10s"}}).start()
    topic = "homewatch/box/health/temp-coretemp-core-0"
    mqtt = service.mqtt(topic)
    first = mqtt.wait(topic).json
    second = mqtt.wait(topic, lambda m: m.json["ts"] != first["ts"]).json
    assert second["temperature_c"] == first["temperature_c"]


def test_the_base_topic_can_be_another(home, host):
    service = home({"host": host.config("sys"), "mqtt": {"base_topic": "lab/watch",
                                                        "discovery_prefix": "ha"}}).start()
    mqtt = service.mqtt("#")
    mqtt.wait("lab/watch/box/status")
    mqtt.wait("ha/device/+/config")
    result = mqtt.command("alert/none/ack", base="lab/watch")
    assert not result["ok"]
    assert {t.split("/")[0] for t in mqtt.latest()} <= {"lab", "ha"}


def test_mqtt_5_works_as_well(desktop):
    mqtt = desktop.mqtt("homewatch/box/#", version=5)
    mqtt.wait("homewatch/box/status", lambda m: m.text == "online")


# Commands

REFUSED = {
    "unknown": ("alert/x/akc", b"", "alert/x/ack"),
    "no such alert": ("alert/nothing/ack", b"", "nothing"),
    "no such rule": ("rule/nothing/silence", b'{"for":"1h"}', "nothing"),
    "no duration": ("rule/temperature_high/silence", b"", "for"),
    "a bad duration": ("rule/temperature_high/silence", b'{"for":"a while"}', "a while"),
    "not allowed": ("host/reboot", b"", "allow"),
    "broken JSON": ("alert/all/ack", b'{"by":', ""),
    "no UTF-8": ("alert/all/ack", b"\xff\xfe", ""),
    "a wrong type": ("maintenance", b'{"for": 12}', "for"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_command_that_cannot_be_carried_out_is_answered_plainly(desktop, name):
    words, payload, told = REFUSED[name]
    mqtt = desktop.mqtt("homewatch/box/result")
    result = mqtt.command(words, payload)
    assert result["ok"] is False and result["command"] == words
    assert told in result["error"], result


def test_a_result_carries_the_id_of_its_command(desktop):
    mqtt = desktop.mqtt("homewatch/box/result")
    assert mqtt.command("alert/nothing/ack", {"id": "a-1"})["id"] == "a-1"


def test_a_retained_command_is_refused(desktop):
    mqtt = desktop.mqtt("homewatch/box/result")
    topic = "homewatch/box/cmd/maintenance"
    mqtt.publish(topic, '{"for":"1h"}', retain=True)
    result = mqtt.wait("homewatch/box/result",
                       lambda m: m.json["command"] == "maintenance").json
    mqtt.publish(topic, b"", retain=True)
    assert result["ok"] is False and "retain" in result["error"]


def test_results_are_not_retained(desktop):
    mqtt = desktop.mqtt("homewatch/box/result")
    mqtt.command("alert/nothing/ack")
    late = desktop.mqtt("homewatch/box/result", "homewatch/box/status")
    late.wait("homewatch/box/status")
    assert not late.heard("homewatch/box/result")


def test_an_mqtt_5_command_is_answered_where_it_asks_to_be(desktop):
    mqtt = desktop.mqtt("answers/here", version=5)
    mqtt.publish("homewatch/box/cmd/alert/nothing/ack",
                 properties=response_properties("answers/here", b"7"))
    answer = mqtt.wait("answers/here")
    assert json.loads(answer.payload)["ok"] is False
    assert answer.properties.CorrelationData == b"7"


def test_a_command_to_another_node_is_none_of_our_business(desktop):
    mqtt = desktop.mqtt("homewatch/#")
    mqtt.publish("homewatch/other/cmd/alert/all/ack")
    mqtt.command("alert/nothing/ack")
    results = mqtt.heard("homewatch/+/result")
    assert [m.json["command"] for m in results] == ["alert/nothing/ack"]
