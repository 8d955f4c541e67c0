"""Beside Prometheus' node_exporter on the same machines: every sensor that it reports is reported,
to the same value."""

import os
import pathlib
import re
import shutil
import subprocess

import httpx
import pytest

import machines
from harness import PROJECT, Host, free_port, until

NAMES = ("prometheus-node-exporter", "node_exporter")
PLACES = [PROJECT / "target/node-exporter/usr/bin"]
COLLECTORS = ("hwmon", "thermal_zone", "powersupplyclass", "edac", "mdadm", "rapl", "cpufreq")
LINE = re.compile(r"^(node_\w+)(?:\{(.*)\})? (\S+)$")
LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')

# What of hwmon are sensors, by the kernel's word: the subjects they are told as, the key of the
# figure, what node_exporter's unit takes to become ours, and how exact ours is.
SENSORS = {
    "temp_celsius": ("temp", "temperature_c", 1, 1e-6),
    "temp_crit_celsius": ("temp", "critical_c", 1, 1e-6),
    "temp_max_celsius": ("temp", "max_c", 1, 1e-6),
    "temp_min_celsius": ("temp", "min_c", 1, 1e-6),
    "temp_lcrit_celsius": ("temp", "low_critical_c", 1, 1e-6),
    "temp_emergency_celsius": ("temp", "emergency_c", 1, 1e-6),
    "fan_rpm": ("fan", "fan_rpm", 1, 0.5),
    "fan_min_rpm": ("fan", "min_rpm", 1, 0.5),
    "fan_max_rpm": ("fan", "max_rpm", 1, 0.5),
    "fan_target_rpm": ("fan", "target_rpm", 1, 0.5),
    "pwm": ("(?:fan|pwm)", "pwm_pct", 1 / 2.55, 0.051),
    "in_volts": ("voltage", "voltage_v", 1, 1e-6),
    "in_min_volts": ("voltage", "min_v", 1, 1e-6),
    "in_max_volts": ("voltage", "max_v", 1, 1e-6),
    "cpu_vid_volts": ("voltage", "voltage_v", 1, 1e-6),
    "curr_amps": ("current", "current_a", 1, 1e-6),
    "curr_max_amps": ("current", "max_a", 1, 1e-6),
    "power_watt": ("power", "power_w", 1, 1e-6),
    "power_average_watt": ("power", "(?:power|average)_w", 1, 1e-6),
    "power_cap_watt": ("power", "cap_w", 1, 1e-6),
    "humidity": ("humidity", "humidity_pct", 1000, 1e-6),
    "freq_freq_mhz": ("clock", "frequency_mhz", 1, 0.5),
    "intrusion_alarm": ("intrusion", "opened", 1, 0),
}
# Flags of a chip: true if any of its alarms is.
ALARMS = re.compile(r"^(temp|fan|in|curr|power)_(\w+_)?alarm(_celsius|_volts|_amps|_watt|_rpm)?$")
KINDS = {"in": "voltage", "curr": "current"}
# How a driver is set up, what a limit goes with, and what a history knows by itself: no sensors.
NO_SENSORS = re.compile(
    r"^(beep_enabled|chip_names|sensor_label|\w+_(beep|hyst|type|offset|highest|lowest|pulses|enable"
    r"|mode|interval)(_\w+)?|temp_crit_hyst_celsius|power_cap_(max|min)_watt|pwm_(max|min)\w*"
    r"|power_average_interval_seconds)$")


def find():
    """node_exporter, from $NODE_EXPORTER, the path, or where tests/run puts it."""
    given = os.environ.get("NODE_EXPORTER")
    found = [given] if given else []
    found += [place for name in NAMES if (place := shutil.which(name))]
    found += [str(place / name) for place in PLACES for name in NAMES if (place / name).exists()]
    return found[0] if found else None


@pytest.fixture
def exported(tmp_path):
    """What node_exporter says of a folder: samples as (name, labels, value)."""
    program = find()
    if not program:
        pytest.skip("node_exporter is not here (Debian's prometheus-node-exporter)")

    def export(folder):
        port = free_port()
        with (tmp_path / "exporter.txt").open("ab") as log:
            process = subprocess.Popen(
                [program, f"--web.listen-address=127.0.0.1:{port}", f"--path.sysfs={folder}/sys",
                 f"--path.procfs={folder}/proc", f"--path.rootfs={folder}/root",
                 "--collector.disable-defaults", *(f"--collector.{one}" for one in COLLECTORS)],
                stdout=log, stderr=log)
        try:
            def text():
                try:
                    return httpx.get(f"http://127.0.0.1:{port}/metrics", timeout=30).text
                except httpx.TransportError:
                    return None
            lines = until(text, "an answer of node_exporter").splitlines()
        finally:
            process.terminate()
            process.wait()
        samples = []
        for line in lines:
            found = LINE.match(line)
            if found and not found[1].startswith(("node_scrape", "node_exporter")):
                samples.append((found[1], dict(LABEL.findall(found[2] or "")), float(found[3])))
        failed = [line for line in lines
                  if line.startswith("node_scrape_collector_success") and line.endswith(" 0")]
        return samples, failed
    return export


def slug(text):
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


class Told:
    """What homewatch says of the same machine, by area and subject."""

    def __init__(self, mqtt):
        self.subjects = {}
        for topic, message in mqtt.latest("homewatch/box/+/+").items():
            self.subjects["/".join(topic.split("/")[2:])] = message.json

    def has(self, subject, key, value, exact):
        """Whether a subject (a pattern) has this figure."""
        return any(abs(float(found) - value) <= exact
                   for name, figures in self.subjects.items() if re.fullmatch(subject, name)
                   for one, found in figures.items()
                   if re.fullmatch(key, one) and isinstance(found, (int, float)))

    def faults(self, subject):
        return any(re.fullmatch(subject, name) and figures.get("fault") is True
                   for name, figures in self.subjects.items())


class Comparison:
    """Goes through what node_exporter says and notes what homewatch does not."""

    def __init__(self, samples, told):
        self.samples, self.told, self.missing, self.compared = samples, told, [], 0
        self.drivers = {labels["chip"]: labels["chip_name"] for name, labels, _ in samples
                        if name == "node_hwmon_chip_names"}
        self.names = {(labels["chip"], labels["sensor"]): labels["label"]
                      for name, labels, _ in samples if name == "node_hwmon_sensor_label"}
        for name, labels, value in samples:
            try:
                self.look(name, labels, value)
            except KeyError as absent:
                # A subject may not be told yet.
                self.want(False, name, labels, value, absent)

    def want(self, is_there, *what):
        self.compared += 1
        if not is_there:
            self.missing.append(what)

    def look(self, name, labels, value):
        told, sample = self.told, (name, labels, value)
        if name.startswith("node_hwmon_"):
            self.chip(name.removeprefix("node_hwmon_"), labels, value)
        elif name == "node_thermal_zone_temp":
            # A zone that a chip shows as well is told once.
            kind = {"x86_pkg_temp": "coretemp-package-id-0"}.get(labels["type"],
                                                                slug(labels["type"]))
            self.want(told.has(f"health/temp-{kind}(-.*)?", "temperature_c", value, 1e-6), sample)
        elif name.startswith("node_cooling_device_"):
            cools = told.subjects.get(f"health/cooling-{slug(labels['type'])}", {})
            key = "state" if name.endswith("cur_state") else "most"
            self.want(any(one["number"] == int(labels["name"]) and one[key] == value
                          for one in cools.get("devices", [])), sample)
        elif name.startswith("node_power_supply_"):
            self.supply(name.removeprefix("node_power_supply_"), labels, value)
        elif name.startswith("node_edac_"):
            self.memory(name.removeprefix("node_edac_"), labels, value)
        elif name.startswith("node_md_"):
            self.array(name.removeprefix("node_md_"), labels, value)
        elif name.startswith("node_rapl_"):
            zone = name.removeprefix("node_rapl_").removesuffix("_joules_total")
            self.want(f"power/rapl-{slug(zone)}" in told.subjects
                      or f"power/rapl-{slug(zone)}-0" in told.subjects, sample)
        elif name.startswith("node_cpu_"):
            self.clock(name.removeprefix("node_cpu_"), labels, value)
        else:
            self.missing.append(("unknown to this test", *sample))

    def chip(self, what, labels, value):
        sample = (what, labels, value)
        alarm = ALARMS.match(what)
        if what in SENSORS:
            kind, key, factor, exact = SENSORS[what]
        elif what.endswith("_fault"):
            kind, key, factor, exact = "temp", "fault", 1, 0
            if not value:
                return
        elif alarm:
            kind, key, factor, exact = KINDS.get(alarm[1], alarm[1]), "alarm", 1, 0
            if not value:
                return
        else:
            self.want(NO_SENSORS.match(what), sample)
            return
        subject = self.subject(kind, labels)
        figure = value * factor
        if is_nonsense(what, value):
            # What cannot be is left out, or told as a fault where it was to be a figure.
            self.want(not self.told.has(subject, key, figure, exact), sample)
        elif self.told.faults(subject) and what == "temp_celsius":
            self.want(True, sample)
        else:
            self.want(self.told.has(subject, key, figure, exact), sample, subject)

    def subject(self, kind, labels):
        """The subjects that a sensor may be, as a pattern."""
        driver = self.drivers[labels["chip"]]
        chip = {"drivetemp": "disk-.*", "nvme": "disk-.*"}.get(driver, re.escape(slug(driver)))
        label = self.names.get((labels["chip"], labels["sensor"]))
        sensor = labels["sensor"]
        # A fan's drive is told with the fan.
        ends = [slug(label)] if label else [sensor, sensor.replace("pwm", "fan")]
        ends += [f"{end}-{sensor}" for end in ends]
        if sensor.startswith("pwm"):
            fan = self.names.get((labels["chip"], sensor.replace("pwm", "fan")))
            ends += [slug(fan)] if fan else []
        first = "" if label else "|"
        # A second chip of one driver has its place besides.
        return f"health/{kind}-{chip}(-[a-z0-9-]+)?(-({'|'.join(ends)}){first})"

    def supply(self, what, labels, value):
        name = labels["power_supply"]
        battery = f"(health|power)/battery-{slug(name)}"
        figures = self.told.subjects.get(f"health/battery-{slug(name)}", {})
        sample = (what, labels, value)
        exact = {"energy_watthour": ("stored_kwh", 1e-3), "energy_full": ("full_kwh", 1e-3),
                 "energy_full_design": ("design_kwh", 1e-3)}
        if what == "online" and f"health/mains-{slug(name)}" in self.told.subjects:
            self.want(self.told.has(f"health/mains-{slug(name)}", "online", value, 0), sample)
        elif what in exact:
            key, factor = exact[what]
            self.want(abs(figures.get(key, -1) - value * factor) < 1e-5, sample)
        elif what == "capacity":
            self.want(self.told.has(battery, "charge_pct", value, 0.5), sample)
        elif what == "cyclecount":
            self.want(self.told.has(battery, "cycles", value, 0), sample)
        elif what == "voltage_volt":
            self.want(self.told.has(f"{battery}|health/mains-{slug(name)}", "voltage_v", value,
                                    1e-6), sample)
        elif what == "current_ampere":
            self.want(self.told.has(f"{battery}|health/mains-{slug(name)}", "current_a", value,
                                    1e-6), sample)
        elif what == "power_watt":
            self.want(self.told.has(battery, "power_w", value, 1e-6), sample)
        elif what == "voltage_min_design":
            self.want(abs(figures.get("least_v", -1) - value) < 1e-3, sample)
        else:
            # What it is rated for and how it is called are no sensors.
            self.want(what in ("info", "present", "online", "voltage_max", "current_max"), sample)

    def memory(self, what, labels, value):
        told = self.told.subjects.get(f"health/edac-mc{labels['controller']}", {})
        key = "corrected" if what.endswith("_correctable_errors_total") or \
            what.startswith("correctable") else "uncorrected"
        if labels.get("csrow") == "unknown":
            found = told.get("unplaced", {}).get(key)
        elif "csrow" in labels:
            # Rows of chips are the old way to tell modules.
            found = sum(one[key] for one in told.get("modules", []))
        else:
            found = told.get(key)
        self.want(found == value, what, labels, value)

    def array(self, what, labels, value):
        told = self.told.subjects.get(f"health/raid-{labels['device']}", {})
        states = {"check": "checking", "recovering": "rebuilding", "resync": "resyncing"}
        wanted = {"disks_required": lambda: told["devices"],
                  "blocks": lambda: told["size_bytes"] / 1024}
        by_state = {"active": "devices_up", "failed": "devices_failed", "spare": "spares"}
        if what in wanted:
            self.want(wanted[what]() == value, what, labels, value)
        elif what == "disks":
            self.want(told[by_state[labels["state"]]] == value, what, labels, value)
        elif what == "blocks_synced":
            share = told.get("progress_pct", 100)
            blocks = told["size_bytes"] / 1024
            # Of one device where it rebuilds, of all where it does not.
            self.want("progress_pct" in told or value == blocks * share / 100, what, labels, value)
        elif what == "state" and value and labels["state"] in states:
            self.want(told["state"] == states[labels["state"]], what, labels, value)
        elif what == "state" and value and labels["state"] == "inactive":
            self.want(told["state"] == "inactive", what, labels, value)

    def clock(self, what, labels, value):
        megahertz = value / 1e6
        sample = (what, labels, value)
        core = f"health/cpu-core-{labels.get('cpu')}"
        if what == "scaling_frequency_hertz":
            self.want(self.told.has(core, "frequency_mhz", megahertz, 0.5), sample)
        elif what == "scaling_governor":
            told = self.told.subjects["health/processor"]["governor"]
            self.want((labels["governor"] == told) == bool(value), sample)
        else:
            key = {"scaling_frequency_max_hertz": "frequency_limit_mhz",
                   "scaling_frequency_min_hertz": "frequency_floor_mhz",
                   "frequency_max_hertz": "frequency_rated_mhz"}.get(what)
            # The lowest of the hardware is what the floor is, unless somebody raised it.
            self.want(what == "frequency_min_hertz" or
                      self.told.has("health/processor", key, megahertz, 0.5), sample)


def is_nonsense(what, value):
    """What chips say when nothing is connected, or of limits that nobody has set."""
    if what.startswith("temp_"):
        return value in (-128, 127) or not -55 < value < 127 or \
            (value <= 0 and what != "temp_celsius")
    if what in ("fan_rpm", "fan_max_rpm"):
        return value == 65535
    if what in ("in_min_volts", "in_max_volts", "curr_max_amps", "fan_min_rpm"):
        return value == 0
    return False


def compare(home, samples, folder):
    service = home({"host": {part: str(folder / part) for part in ("proc", "sys", "root")},
                    "collect": {"cpu": {"per_core": True}}}).start()
    mqtt = service.mqtt("homewatch/box/#")
    mqtt.wait("homewatch/box/health/homewatch")

    def compared():
        found = Comparison(samples, Told(mqtt))
        return not found.missing and found
    try:
        found = until(compared, "all that node_exporter tells", timeout=20)
    except AssertionError:
        left = Comparison(samples, Told(mqtt)).missing
        raise AssertionError(f"{len(left)} of what node_exporter tells:\n"
                             + "\n".join(map(repr, left))) from None
    assert found.compared > 5
    return found


@pytest.mark.parametrize("machine", machines.ALL, ids=lambda one: one.__name__)
def test_every_sensor_of_node_exporter_is_told_to_the_same_value(home, exported, tmp_path, machine):
    folder = pathlib.Path(tmp_path / "machine")
    folder.mkdir()
    machine(folder)
    samples, failed = exported(folder)
    assert not failed, f"the tree is not what node_exporter expects: {failed}"
    compare(home, samples, folder)


@pytest.mark.parametrize("machine", ["desktop", "nas", "raspberry-pi"])
def test_so_is_every_sensor_of_the_captured_machines(home, exported, tmp_path, machine):
    # They hold what homewatch reads and not all that node_exporter wants: what it can is compared.
    folder = Host(tmp_path / "machine", machine).folder
    samples, _ = exported(folder)
    compare(home, samples, folder)
