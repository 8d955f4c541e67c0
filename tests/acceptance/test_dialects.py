"""Meters of every dialect on a real Mosquitto, as they are told by the built program: the recorded
dialogues with their pauses and silences, over which its clocks leap."""

import json
import tomllib

import pytest
from dialects import all_dialogues, outside
from harness import Mqtt

GROUPS = all_dialogues()


def test_every_dialogue_is_played():
    assert sum(map(len, GROUPS)) >= 20
    assert all(any(line.wants for line in one.lines) for group in GROUPS for one in group)


@pytest.mark.parametrize("group", GROUPS, ids=lambda group: f"{len(group)}-of-them")
def test_each_is_told_as_its_dialogue_asks(play, group):
    wrong = play(group).run()
    assert not wrong, "\n".join(wrong)


# What is offered of all that the dialogues say, by the name that it would get.
OFFERED = {
    "plug1": {"tasmota": "plug1"},
    "cellar-meter": {"tasmota": "meter", "full_topic": "%prefix%/cellar/%topic%"},
    "shellyplusplugs-a8032ab1c2d3": {"shelly": "shellyplusplugs-a8032ab1c2d3"},
    "shellypro3em-0cb815fcaff4": {"shelly": "shellypro3em-0cb815fcaff4"},
    "shellyproem50-08f9e0e67204": {"shelly": "shellyproem50-08f9e0e67204"},
    "shellyplug-s-1a2b3c": {"shelly_gen1": "shellyplug-s-1A2B3C"},
    "shellyem3-8caab5": {"shelly_gen1": "shellyem3-8CAAB5"},
    "shellyswitch-55c39a": {"shelly_gen1": "shellyswitch-55C39A"},
    "home-cellar-em": {"shelly": "home/cellar/em"},
    "hall-ceiling-twin": {"zigbee2mqtt": "hall/ceiling/twin"},
    "living-room-desk-plug": {"zigbee2mqtt": "Living room/desk plug"},
    "cabinet": {"zigbee2mqtt": "cabinet"},
    "desk": {"zigbee2mqtt": "desk"},
    "dsmr": {"dsmr_reader": "dsmr", "feeds": "house"},
    "emon-emonpi": {"emonhub": "emon/emonpi", "power": "power1"},
    # These by what Home Assistant is told of them.
    "plug3": {"esphome": "plug3", "power": "power", "energy": "total_energy",
              "energy_unit": "Wh"},
    "nas-power": {"homeassistant": "statestream", "power": "sensor.nas_power"},
}
ANNOUNCED = {
    "homeassistant/sensor/plug3/power/config": json.dumps({
        "dev_cla": "power", "unit_of_meas": "W", "stat_cla": "measurement", "name": "Power",
        "stat_t": "plug3/sensor/power/state", "uniq_id": "ESPsensorpower"}),
    "homeassistant/sensor/plug3/total_energy/config": json.dumps({
        "dev_cla": "energy", "unit_of_meas": "Wh", "stat_cla": "total_increasing",
        "stat_t": "plug3/sensor/total_energy/state", "uniq_id": "ESPsensortotal"}),
    "statestream/sensor/nas_power/unit_of_measurement": '"W"',
    "statestream/sensor/nas_temperature/unit_of_measurement": '"°C"',
}


def test_what_nobody_has_configured_is_offered_and_adopted_by_its_line(tmp_path, mosquitto):
    service = outside(tmp_path, mosquitto, {"node": {"interval": "1s"}})
    mqtt = service.keep(Mqtt(mosquitto.port, "homewatch/box/power/#"))
    for topic, payload in ANNOUNCED.items():
        mqtt.publish(topic, payload, retain=True)
    try:
        service.start()
        mqtt.wait("homewatch/box/power/meters", lambda m: m.json["found_count"] == 2)
        for dialogue in (one for group in GROUPS for one in group):
            for line in dialogue.lines:
                if line.topic:
                    mqtt.publish(line.topic, line.payload)
        # Both of the strips, which have one name in two places.
        told = mqtt.wait("homewatch/box/power/meters",
                         lambda m: m.json["found_count"] >= len(OFFERED) + 2).json["found"]
        strips = [line for line in told if line.startswith("power.meters.strip ")]
        lines = [line for line in told if line not in strips]
        assert tomllib.loads("\n".join(lines))["power"]["meters"] == OFFERED
        assert {tomllib.loads(line)["power"]["meters"]["strip"].get("full_topic")
                for line in strips} == {None, "%topic%/%prefix%"}
        doctor = " ".join(service.run("doctor").split())
        assert all(" ".join(line.split()) in doctor for line in told)
        # Each line adopts its meter; what is adopted is offered no more.
        folder = service.folder / "conf.d"
        folder.mkdir()
        (folder / "meters.toml").write_text("\n".join([*lines, strips[0]]) + "\n")
        assert "is in force" in service.reload()
        before = len(mqtt.messages)
        mqtt.wait("homewatch/box/power/meters",
                  lambda m: m.json["meters_count"] == len(OFFERED) + 1)
        told = mqtt.wait("homewatch/box/power/meters", after=before).json
        for topic, payload in {
                "tele/plug1/SENSOR": '{"ENERGY":{"Total":1.5,"Power":42}}',
                "zigbee2mqtt/Living room/desk plug": '{"power":43,"state":"ON"}',
                "home/cellar/em/status/em1:0": '{"id":0,"act_power":44.0}',
                "shellies/shellyswitch-55C39A/relay/power": "45.00",
                "plug3/sensor/power/state": "46",
                "statestream/sensor/nas_power/state": "47",
                "dsmr/reading/electricity_currently_delivered": "0.048",
                "emon/emonpi/power1": "49"}.items():
            mqtt.publish(topic, payload)
        for number, name in enumerate((
                "plug1", "living-room-desk-plug", "home-cellar-em", "shellyswitch-55c39a", "plug3",
                "nas-power", "dsmr", "emon-emonpi"), 42):
            mqtt.wait(f"homewatch/box/power/meter-{name}",
                      lambda m, watts=number: m.json.get("power_w") == watts)
    finally:
        service.close()
