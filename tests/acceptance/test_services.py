"""What must run, be done or be up to date: units, containers, processes, jobs, updates."""

import json
import os
import socketserver
import threading

import pytest
from machines import Tree

BASE = "homewatch/box/health"
SYSTEMCTL = """#!/bin/sh
case "$*" in
*list-units*) cat {folder}/failed;;
*show*) cat {folder}/shown;;
esac
"""
APT = """#!/bin/sh
cat {folder}/apt
"""
INSTALLED = "Inst openssl [3.0.1] (3.0.2 Debian-Security:12/stable-security [amd64])\n" \
            "Inst nano [7.1] (7.2 Debian:12/stable [amd64])\nConf nano (7.2 [amd64])\n"


@pytest.fixture
def watched(home, leap, tmp_path):
    """Makes services that watch a machine of their own, with clocks that leap and rules that wait
    for nothing."""
    def make(rules, collect, **commands):
        tree = Tree(tmp_path / "host")
        for name, script in commands.items():
            program = tmp_path / name
            program.write_text(script.format(folder=tmp_path))
            program.chmod(0o755)
        quick = {"for": "0s", "clear_for": "0s"}
        service = home({
            "host": {part: str(tree.folder / part) for part in ("proc", "sys", "root")}
            | {"commands": {name.replace("_", "-"): [str(tmp_path / name)] for name in commands}},
            "rules": {rule: quick for rule in rules},
            "collect": collect}, leap.environment)
        return tree, service
    return make


def units(folder, **states):
    """What systemd says of units, by their names."""
    failed = [name for name, (_, state) in states.items() if state == "failed"]
    (folder / "failed").write_text("".join(
        f"{name}.service loaded failed failed What it does\n" for name in failed))
    (folder / "shown").write_text("\n".join(
        f"Id={name}.service\nLoadState={load}\nActiveState={state}\nSubState={state}\n"
        "Result=success\nNRestarts=0\nMemoryCurrent=[not set]\nCPUUsageNSec=[not set]\n"
        for name, (load, state) in states.items()))


def test_units_that_failed_before_a_boot_keep_no_alert(watched, tmp_path):
    tree, service = watched(["service_failed"], {"units": {"enabled": True}}, systemctl=SYSTEMCTL)
    tree.put("proc/sys/kernel/random/boot_id", "first")
    units(tmp_path, nightly=("loaded", "failed"), momentary=("loaded", "failed"))
    service.start()

    def alerts(*states):
        found = {one["subject"].split("-")[1]: one["state"] for one in
                 service.get("alerts")["items"] if one["rule"] == "service_failed"}
        return found if set(found.values()) == set(states) else None

    mqtt = service.mqtt(f"{BASE}/#")
    assert mqtt.wait(f"{BASE}/units", lambda m: m.json["failed"] == 2).json["failed_units"] == [
        "momentary", "nightly"]
    for unit in ("nightly", "momentary"):
        service.mqtt(f"{BASE}/unit-{unit}").wait("#", lambda m: m.json["state"] == "failed")
    assert len(alerts("firing")) == 2
    service.stop()
    # One works after the boot, of the other systemd has never heard.
    tree.put("proc/sys/kernel/random/boot_id", "second")
    units(tmp_path, nightly=("loaded", "inactive"), momentary=("not-found", "inactive"))
    service.start()
    for unit in ("nightly", "momentary"):
        service.mqtt(f"{BASE}/unit-{unit}").wait("#", lambda m: m.json["state"] == "inactive")
    assert len(alerts("resolved")) == 2


class Engine:
    """A container engine that speaks Docker's HTTP on a socket."""

    def __init__(self, path):
        self.container = {}
        self.tell("running", 0)
        engine = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self):
                asked = self.rfile.readline().split()[1].decode()
                while self.rfile.readline().strip():
                    pass
                answer = [engine.container] if "/json?" in asked else engine.inspected
                self.wfile.write(b"HTTP/1.0 200 OK\r\n\r\n" + json.dumps(answer).encode())

        self.server = socketserver.ThreadingUnixStreamServer(str(path), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def tell(self, state, restarts, health="healthy", code=0):
        """How the container stands from now on."""
        shown = f"Up 5 minutes ({health})" if state == "running" else f"Exited ({code})"
        self.container = {"Id": "ab" * 32, "Names": ["/web"], "Image": "web:1", "State": state,
                          "Status": shown}
        self.inspected = {"RestartCount": restarts, "State": {
            "ExitCode": code, "OOMKilled": False, "Health": {"Status": health}}}

    def close(self):
        self.server.shutdown()
        self.server.server_close()


def test_a_container_that_is_unhealthy_loops_or_fails_is_an_alert_until_it_is_well(
        watched, leap, tmp_path):
    engine = Engine(tmp_path / "engine")
    rules = ["container_unhealthy", "container_restart_loop", "container_failed"]
    _, service = watched(rules, {"containers": {
        "enabled": True, "socket": str(tmp_path / "engine")}})
    try:
        service.start()
        mqtt = service.mqtt(f"{BASE}/#", keepalive=0)
        assert mqtt.wait(f"{BASE}/container-web").json["health"] == "healthy"
        engine.tell("running", 0, "unhealthy")
        leap.by(31)
        service.alert("container_unhealthy", "firing")
        for restarts in (1, 2, 3, 4):
            engine.tell("restarting", restarts, code=1)
            leap.by(31)
        mqtt.wait(f"{BASE}/container-web", lambda m: m.json["restart_loop"])
        service.alert("container_restart_loop", "firing")
        service.alert("container_unhealthy", "resolved")
        engine.tell("exited", 4, code=3)
        leap.by(31)
        service.alert("container_failed", "firing")
        engine.tell("running", 4)
        leap.by(31)
        service.alert("container_failed", "resolved")
    finally:
        engine.close()


def test_a_process_that_is_not_there_is_an_alert_until_it_runs(watched, leap):
    tree, service = watched(["process_missing"], {
        "checks": {"process": {"web": {"name": "python3", "command": "*/srv/web/*"}}}})
    tree.put("proc/71/comm", "python3")
    tree.put("proc/71/cmdline", "python3\0/srv/other/run.py")
    service.start()
    service.alert("process_missing", "firing")
    tree.put("proc/72/comm", "python3")
    tree.put("proc/72/cmdline", "python3\0/srv/web/run.py")
    leap.by(31)
    service.alert("process_missing", "resolved")


def test_jobs_are_told_done_by_mqtt_by_rest_or_by_the_age_of_a_file(watched, leap):
    expected = {"every": "1h", "grace": "0s"}
    tree, service = watched(["job_overdue"], {"jobs": {"expect": {
        "mqtt": expected, "rest": expected,
        "file": expected | {"file": "/srv/photos-*.tar", "min_size": "5"}}}})
    for name in ("photos-1.tar", "photos-2.tar"):
        tree.put(f"root/srv/{name}", "whole")
    service.start()
    mqtt = service.mqtt(f"{BASE}/#", "homewatch/box/result", keepalive=0)

    def state(job, word):
        topic = f"{BASE}/job-{job}"

        def told():
            latest = mqtt.latest(topic).get(topic)
            return latest and latest.json["state"] == word and latest.json
        return mqtt.wait_for(told, f"{topic}: {word}")

    def push(text):
        answer = service.api("control").post("/api/v1/control/job/rest", content=text)
        assert answer.status_code == 200, answer.text

    state("mqtt", "waiting")
    assert state("file", "ok")["size_bytes"] == 6
    # What a job says of itself is told at once.
    assert mqtt.command("job/mqtt", b"start")["ok"]
    state("mqtt", "running")
    push('{"state": "failed", "message": "no space left"}')
    assert state("rest", "failed")["message"] == "no space left"
    assert service.alert("job_overdue", "firing")["subject"] == "health/job-rest"
    push("")
    state("rest", "ok")
    service.alert("job_overdue", "resolved")
    assert mqtt.command("job/mqtt", b"")["ok"]
    state("mqtt", "ok")
    refused = mqtt.command("job/other", b"ok")
    assert not refused["ok"] and "file, mqtt, rest" in refused["error"]
    leap.by(3631)
    for job in ("mqtt", "rest", "file"):
        state(job, "overdue")
    # A backup that was cut off is none.
    now = leap.now()
    for text, word in (("cut", "overdue"), ("whole", "ok")):
        path = f"root/srv/photos-{text}.tar"
        tree.put(path, text)
        os.utime(tree.folder / path, (now, now))
        leap.by(31)
        state("file", word)


def test_updates_that_wait_and_a_restart_that_is_needed_are_told(watched, leap, tmp_path):
    (tmp_path / "apt").write_text(INSTALLED)
    tree, service = watched(["security_updates", "restart_needed"],
                            {"updates": {"enabled": True}}, apt_get=APT)
    tree.put("root/var/lib/dpkg/status", "Package: nano")
    tree.put("proc/sys/kernel/osrelease", "6.1.0-9-amd64")
    (tree.folder / "root/lib/modules/6.1.0-9-amd64").mkdir(parents=True)
    service.start()
    told = service.mqtt(f"{BASE}/updates").wait("#", lambda m: "pending" in m.json).json
    assert (told["pending"], told["security"], told["reboot_required"]) == (2, 1, False)
    service.alert("security_updates", "firing")
    service.no_alert("restart_needed")
    # They are installed, a new kernel among them.
    (tmp_path / "apt").write_text("0 upgraded, 0 newly installed\n")
    tree.put("root/run/reboot-required", "*** System restart required ***")
    leap.by(12 * 3600 + 601)
    service.alert("restart_needed", "firing")
    service.alert("security_updates", "resolved")
