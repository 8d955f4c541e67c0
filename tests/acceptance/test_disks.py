"""Disks as their owner sees them: by a smartctl that answers as the real one does."""

import json
import time

SCRIPT = """#!/bin/sh
case "$*" in
*--scan-open*) {open} echo '{scan}';;
*--scan*) echo '{scan}';;
*"-t short"*) echo '{begun}';;
*/dev/sdhang) sleep 100;;
*) echo '{answer}';;
esac
"""


def smartctl(folder, sectors, disks=("sdx",), opens=True):
    """A program that speaks for disks with so many replaced sectors; `sdhang` never answers, nor
    does a scan that opens it."""
    head = {"json_format_version": [1, 0], "smartctl": {"version": [7, 3]}}
    row = {"id": 5, "name": "Reallocated_Sector_Ct", "value": 100,
           "raw": {"value": sectors, "string": str(sectors)}}
    answer = {"device": {"protocol": "ATA"}, "serial_number": "S1", "rotation_rate": 7200,
              "smart_status": {"passed": True}, "ata_smart_attributes": {"table": [row]}}
    path = folder / "smartctl"
    path.write_text(SCRIPT.format(
        open="" if opens else "sleep 100;",
        scan=json.dumps(head | {"devices": [{"name": f"/dev/{disk}", "type": "sat"}
                                            for disk in disks]}),
        begun=json.dumps(head), answer=json.dumps(head | answer)))
    path.chmod(0o755)
    return str(path)


def test_a_disk_is_judged_and_begins_a_self_test_only_if_allowed(home, tmp_path):
    for command, ok in [(False, False), (True, True)]:
        service = home({"host": {"commands": {"smartctl": [smartctl(tmp_path, 160)]}},
                        "node": {"interval": "1s"},
                        "collect": {"smart": {"selftest": {"command": command}}}}).start()
        mqtt = service.mqtt("homewatch/box/health/disk-s1", "homewatch/box/result")
        said = mqtt.wait("homewatch/box/health/disk-s1").json
        assert said["verdict"] == "warning" and said["reason"] == "replaced sectors: 160"
        mqtt.publish("homewatch/box/cmd/health/disk-s1/selftest", "short")
        result = mqtt.wait("homewatch/box/result").json
        assert result["ok"] is ok, result
        service.close()


def test_a_disk_that_hangs_holds_up_neither_the_others_nor_a_command(home, tmp_path):
    program = smartctl(tmp_path, 160, ("sdhang", "sdx"))
    service = home({"host": {"commands": {"smartctl": [program]}}, "node": {"interval": "10s"},
                    "collect": {"smart": {"selftest": {"command": True}}}}).start()
    begun = time.monotonic()
    mqtt = service.mqtt("homewatch/box/health/disk-s1", "homewatch/box/result")
    mqtt.wait("homewatch/box/health/disk-s1")
    assert time.monotonic() - begun < 6, "the tick is 10 s"
    begun = time.monotonic()
    mqtt.publish("homewatch/box/cmd/health/disk-s1/selftest", "short")
    result = mqtt.wait("homewatch/box/result").json
    assert result["ok"] and time.monotonic() - begun < 3, result


def test_a_disk_that_holds_up_the_scan_costs_no_other_its_verdict(home, tmp_path):
    program = smartctl(tmp_path, 160, ("sdhang", "sdx"), opens=False)
    service = home({"host": {"commands": {"smartctl": [program]}}, "node": {"interval": "1s"}})
    mqtt = service.start().mqtt("homewatch/box/health/disk-s1")
    assert mqtt.wait("homewatch/box/health/disk-s1").json["verdict"] == "warning"
