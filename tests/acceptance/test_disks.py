"""Disks as their owner sees them: by a smartctl that answers as the real one does."""

import datetime
import json
import time

import pytest
from leap import Leap
from machines import Tree

SCRIPT = """#!/bin/sh
case "$*" in
*--scan-open*) {open} echo '{scan}';;
*--scan*) echo '{scan}';;
*"-t short"*/dev/sdmute) sleep 100;;
*"-t short"*) echo '{begun}';;
*/dev/sdmute) echo '{answer}' | sed s/S1/S2/;;
*/dev/sdhang) sleep 100;;
*) echo '{answer}';;
esac
"""


def smartctl(folder, sectors, disks=("sdx",), opens=True):
    """A program that speaks for disks with so many replaced sectors; `sdhang` never answers, nor
    does a scan that opens it; `sdmute` does, but begins no self-test."""
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


def test_a_self_test_that_hangs_as_it_begins_holds_up_no_other_disk(home, tmp_path):
    program = smartctl(tmp_path, 160, ("sdmute", "sdx"))
    service = home({"host": {"commands": {"smartctl": [program]}}, "node": {"interval": "1s"},
                    "collect": {"smart": {"selftest": {"command": True}}}}).start()
    mqtt = service.mqtt("homewatch/box/health/#", "homewatch/box/result")
    for disk in ("disk-s1", "disk-s2"):
        mqtt.wait(f"homewatch/box/health/{disk}")
    mqtt.publish("homewatch/box/cmd/health/disk-s2/selftest", "short")
    # Until it has been found to hang, the next one waits; then it is answered, though not begun.
    result = mqtt.command("health/disk-s1/selftest", "short")
    assert not result["ok"] and "disk-s2 still tests itself" in result["error"], result


def test_a_disk_that_holds_up_the_scan_costs_no_other_its_verdict(home, tmp_path):
    program = smartctl(tmp_path, 160, ("sdhang", "sdx"), opens=False)
    service = home({"host": {"commands": {"smartctl": [program]}}, "node": {"interval": "1s"}})
    mqtt = service.start().mqtt("homewatch/box/health/disk-s1")
    assert mqtt.wait("homewatch/box/health/disk-s1").json["verdict"] == "warning"


class Disk:
    """A disk that tests itself when smartctl says so, and says how that went."""

    SCRIPT = """#!/bin/sh
case "$*" in
*--scan*) echo '{scan}';;
*" -t "*) echo "$*" >> {folder}/begun; echo '{begun}';;
*) cat {folder}/says;;
esac
"""

    def __init__(self, folder):
        self.folder = folder
        self.head = {"json_format_version": [1, 0], "smartctl": {"version": [7, 3]}}
        self.program = folder / "smartctl"
        self.program.write_text(self.SCRIPT.format(
            folder=folder, begun=json.dumps(self.head), scan=json.dumps(self.head | {
                "devices": [{"name": "/dev/sdx", "type": "sat"}]})))
        self.program.chmod(0o755)
        self.says({"value": 0, "string": "completed without error", "passed": True}, [])

    def says(self, status, log):
        fresh = self.folder / "fresh"
        fresh.write_text(json.dumps(self.head | {
            "device": {"protocol": "ATA"}, "serial_number": "S1", "rotation_rate": 7200,
            "smart_status": {"passed": True}, "power_on_time": {"hours": 9000},
            "ata_smart_data": {"self_test": {"status": status}},
            "ata_smart_self_test_log": {"standard": {"revision": 1, "count": len(log),
                                                     "table": log}}}))
        fresh.rename(self.folder / "says")

    def runs(self, remaining):
        self.says({"value": 249, "string": "in progress", "remaining_percent": remaining}, [])

    def ended(self, passed):
        status = {"value": 0 if passed else 112, "passed": passed,
                  "string": "Completed without error" if passed else "Completed: read failure"}
        row = {"type": {"value": 1, "string": "Short offline"}, "status": status,
               "lifetime_hours": 9000}
        self.says(status, [row | ({} if passed else {"lba": 77})])

    def begun(self):
        file = self.folder / "begun"
        return file.read_text().splitlines() if file.exists() else []


@pytest.mark.parametrize("passed", [True, False])
def test_a_self_test_that_is_due_is_begun_at_night_and_followed_to_its_end(
        home, tmp_path, passed):
    evening = datetime.datetime(2026, 5, 1, 20, tzinfo=datetime.timezone.utc)
    leap, disk, tree = Leap(tmp_path, evening), Disk(tmp_path), Tree(tmp_path / "host")
    tree.put("root/etc/timezone", "Europe/Berlin")
    service = home({
        "host": {part: str(tree.folder / part) for part in ("proc", "sys", "root")}
        | {"commands": {"smartctl": [str(disk.program)]}},
        "rules": {"disk_selftest_failed": {"for": "0s"}},
        "collect": {"smart": {"selftest": {"short": "7d", "hours": "1-3"}}},
    }, leap.environment).start()
    mqtt = service.mqtt("homewatch/box/#", keepalive=0)
    mqtt.wait("homewatch/box/health/disk-s1")
    leap.by(2 * 3600)
    assert not disk.begun(), "midnight in Berlin is not yet night"
    leap.by(3605)
    [argv] = disk.begun()
    assert "-t short" in argv and "-n standby" in argv, "a disk that sleeps is not woken for it"
    disk.runs(60)
    leap.by(16)
    told = mqtt.wait("homewatch/box/health/disk-s1",
                     lambda m: m.json.get("selftest_running")).json
    assert (told["selftest_left_pct"], told["verdict"]) == (60, "ok")
    disk.ended(passed)
    leap.by(121)
    event = mqtt.wait("homewatch/box/event/selftest").json
    assert (event["disk"], event["test"]) == ("disk-s1", "short")
    assert event["result"] == ("passed" if passed else "failed"), event
    if not passed:
        assert service.alert("disk_selftest_failed", "firing")["subject"] == "health/disk-s1"
    leap.by(24 * 3600)
    assert len(disk.begun()) == 1, "the next one is due in a week"
