"""Arrays and volumes over restarts of the machine, and what root's own unit writes down."""

import os
import re
import subprocess
import time

from harness import PROJECT
from machines import Tree

NONE = "Personalities : [raid1]\nunused devices: <none>\n"
MIRROR = """\
Personalities : [raid1]
md0 : active raid1 sdb1[1] sda1[0]
      2490176 blocks super 1.2 [2/2] [UU]

unused devices: <none>
"""
RAID, POOL = "homewatch/box/health/raid-md0", "homewatch/box/health/pool-lvm-vg0-thin"


def boot(tree, name, mdstat):
    tree.put("proc/sys/kernel/random/boot_id", name)
    tree.put("proc/mdstat", mdstat)


def config(tree, **more):
    roots = {part: str(tree.folder / part) for part in ("proc", "sys", "root")}
    quick = {"for": "0s", "clear_for": "0s"}
    return {"host": roots | more, "rules": {
        rule: quick for rule in ("raid_inactive", "raid_degraded", "thin_pool_full")}}


def test_an_array_that_a_boot_has_lost_is_an_alert_until_it_is_back(home, tmp_path):
    tree = Tree(tmp_path / "host")
    boot(tree, "first", MIRROR)
    service = home(config(tree)).start()

    def state():
        return service.mqtt(RAID).wait(RAID).json["state"]

    assert state() == "ok"
    service.stop()
    boot(tree, "second", NONE)
    service.start()
    assert state() == "missing"
    alert = service.alert("raid_inactive", "firing")
    assert alert["subject"] == "health/raid-md0" and "RAID md0" in alert["summary"]
    # A restart of homewatch alone changes nothing.
    service.crash()
    service.start()
    assert state() == "missing"
    service.alert("raid_inactive", "firing")
    service.stop()
    boot(tree, "third", MIRROR)
    service.start()
    assert state() == "ok"
    service.alert("raid_inactive", "resolved")


def test_an_array_that_somebody_stops_is_no_alert(home, tmp_path):
    tree = Tree(tmp_path / "host")
    boot(tree, "first", MIRROR.replace("[2/2] [UU]", "[2/1] [U_]"))
    service = home(config(tree)).start()
    service.alert("raid_degraded", "firing")
    service.stop()
    boot(tree, "first", NONE)
    service.start()
    assert service.mqtt(RAID).wait(RAID).json["state"] == "stopped"
    service.alert("raid_degraded", "resolved")
    service.no_alert("raid_inactive")


def lvs(folder, data):
    """A program that speaks as `lvs` does of a thin pool."""
    row = {"vg_name": "vg0", "lv_name": "thin", "lv_layout": "thin,pool", "data_percent": data,
           "metadata_percent": "12.50", "copy_percent": "", "raid_sync_action": "",
           "raid_mismatch_count": "", "lv_health_status": "", "vg_missing_pv_count": "0"}
    fields = ",".join(row)
    row = ", ".join(f'"{key}":"{value}"' for key, value in row.items())
    folder.mkdir(exist_ok=True)
    script = folder / "lvs"
    script.write_text(
        f'#!/bin/sh\ncase "$*" in *"--reportformat json"*"{fields}"*) ;; *) exit 3;; esac\n'
        f"echo '{{\"report\": [{{\"lv\": [{{{row}}}]}}]}}'\n")
    script.chmod(0o755)


def write_down(tree, programs):
    """Does what `homewatch-lvs.service` does, with the folder that systemd gives it."""
    unit = (PROJECT / "packaging/homewatch-lvs.service").read_text()
    [command] = re.findall(r"^ExecStart=/bin/sh -c '(.*)'$", unit, re.M)
    [folder] = re.findall(r"^RuntimeDirectory=(.*)$", unit, re.M)
    run = tree.folder / "root/run"
    (run / folder).mkdir(parents=True, exist_ok=True)
    subprocess.run(["sh", "-c", command.replace("/run/", f"{run}/")], check=True,
                   env=os.environ | {"PATH": f"{programs}:{os.environ['PATH']}"})
    return run / folder / "state.json"


def asked(tree):
    """The command that packaging/README.md gives homewatch to ask."""
    told = (PROJECT / "packaging/README.md").read_text()
    [command] = re.findall(r'`lvs = \["sh", "-c", "(.*?)"\]`', told)
    return ["sh", "-c", command.replace("/run/", f"{tree.folder}/root/run/")]


def test_what_root_writes_down_of_lvm_is_told_and_not_once_it_is_old(home, tmp_path):
    tree, programs = Tree(tmp_path / "host"), tmp_path / "bin"
    tree.put("sys/block/dm-0/dm/uuid", "LVM-abc-tpool")
    lvs(programs, "41.70")
    write_down(tree, programs)
    service = home(config(tree, commands={"lvs": asked(tree)})).start()
    mqtt = service.mqtt("homewatch/box/health/#")
    told = mqtt.wait(POOL).json
    assert (told["state"], told["thin_used_pct"], told["degraded"]) == ("ok", 41.7, False)
    # What is written down anew is looked at at the next sample, long before it would be due.
    lvs(programs, "96.20")
    file = write_down(tree, programs)
    mqtt.wait(POOL, lambda m: m.json["thin_used_pct"] == 96.2)
    alert = service.alert("thin_pool_full", "firing")
    assert alert["severity"] == "critical" and "96.2" in alert["summary"]
    service.stop()
    # A timer that is off, or fails, leaves a file that says nothing of now.
    old = time.time() - 3600
    os.utime(file, (old, old))
    assert "lvs cannot tell" in service.run("doctor")
