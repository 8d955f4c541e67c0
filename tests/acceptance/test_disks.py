"""Disks as their owner sees them: by a smartctl that answers as the real one does."""

import json

SCRIPT = """#!/bin/sh
case "$*" in
*--scan-open*) echo '{scan}';;
*"-t short"*) echo '{begun}';;
*) echo '{answer}';;
esac
"""


def smartctl(folder, sectors):
    """A program that speaks for one disk with so many replaced sectors."""
    head = {"json_format_version": [1, 0], "smartctl": {"version": [7, 3]}}
    row = {"id": 5, "name": "Reallocated_Sector_Ct", "value": 100,
           "raw": {"value": sectors, "string": str(sectors)}}
    answer = {"device": {"protocol": "ATA"}, "serial_number": "S1", "rotation_rate": 7200,
              "smart_status": {"passed": True}, "ata_smart_attributes": {"table": [row]}}
    path = folder / "smartctl"
    path.write_text(SCRIPT.format(
        scan=json.dumps(head | {"devices": [{"name": "/dev/sdx", "type": "sat"}]}),
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
