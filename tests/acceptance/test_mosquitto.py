"""The same through a real Mosquitto, which may die, hang and forget."""

import getpass
import re
import subprocess

import pytest
from harness import Mosquitto, Mqtt, until

ALERT = "homewatch/box/alert/temperature_high-health-temp-coretemp-package-id-0"
PACKAGE = "homewatch/box/health/temp-coretemp-package-id-0"


def config(mosquitto, host, **broker):
    """Without the embedded broker, as the contract says of an outside one."""
    return {
        "host": host.config("sys"),
        "rules": {"temperature_high": {"for": "0s", "clear_for": "0s"}},
        "mqtt": {"broker": {"url": f"mqtt://127.0.0.1:{mosquitto.port}", "keep_alive": "5s",
                            **broker}},
    }


@pytest.fixture
def outside(home, host, mosquitto):
    """A service on Mosquitto, and a client of Mosquitto."""
    service = home(config(mosquitto, host))
    # The harness always names a port for the embedded broker: here none is asked for.
    del service.settings["mqtt"]["embedded"]
    service.configure({})
    service.host = host
    service.start()
    mqtt = service.keep(Mqtt(mosquitto.port, "homewatch/#", "homeassistant/#"))
    mqtt.wait("homewatch/box/status", lambda m: m.text == "online")
    return service, mqtt


def test_everything_is_there_and_nothing_listens_here(outside, mosquitto):
    service, mqtt = outside
    mqtt.wait(PACKAGE)
    mqtt.wait("homeassistant/device/+/config")
    late = service.keep(Mqtt(mosquitto.port, "homewatch/#"))
    assert late.wait(PACKAGE).retain and late.wait("homewatch/box/status").retain
    assert "embedded" not in service.banner() and str(mosquitto.port) in service.banner()
    with pytest.raises(AssertionError):
        Mqtt(service.mqtt_port, connect=False).wait_for(lambda: False, "", timeout=0)
    connected = mqtt.wait("homewatch/box/health/mqtt-broker", lambda m: m.json["connected"])
    assert connected


def test_killed_it_is_offline_by_its_last_will(outside):
    service, mqtt = outside
    before = len(mqtt.messages)
    service.crash()
    mqtt.wait("homewatch/box/status", lambda m: m.text == "offline", before)
    before = len(mqtt.messages)
    service.start()
    mqtt.wait("homewatch/box/status", lambda m: m.text == "online", before)


def test_stopped_it_says_so_itself(outside):
    service, mqtt = outside
    before = len(mqtt.messages)
    service.stop()
    mqtt.wait("homewatch/box/status", lambda m: m.text == "offline", before)


def test_commands_and_alerts_work(outside):
    service, mqtt = outside
    service.host.processor(97)
    mqtt.wait(ALERT, lambda m: m.json["state"] == "firing")
    result = mqtt.command("alert/all/ack", {"by": "Ada"})
    assert result["ok"], result
    mqtt.wait(ALERT, lambda m: m.json["state"] == "acknowledged")


def test_a_broker_that_forgot_everything_is_told_everything_again(outside, mosquitto):
    service, mqtt = outside
    mqtt.wait(PACKAGE)
    mosquitto.kill()
    mqtt.wait_for(lambda: not mqtt.connected, "the end of the connection")
    mqtt.forget()
    mosquitto.start()
    mqtt.wait("homewatch/box/status", lambda m: m.text == "online")
    mqtt.wait(PACKAGE)
    mqtt.wait(f"{PACKAGE}/availability", lambda m: m.text == "online")
    mqtt.wait("homewatch/box/alerts")
    mqtt.wait("homeassistant/device/+/config")
    # Its commands are heard again, too.
    assert mqtt.command("alert/nothing/ack")["ok"] is False


def test_what_happened_while_the_broker_was_away_is_told_when_it_is_back(outside, mosquitto):
    service, mqtt = outside
    mosquitto.kill()
    mqtt.wait_for(lambda: not mqtt.connected, "the end of the connection")
    service.host.processor(97)
    service.alert("temperature_high", "firing")
    mqtt.forget()
    mosquitto.start()
    mqtt.wait(ALERT, lambda m: m.json["state"] == "firing")
    mqtt.wait(PACKAGE, lambda m: m.json["temperature_c"] == 97)


def test_no_answer_is_lost_over_a_hang(outside, mosquitto):
    """A broker that hangs keeps its connections and answers nothing; homewatch gives up on it,
    comes back, and what it had to say in between arrives all the same."""
    service, mqtt = outside
    mosquitto.hang()
    try:
        service.host.processor(97)
        service.alert("temperature_high", "firing")
        until(lambda: not service.series()["health/mqtt-broker/connected"]["value"],
              "noticing that the broker hangs")
        service.host.processor(40)
        service.alert("temperature_high", "resolved")
    finally:
        mosquitto.go_on()
    mqtt.wait(ALERT, lambda m: m.payload and m.json["state"] == "resolved")
    mqtt.wait(PACKAGE, lambda m: m.json["temperature_c"] == 40)
    mqtt.wait("homewatch/box/health/mqtt-broker", lambda m: m.json["connected"])
    # Its last will of the connection that hung may come late; then it says online once more.
    mqtt.wait_for(lambda: mqtt.latest("homewatch/box/status")["homewatch/box/status"].text ==
                  "online", "online, for good")


def test_a_broker_that_is_not_there_at_the_start_is_waited_for(home, host, mosquitto):
    mosquitto.kill()
    service = home(config(mosquitto, host)).start()
    assert service.get("summary")["verdict"]
    health = service.api().get("/healthz").json()
    assert health["ok"] and "mqtt-broker" in health["failing"]
    mosquitto.start()
    mqtt = service.keep(Mqtt(mosquitto.port, "homewatch/#"))
    mqtt.wait("homewatch/box/status", lambda m: m.text == "online")


def test_a_lost_broker_is_an_alert_on_this_side(home, host, mosquitto):
    service = home({**config(mosquitto, host),
                    "rules": {"mqtt_broker_lost": {"for": "0s", "clear_for": "0s"}}}).start()
    here = service.mqtt("homewatch/box/alert/#")
    until(lambda: service.series()["health/mqtt-broker/connected"]["value"], "the connection")
    mosquitto.kill()
    here.wait("#", lambda m: m.json["rule"] == "mqtt_broker_lost" and
              m.json["state"] == "firing")
    mosquitto.start()
    service.alert("mqtt_broker_lost", "resolved")


def test_both_brokers_may_be_used_at_once(home, host, mosquitto):
    service = home(config(mosquitto, host)).start()
    inside, outside = service.mqtt("homewatch/#"), service.keep(Mqtt(mosquitto.port,
                                                                    "homewatch/#"))
    for mqtt in (inside, outside):
        mqtt.wait(PACKAGE)
        assert mqtt.command("alert/nothing/ack")["ok"] is False


def test_a_password_that_is_not_known_is_told_and_tried_again(home, host, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("right\n")
    users = tmp_path / "users"
    subprocess.run(["mosquitto_passwd", "-c", "-b", str(users), "watch", "right"], check=True)
    # Started as root it becomes a user that may not look into the folders of tests.
    user = f"user {getpass.getuser()}\n"
    broker = Mosquitto(tmp_path / "strict",
                       f"allow_anonymous false\npassword_file {users}\n{user}")
    broker.start()
    try:
        service = home(config(broker, host, username="watch", password="wrong")).start()
        until(lambda: "mqtt-broker" in service.api().get("/healthz").json()["failing"],
              "the refusal")
        until(lambda: "authori" in service.log().lower() or "password" in service.log().lower(),
              "a word of the refusal")
        assert "wrong" not in service.log(), "a secret is never told"
        del service.settings["mqtt"]["broker"]["password"]
        service.configure({"mqtt": {"broker": {"password_file": str(secret)}}})
        service.reload()
        client = service.keep(Mqtt(broker.port, "homewatch/#", username="watch",
                                   password="right"))
        client.wait("homewatch/box/status", lambda m: m.text == "online")
        assert "right" not in service.log()
    finally:
        broker.close()


def test_the_doctor_offers_meters_of_the_broker_before_anything_runs(home, host, mosquitto):
    settings = config(mosquitto, host)
    settings["power"] = {"meters": {"desk": {"tasmota": "desk"}, "late": {"tasmota": "late"},
                                    "gone": {"http": "http://127.0.0.1:9/", "power": "/w"}}}
    service = home(settings)
    del service.settings["mqtt"]["embedded"]
    service.configure({})
    plugs = service.keep(Mqtt(mosquitto.port, "none"))
    plugs.publish("zigbee2mqtt/Rack Plug", '{"power":41.5,"energy":12.25,"state":"ON"}', retain=True)
    plugs.publish("tele/desk/LWT", "Offline", retain=True)
    text = service.run("doctor", code=1)
    assert 'power.meters.rack-plug = { zigbee2mqtt = "Rack Plug" }' in text
    assert re.search(r"broken +desk: says that it is offline", text), text
    assert re.search(r"broken +gone: nothing heard yet: ", text), text
    assert re.search(r"hint +late: nothing heard in \d+ s", text), text
