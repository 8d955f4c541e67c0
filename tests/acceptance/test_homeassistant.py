"""What Home Assistant is told: devices, entities, availability, ids that stay."""

import pytest

ALERT_RULE = {"rules": {"temperature_high": {"for": "0s", "clear_for": "0s"}}}


def configs(mqtt):
    """Every device's configuration by its topic."""
    heard = mqtt.latest("homeassistant/device/+/config").items()
    return {topic: message.json for topic, message in heard if message.payload}


def entities(mqtt):
    """Every entity, by its unique id."""
    found = {}
    for config in configs(mqtt).values():
        for component in config["cmps"].values():
            if "uniq_id" in component:
                assert component["uniq_id"] not in found, "one id, one entity"
                found[component["uniq_id"]] = component
    return found


@pytest.fixture(scope="module")
def told(desktop):
    """A client that has heard all of the discovery."""
    mqtt = desktop.mqtt("homeassistant/#", "homewatch/#")
    mqtt.wait("homeassistant/device/+/config", lambda m: b"coretemp" in m.payload)
    mqtt.wait("homeassistant/device/+/config", lambda m: b"usage_pct" in m.payload)
    return mqtt


def test_discovery_is_retained_and_says_where_it_comes_from(desktop, told):
    assert configs(told)
    late = desktop.mqtt("homeassistant/#")
    for topic, config in configs(told).items():
        assert late.wait(topic).retain
        assert config["o"]["name"] == "homewatch" and config["o"]["sw"]
        assert config["dev"]["ids"] and config["dev"]["name"]


def test_devices_hang_together(told):
    devices = {}
    for config in configs(told).values():
        ids = config["dev"]["ids"]
        devices[ids if isinstance(ids, str) else ids[0]] = config["dev"]
    roots = [device for device in devices.values() if "via_device" not in device]
    assert len(roots) == 1, "all hang on the host"
    for device in devices.values():
        assert device.get("via_device", next(iter(devices))) in devices


def test_every_entity_reads_a_topic_that_is_there(told):
    """Its value template names a key of the state that is really published."""
    topics = told.latest("homewatch/#")
    for ident, entity in entities(told).items():
        base = entity["~"]
        assert base == "homewatch/box"
        state = entity.get("stat_t", "").replace("~", base)
        if "/health/" in state:
            assert state in topics, (ident, state)


def test_entities_are_unavailable_with_the_node_or_their_subject(told):
    for ident, entity in entities(told).items():
        if "status" in ident:
            continue
        topics = [one["t"].replace("~", entity["~"]) for one in entity["avty"]]
        assert "homewatch/box/status" in topics, ident
        assert entity["avty_mode"] == "all"


def test_figures_have_the_classes_that_home_assistant_knows(told):
    found = {entity.get("def_ent_id", ident): entity for ident, entity in entities(told).items()}
    heat = next(e for i, e in found.items() if "coretemp_package" in i and i.startswith("sensor")
                and e.get("dev_cla") == "temperature")
    assert (heat["unit_of_meas"], heat["stat_cla"]) == ("°C", "measurement")
    usage = next(e for i, e in found.items() if i.endswith("cpu_usage_pct"))
    assert (usage["unit_of_meas"], usage["stat_cla"]) == ("%", "measurement")
    memory = next(e for i, e in found.items() if i.endswith("memory_used_bytes"))
    assert memory["dev_cla"] == "data_size"


def test_unique_ids_stay_over_restarts_renames_and_a_lost_broker_state(home, host):
    service = home({"host": host.config("sys")}).start()

    def ids():
        mqtt = service.mqtt("homeassistant/#")
        mqtt.wait("homeassistant/device/+/config", lambda m: b"coretemp" in m.payload)
        mqtt.wait("homeassistant/device/+/config", lambda m: b"usage_pct" in m.payload)
        return set(entities(mqtt))

    before = ids()
    service.stop()
    service.start()
    assert before <= ids()
    service.crash()
    service.configure({"node": {"name": "renamed"}})
    service.start()
    assert before <= ids()


def test_everything_is_told_again_when_home_assistant_is_born(desktop, told):
    mqtt = desktop.mqtt("homeassistant/device/+/config")
    first = mqtt.wait("homeassistant/device/+/config").topic
    before = len(mqtt.messages)
    mqtt.publish("homeassistant/status", "online")
    mqtt.wait(first, lambda m: not m.retain, before)


def test_another_machine_joins_by_the_broker_of_the_first(home, host):
    """One with much to tell: its announcement is far larger than any other message."""
    first = home({"host": host.config("sys")}).start()
    broker = {"url": f"mqtt://127.0.0.1:{first.mqtt_port}"}
    second = home({"node": {"name": "other"}, "mqtt": {"broker": broker}}).start("--simulate")
    mqtt = first.mqtt("homeassistant/#", "homewatch/#")
    mqtt.wait("homeassistant/device/+/config", lambda m: m.json["dev"]["name"] == "other")
    mqtt.wait("homewatch/other/power/host")
    mqtt.wait("homewatch/other/status", lambda m: m.text == "online")
    assert "cannot be sent" not in second.log()
    second.stop()
    mqtt.wait("homewatch/other/status", lambda m: m.text == "offline")


def test_an_alert_is_an_entity_that_can_be_acknowledged_there(home, host):
    service = home({"host": host.config("sys"), **ALERT_RULE}).start()
    mqtt = service.mqtt("homeassistant/#", "homewatch/#")
    host.processor(97)
    service.alert("temperature_high", "firing")

    def button():
        return next((e for e in entities(mqtt).values() if e.get("p") == "button" and
                     "temperature_high" in e["cmd_t"]), None)

    entity = mqtt.wait_for(button, "the button")
    mqtt.publish(entity["cmd_t"].replace("~", entity["~"]), entity.get("pl_prs", "PRESS"))
    service.alert("temperature_high", "acknowledged")


def test_what_is_switched_off_is_taken_back(home, host):
    service = home({"host": host.config("sys")}).start()
    mqtt = service.mqtt("homeassistant/#")
    topic = mqtt.wait("homeassistant/device/+/config").topic
    service.stop()
    service.configure({"homeassistant": {"enabled": False}})
    service.start()
    mqtt = service.mqtt("homeassistant/#", "homewatch/box/alerts")
    mqtt.wait("homewatch/box/alerts")
    mqtt.wait_for(lambda: not (mqtt.latest(topic) and mqtt.latest(topic)[topic].payload),
                  "the removal")


DISK = "health/disk-wd-wcc7k0simula/selftest"


def test_what_may_be_commanded_has_a_control_and_nothing_else(home):
    service = home({"control": {"reboot": True}}).start("--simulate")
    mqtt = service.mqtt("homeassistant/#", "homewatch/#")

    def controls():
        return {one["cmd_t"].replace("~/cmd/", ""): one for one in entities(mqtt).values()
                if "cmd_t" in one and "/alert/" not in one["cmd_t"]}

    mqtt.wait_for(lambda: {"fan/case/set", "host/reboot", DISK} <= set(controls()))
    assert controls()["host/reboot"]["en"] is False, "nobody presses it by accident"
    assert "host/shutdown" not in controls() and not any("wake" in one for one in controls())
    pressed = mqtt.command(DISK, controls()[DISK]["pl_prs"])
    assert pressed["ok"], pressed
    mqtt.wait("homewatch/box/health/fancontrol-case", lambda m: m.json["mode"] == "curve")
    assert mqtt.command("fan/case/set", '{"by":"Home Assistant","set":62}')["ok"]
    mqtt.wait("homewatch/box/health/fancontrol-case", lambda m: m.json["set"] == "62 %")
    service.configure({"control": {"reboot": False}, "fans": {"drive": {"case": {"commands": False}}}})
    service.reload()
    mqtt.wait_for(lambda: "host/reboot" not in controls() and "fan/case/set" not in controls())
