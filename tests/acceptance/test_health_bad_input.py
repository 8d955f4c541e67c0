"""What no sensor, disk, UPS or graphics card should say, and what the built program makes of it: no
figure rather than a wrong one, each fault told once, nobody else held up, and all well afterwards."""

import contextlib
import json
import os
import shutil
import socket
import threading
import time

import pytest
from harness import Mqtt, free_port, until
from leap import HOUR, OTHERS, Leap, berlin
from machines import Tree

BASE = "homewatch/box/health"
CHIP = "sys/devices/platform/odd/hwmon/hwmon1"


@pytest.fixture
def tree(tmp_path):
    """A machine with hardly anything in it."""
    return Tree(tmp_path / "host")


def watching(home, tree, config=None, **commands):
    """A service, started, that watches the machine and nothing else, and its client."""
    service = home({
        "host": {part: str(tree.folder / part) for part in ("proc", "sys", "root")}
        | {"commands": commands},
        **(config or {})}).start()
    return service, service.mqtt("homewatch/#")


def healthy(service):
    """Nothing has crashed, and the log has no line twice."""
    log = service.log()
    assert "panicked" not in log and "crashed" not in log, log
    lines = [line.split(" ", 2)[-1] for line in log.splitlines() if " WARN " in line]
    assert len(lines) == len(set(lines)), "told again and again:\n" + "\n".join(lines)


# Sensors

FAULTS = {
    "garbage": ("garbage", "is no number"), "empty": ("", "is no number"),
    "float": ("45.5", "is no number"), "hex": ("0x1f", "is no number"),
    "huge": ("9" * 30, "is no number"), "ones": ("4294967295", "which cannot be"),
    "open": ("127000", "which cannot be"), "cut": ("-128000", "which cannot be"),
    "kelvin": ("-273150", "which cannot be"), "byte": ("255000", "which cannot be"),
    "binary": (b"\xff\xfe\x00", "utf-8"),
    "eio": ("->/proc/self/mem", "Input/output error"), "pipe": ("|", "Illegal seek"),
    "folder": ("/", "Is a directory"), "endless": ("->/dev/zero", "larger than"),
    "loop": ("->{own}", "symbolic links"),
}


def lay(tree, file, what):
    """A file of the odd chip: text, bytes, a link, a pipe or a folder."""
    place = tree.folder / CHIP / file
    place.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(FileNotFoundError):
        place.unlink()
    if isinstance(what, bytes):
        place.write_bytes(what)
    elif what == "/":
        place.mkdir()
    elif what == "|":
        os.mkfifo(place)
    elif what.startswith("->"):
        place.symlink_to(what[2:].format(own=file))
    else:
        place.write_text(what + "\n")


def odd_chip(tree):
    """A chip with every fault, one sensor that is sound, and fans."""
    tree.put(f"{CHIP}/name", "odd")
    for number, (name, (text, _)) in enumerate(FAULTS.items(), 2):
        lay(tree, f"temp{number}_label", name)
        lay(tree, f"temp{number}_input", text)
    for file, text in {"temp1_label": "a/b+#$\x1b[31m", "temp1_input": "45000",
                       "temp1_crit": "20800", "temp1_max": "0", "fan1_input": "0",
                       "fan1_min": "0", "pwm1": "0", "fan2_input": "4294967295",
                       "fan3_input": "-1", "fan4_input": "65535",
                       "temp40_label": "x" * 4000, "temp40_input": "40000"}.items():
        lay(tree, file, text)
    tree.link("sys/devices/platform/odd", f"{CHIP}/device")
    tree.link(CHIP, "sys/class/hwmon/hwmon1")


def test_sensors_that_talk_nonsense_have_no_figure_and_harm_no_other(home, tree):
    odd_chip(tree)
    service, mqtt = watching(home, tree, {"rules": {"temperature_high": {"for": "0s"}}})
    for name, (_, said) in FAULTS.items():
        told = mqtt.wait(f"{BASE}/temp-odd-{name}", lambda m: m.json["fault"]).json
        assert "temperature_c" not in told and said in told["fault_text"], told
    sound = mqtt.wait(f"{BASE}/temp-odd-a-b-31m").json
    assert sound["temperature_c"] == 45 and "critical_c" not in sound and "max_c" not in sound
    still = mqtt.wait(f"{BASE}/fan-odd").json
    assert (still["fan_rpm"], still["fault"], "min_rpm" in still) == (0, False, False)
    for number in (2, 3, 4):
        told = mqtt.wait(f"{BASE}/fan-odd-fan{number}", lambda m: m.json["fault"]).json
        assert "fan_rpm" not in told, told
    assert all(len(m.topic) < 200 and not set("+#") & set(m.topic) for m in mqtt.messages)
    assert not service.get("alerts")["items"], "a fan that stands may be meant to"
    # All numbers change at once, as after a module was loaded anew: it is the same chip.
    before = len(mqtt.messages)
    os.rename(tree.folder / "sys/class/hwmon/hwmon1", tree.folder / "sys/class/hwmon/hwmon7")
    lay(tree, "temp1_input", "51000")
    mqtt.wait(f"{BASE}/temp-odd-a-b-31m", lambda m: m.json["temperature_c"] == 51, before)
    # The cause goes, and the fault with it; what vanishes is not there any more.
    number = list(FAULTS).index("garbage") + 2
    lay(tree, f"temp{number}_input", "47000")
    mqtt.wait(f"{BASE}/temp-odd-garbage",
              lambda m: m.json.get("temperature_c") == 47 and not m.json["fault"])
    (tree.folder / CHIP / f"temp{number}_input").unlink()
    mqtt.wait(f"{BASE}/temp-odd-garbage/availability", lambda m: m.text == "offline", before)
    healthy(service)
    shutil.rmtree(tree.folder / "sys/class/hwmon")
    mqtt.wait(f"{BASE}/temp-odd-a-b-31m/availability", lambda m: m.text == "offline", before)


def test_a_sensor_that_freezes_or_jumps_is_not_believed_until_it_is_sound_again(home, tree, tmp_path):
    for file, text in {"name": "odd", "temp1_label": "cpu", "temp1_input": "40000"}.items():
        lay(tree, file, text)
    tree.link(CHIP, "sys/class/hwmon/hwmon1")
    leap = Leap(tmp_path, berlin(2025, 6, 2))
    service = home({
        "host": {part: str(tree.folder / part) for part in ("proc", "sys", "root")},
        "node": {"interval": "1m"},
        "collect": {name: {"enabled": name == "hwmon"} for name in (*OTHERS, "hwmon")},
    }, leap.environment).start()
    # What it sees of time has nothing to do with the service's.
    mqtt = service.keep(Mqtt(service.mqtt_port, f"{BASE}/temp-odd-cpu", keepalive=0))

    def told(text, figure, fault=False, minutes=1):
        lay(tree, "temp1_input", str(text))
        for _ in range(minutes):
            leap.by(60)
        until(lambda: mqtt.heard("#") and [mqtt.heard("#")[-1].json.get(key) for key in (
            "temperature_c", "fault")] == [figure, fault], f"{figure} of {text}")

    for step in range(25):
        told(40000 + 2000 * (step % 3), 40 + 2 * (step % 3))
    told(110000, None)
    told(41000, 41)
    leap.by(7 * HOUR)
    told(41000, None, True, 4)
    told(42000, 42)


# Disks

HEAD = {"json_format_version": [1, 0], "smartctl": {"version": [7, 3]}}
SMARTCTL = """#!/bin/sh
case "$*" in
*--scan*) cat {folder}/scan;;
*) for word in "$@"; do case "$word" in x,*) . {folder}/"$word";; esac; done;;
esac
"""


def answer(serial, passed=True, **more):
    """What smartctl says of a disk."""
    row = {"id": 5, "name": "Reallocated_Sector_Ct", "value": 100, "raw": {"value": 0}}
    return HEAD | {"device": {"protocol": "ATA"}, "serial_number": serial, "rotation_rate": 7200,
                   "smart_status": {"passed": passed},
                   "ata_smart_attributes": {"table": [row]}} | more


class Disks:
    """A smartctl for many disks behind one controller, each with its own script."""

    def __init__(self, folder):
        self.folder, self.count = folder / "disks", 0
        self.folder.mkdir()
        self.program = self.folder / "smartctl"
        self.program.write_text(SMARTCTL.format(folder=self.folder))
        self.program.chmod(0o755)

    def add(self, said, code=0, after=""):
        """A disk that answers so; returns how smartctl speaks to it."""
        way = f"x,{self.count}"
        self.count += 1
        text = json.dumps(said) if isinstance(said, dict) else said
        data = text if isinstance(text, bytes) else text.encode()
        (self.folder / f"{way}.json").write_bytes(data)
        (self.folder / way).write_text(f"cat {self.folder}/{way}.json\n{after}\nexit {code}\n")
        devices = [{"name": "/dev/bus/0", "type": f"x,{n}"} for n in range(self.count)]
        (self.folder / "scan").write_text(json.dumps(HEAD | {"devices": devices}))
        return way


@pytest.fixture
def disks(tmp_path):
    """Disks to be added."""
    return Disks(tmp_path)


def verdicts(mqtt, count):
    """The verdict of each disk, once there are so many."""
    def found():
        latest = mqtt.latest(f"{BASE}/+")
        told = {t.rsplit("/", 1)[1]: m.json for t, m in latest.items() if m.payload}
        told = {name: one for name, one in told.items() if "verdict" in one}
        return told if len(told) >= count else None
    return mqtt.wait_for(found, f"{count} disks")


def test_no_answer_of_smartctl_makes_a_disk_well_or_hides_a_failure(home, tree, disks):
    half = json.dumps(answer("half"))[:150]
    want = {}

    def disk(level, serial, *arguments):
        way = disks.add(*arguments)
        want[f"disk-{serial}" if serial else f"disk-dev-bus-0-{way.replace(',', '-')}"] = level

    for code in range(256):
        worst = "failing" if code & 24 else "watch" if code & 160 else "ok"
        disk(worst, f"exit{code}", answer(f"exit{code}"), code)
    for text in ("", half, "[]", "null", "smartctl 6.6 2017\nUsage error", "{" * 5000,
                 HEAD | {"json_format_version": [2, 0]}, HEAD, '{"smartctl":{},"x":1e999}'):
        disk("unreadable", None, text)
    disk("unreadable", None, "", 0, "kill -9 $$")
    disk("unreadable", None, b"\xff" * 1000)
    disk("unreadable", None, answer("types") | {
        "smart_status": True, "serial_number": 1, "ata_smart_attributes": 7, "device": "x"})
    disk("ok", "before-7-0", answer("before-7-0", json_format_version=[0, 1]))
    disk("failing", "garb-led", json.dumps(answer("garb-led", False)).encode().replace(
        b"garb-led", b"garb\xffled"))
    disk("ok", "sudo", "sudo: unable to resolve host\n" + json.dumps(answer("sudo")) + "\nbye\n")
    # Without a serial number each is its own; of those that have the same the worst is told.
    disk("ok", None, answer(""))
    disk("failing", None, answer("0000", passed=False))
    disks.add(answer("twin"))
    disk("failing", "twin", answer("twin", passed=False))
    disks.add(answer("twin"))
    disk("ok", "a-b-c", answer("a/b+c#", model_name="W\nD\x1b[31m #+/"))
    disk("ok", "forks", answer("forks"), 0, "sleep 60 & echo $! > " + str(disks.folder / "pid"))
    service, mqtt = watching(home, tree, smartctl=[str(disks.program)])
    try:
        told = verdicts(mqtt, len(want))
        assert {name: one["verdict"] for name, one in told.items()} == want
        figures = [one for one in told.values() if one["verdict"] == "unreadable"]
        assert all("reason" in one and "reallocated" not in one for one in figures)
        healthy(service)
    finally:
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            os.kill(int((disks.folder / "pid").read_text()), 9)


def test_a_smartctl_that_is_missing_is_told_and_used_when_it_comes(home, tree, disks):
    disks.add(answer("late"))
    tree.disk("sda", "pci0000:00/ata1/host0/target0:0:0/0:0:0:0", "S1", model="WDC", vendor="ATA")
    away = disks.program.with_name("away")
    disks.program.rename(away)
    service, mqtt = watching(home, tree, smartctl=[str(disks.program)])
    mqtt.wait(f"{BASE}/cpu")
    assert "smartmontools" in service.run("doctor")
    away.rename(disks.program)
    # Unless it is started anew it is looked for every minute.
    service.stop()
    service.start()
    mqtt = service.mqtt(f"{BASE}/#")
    assert verdicts(mqtt, 1)["disk-late"]["verdict"] == "ok"
    healthy(service)


def test_a_disk_that_is_pulled_out_is_gone_and_the_others_stay(home, tree, disks):
    place = "pci0000:00/ata{0}/host{0}/target{0}:0:0/{0}:0:0:0"
    for number, name in enumerate(("sda", "sdb")):
        tree.disk(name, place.format(number), f"S{number}", model="WDC", vendor="ATA")
    first, second = (f"x,{number}" for number in range(2))
    disks.add(answer("S0"))
    disks.add(answer("S1", passed=False))
    service, mqtt = watching(home, tree, smartctl=[str(disks.program)])
    assert {one["verdict"] for one in verdicts(mqtt, 2).values()} == {"ok", "failing"}
    (tree.folder / "sys/block/sdb").unlink()
    (disks.folder / "scan").write_text(json.dumps(
        HEAD | {"devices": [{"name": "/dev/bus/0", "type": first}]}))
    assert (disks.folder / second).exists()
    mqtt.wait(f"{BASE}/disk-s1/availability", lambda m: m.text == "offline")
    assert mqtt.latest(f"{BASE}/disk-s0/availability")[f"{BASE}/disk-s0/availability"].text == "online"
    healthy(service)


# UPS

class Liar:
    """A server on loopback that talks to each client as it is told."""

    def __init__(self, talk, port=0):
        self.talk, self.clients = talk, 0
        self.socket = socket.create_server(("127.0.0.1", port))
        self.port = self.socket.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        with contextlib.suppress(OSError):
            while True:
                wire, _ = self.socket.accept()
                self.clients += 1
                threading.Thread(target=self._one, args=(wire,), daemon=True).start()

    def _one(self, wire):
        with contextlib.suppress(OSError), wire:
            self.talk(wire, wire.makefile("rb"))

    def close(self):
        self.socket.close()


@pytest.fixture
def liar():
    """Makes servers that lie, and ends them."""
    made = []

    def make(talk, port=0):
        made.append(Liar(talk, port))
        return made[-1]

    yield make
    for one in made:
        one.close()


def nut(units):
    """Talks as upsd does, of units with their variables; text instead of them is an error."""
    def talk(wire, lines):
        for line in lines:
            _, *words = line.decode().split()
            if words == ["UPS"]:
                names = "".join(f'UPS {name} "It \\"{name}\\""\n' for name in units)
                wire.sendall(f"BEGIN LIST UPS\n{names}END LIST UPS\n".encode())
            elif words[:1] == ["VAR"]:
                told, name = units[words[1]], words[1]
                if isinstance(told, str):
                    wire.sendall(f"{told}\n".encode())
                    continue
                rows = "".join(f'VAR {name} {key} "{value}"\n' for key, value in told.items())
                wire.sendall(f"BEGIN LIST VAR {name}\n{rows}END LIST VAR {name}\n".encode())
            else:
                return
    return talk


def unit(status, **figures):
    """The variables of a UPS."""
    usual = {"ups.status": status, "battery.charge": "100", "battery.runtime": "1800"}
    return usual | {key.replace("_", "."): value for key, value in figures.items()}


def raw(*pieces, forever=False):
    """Says this after the first line, whatever it is."""
    def talk(wire, lines):
        lines.readline()
        while True:
            for piece in pieces:
                wire.sendall(piece)
            if not forever:
                return
    return talk


def dribble(wire, lines):
    """A byte a second."""
    lines.readline()
    for letter in b"BEGIN LIST UPS\n" * 9:
        wire.sendall(bytes([letter]))
        time.sleep(1)


LIST = b'BEGIN LIST UPS\nUPS u "d"\nEND LIST UPS\n'
SILENT = {
    "http": raw(b"HTTP/1.1 400 Bad Request\r\n\r\n"), "binary": raw(bytes(range(256))),
    "flood": raw(b"x" * 65536, forever=True), "rows": raw(b"BEGIN LIST UPS\n", *[b'UPS u "d"\n'] * 3),
    "long": raw(LIST + b'BEGIN LIST VAR u\nVAR u ups.mfr "' + b"a" * 10_000_000),
    "half": raw(LIST + b"BEGIN LIST VAR u\nVAR u ups.st"), "none": raw(b""),
    "slow": dribble, "dumb": lambda wire, lines: time.sleep(60),
}
APC = b"STATUS : ONLINE\n"
SILENT_APC = {"lengths": raw(b"\xff\xffSTATUS : ONLINE\n"), "cut": raw(b"\x00\x10" + APC[:4]),
              "empty": raw(b"\x00\x00"), "stream": raw(b"\x00\x05abcde" * 9999, forever=True)}


def apcupsd(**keys):
    """Talks as apcupsd does."""
    def talk(wire, lines):
        wire.recv(99)
        for key, value in ({"STATUS": "ONLINE", "STATFLAG": "0x05000008"} | keys).items():
            line = f"{key:9}: {value}\n".encode()
            wire.sendall(len(line).to_bytes(2, "big") + line)
        wire.sendall(b"\x00\x00")
    return talk


def test_no_server_of_a_ups_holds_up_or_misleads_the_others(home, tree, liar):
    states = {"OL CHRG": "on_mains", "OB LB FSD": "shutting_down", "ALARM OL": "on_mains",
              "OFF": "off", "BYPASS": "bypass", "OL CAL": "testing", "OL XYZ": "on_mains",
              "OL LB": "low_battery", "": "unknown", "OB": "on_battery", "OL": "on_mains"}
    units = {f"s{number}": unit(status) for number, status in enumerate(states)}
    units |= {f"m{number}": unit("OL") for number in range(100)}
    units |= {
        "rt0": unit("OL", battery_runtime="0"), "rt0b": unit("OB", battery_runtime="0"),
        "rtneg": unit("OL", battery_runtime="-5"), "rthuge": unit("OL", battery_runtime="9" * 12),
        "comma": unit("OL", battery_charge="99,5"), "nan": unit("OL", battery_charge="nan"),
        "bare": {}, "stale": "ERR DATA-STALE", "denied": "ERR ACCESS-DENIED", "odd": "ERR",
        "a_b": unit("OL"), "a-b": unit("OB")}
    servers = {name: liar(talk) for name, talk in SILENT.items()} | {
        "good": liar(nut(units)), "zero": liar(nut({}))}
    config = {name: {"address": f"127.0.0.1:{one.port}", "tls": "off"}
              for name, one in servers.items()}
    config["good"]["units"] = [*units, "missing"]
    config["closed"] = {"address": f"127.0.0.1:{free_port()}", "tls": "off"}
    tls = liar(raw(b"OK STARTTLS\n", b"no hello"))
    config["tls"] = {"address": f"127.0.0.1:{tls.port}", "tls": "required"}
    apcs = SILENT_APC | {
        "lost": apcupsd(UPSNAME="lost", STATUS="COMMLOST"),
        "far": apcupsd(UPSNAME="far", STATFLAG="0x05000100"),
        "nobatt": apcupsd(UPSNAME="nobatt", STATUS="ONLINE NOBATT", BATTDATE="31/31/99",
                          LASTSTEST="never", BCHARGE="-1.0 Percent", TIMELEFT="N/A")}
    config |= {name: {"type": "apcupsd", "address": f"127.0.0.1:{liar(talk).port}"}
               for name, talk in apcs.items()}
    service, mqtt = watching(home, tree, {
        "collect": {"ups": {"nut": "off", "apcupsd": "off", "servers": config}}})

    def ups(name, state):
        return mqtt.wait(f"{BASE}/ups-{name}", lambda m: m.json["state"] == state).json

    for number, state in enumerate(states.values()):
        ups(f"s{number}", state)
    for name in ("rt0", "rtneg", "rthuge"):
        assert "runtime_s" not in ups(name, "on_mains")
    assert "runtime_s" not in ups("rt0b", "on_battery")
    for name in ("comma", "nan"):
        assert "charge_pct" not in ups(name, "on_mains")
    ups("bare", "unknown")
    for name, why in {"stale": "cable", "denied": "allow", "odd": "ERR", "missing": "ups.conf",
                      "lost": "apcupsd", "far": "apcupsd"}.items():
        assert why in ups(name, "lost")["reason"]
    ups("a-b", "on_mains")
    ups("a-b-2", "on_battery")
    told = ups("nobatt", "on_mains")
    assert told["alarm"] and not {"charge_pct", "runtime_s"} & set(told), told
    mqtt.wait_for(lambda: len(mqtt.latest(f"{BASE}/ups-m99")) == 1, "the last of a hundred")
    faults = {*SILENT, *SILENT_APC, "closed", "tls"}
    until(lambda: all(f'server="{name}"' in service.log() for name in faults), "each fault's line")
    # Once each, for as long as it lasts.
    looks = servers["good"].clients
    until(lambda: servers["good"].clients > looks + 3, "some more looks")
    healthy(service)


def test_a_upsd_that_is_restarted_is_lost_and_back(home, tree, liar):
    server = liar(nut({"rack": unit("OB")}))
    service, mqtt = watching(home, tree, {"collect": {"ups": {
        "nut": f"127.0.0.1:{server.port}", "apcupsd": "off"}}})
    mqtt.wait(f"{BASE}/ups-rack", lambda m: m.json["state"] == "on_battery")
    server.close()
    lost = mqtt.wait(f"{BASE}/ups-rack", lambda m: m.json["state"] == "lost").json
    assert lost["lost_on_battery"] and "charge_pct" not in lost
    before = len(mqtt.messages)
    liar(nut({"rack": unit("OL")}), server.port)
    mqtt.wait(f"{BASE}/ups-rack", lambda m: m.json["state"] == "on_mains", before)
    healthy(service)


# Graphics cards

CARD = "00000000:01:00.0, GTX, 23.45, 250, 4, GPU-1, 40, N/A, 38, 765, 810, 214, 8192, " \
       "0x0000000000000000, [N/A], [N/A], 1, 16"
GPU = {
    "mismatch": ('echo "Failed to initialize NVML: Driver/library version mismatch"; exit 18',
                 "restart the machine"),
    "unloaded": ('echo "NVIDIA-SMI has failed because it could not communicate with the driver"; '
                 "exit 9", "is the driver loaded?"),
    "hangs": ("sleep 60", "no answer within"), "killed": ("kill -9 $$", "nvidia-smi: "),
}


@pytest.mark.parametrize("name", GPU)
def test_a_driver_of_nvidia_that_is_in_trouble_is_told_once_and_costs_nothing_else(
        home, tree, tmp_path, name):
    program = tmp_path / "nvidia-smi"
    script, said = GPU[name]
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    service, mqtt = watching(home, tree, **{"nvidia-smi": [str(program)]})
    until(lambda: said in service.log(), "the fault in the log")
    assert not mqtt.heard(f"{BASE}/gpu-+")
    mqtt.wait(f"{BASE}/cpu")
    service.stop()
    healthy(service)


def test_a_card_that_tells_little_or_is_lost_costs_no_other_its_figures(home, tree, tmp_path):
    unknown = CARD.replace(":01:", ":02:").replace("23.45, 250, 4", "[N/A], [Unknown Error], ERR!") \
        .replace("40, N/A, 38", "[GPU requires reset], nan, -1")
    program = tmp_path / "nvidia-smi"
    program.write_text(f"#!/bin/sh\necho '{CARD}'\necho '{unknown}'\n"
                       "echo 'Unable to determine the device handle for GPU0000:03:00.0'\nexit 15\n")
    program.chmod(0o755)
    service, mqtt = watching(home, tree, **{"nvidia-smi": [str(program)]})
    assert mqtt.wait(f"{BASE}/gpu-0000-01-00-0").json["temperature_c"] == 40
    little = mqtt.wait(f"{BASE}/gpu-0000-02-00-0").json
    assert not {"temperature_c", "usage_pct", "fan_pct"} & set(little), little
    until(lambda: "some cards only" in service.log(), "what is lost in the log")
    healthy(service)


def test_a_card_of_amd_is_gone_with_its_driver_and_back_with_it(home, tree):
    device, driver = "sys/devices/pci0000:00/0000:05:00.0", "sys/bus/pci/drivers/amdgpu"
    (tree.folder / driver).mkdir(parents=True)
    tree.put(f"{device}/gpu_busy_percent", 37)
    tree.link(driver, f"{device}/driver")
    tree.link(device, "sys/class/drm/card0/device")
    service, mqtt = watching(home, tree)
    topic = f"{BASE}/gpu-0000-05-00-0"
    assert mqtt.wait(topic).json["usage_pct"] == 37
    (tree.folder / device / "driver").unlink()
    mqtt.wait(f"{topic}/availability", lambda m: m.text == "offline")
    tree.link(driver, f"{device}/driver")
    # What is not here is looked for again after a minute, or at a start.
    service.stop()
    service.start()
    mqtt = service.mqtt(f"{topic}/#")
    assert mqtt.wait(topic).json["usage_pct"] == 37
    healthy(service)


# Jobs

def test_what_a_job_says_that_is_not_understood_is_not_taken_for_done(home, tree):
    service, mqtt = watching(home, tree, {
        "collect": {"jobs": {"expect": {"backup": {"every": "1d"}}}}})
    for payload in ('{"state":1}', '{"status":"failed"}', '{"state":null}', "[]", "null", "perhaps",
                    "x" * 10_000, "{", '{"state":"nope"}'):
        told = mqtt.command("job/backup", payload)
        assert told["ok"] is False, (payload, told)
    refused = service.api().post("/api/v1/control/job/backup", json={"state": False})
    assert refused.status_code >= 400, refused.text
    assert mqtt.wait(f"{BASE}/job-backup").json["state"] == "waiting"
    mqtt.publish("homewatch/box/cmd/job/backup", "ok")
    mqtt.wait(f"{BASE}/job-backup", lambda m: m.json["state"] == "ok")
