"""Machines made of the kernel's files, modelled on what people have at home: as much of them as
sensors are read from, laid as the kernel lays it."""

import os

STAT = "\n".join([
    "cpu  2000 0 1000 16000 1000 0 0 0 0 0",
    *(f"cpu{core} 500 0 250 4000 250 0 0 0 0 0" for core in range(4)),
    "intr 100 0", "ctxt 1000", "btime 1767225600", "processes 100", "procs_running 1",
    "procs_blocked 0", "softirq 11 1 1 1 1 1 1 1 1 1 2"])


class Tree:
    """The files of one machine below a folder."""

    def __init__(self, folder):
        self.folder = folder
        self.put("proc/stat", STAT)
        self.put("proc/mdstat", "Personalities : \nunused devices: <none>\n")
        for empty in ("root", "sys/class/power_supply", "sys/class/powercap", "sys/class/thermal",
                      "sys/class/hwmon", "sys/devices/system/edac/mc", "sys/devices/system/cpu"):
            (folder / empty).mkdir(parents=True)

    def put(self, path, text):
        place = self.folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(f"{text}".rstrip("\n") + "\n")

    def link(self, target, path):
        place = self.folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.symlink_to(os.path.relpath(self.folder / target, place.parent))

    def chip(self, number, name, device, files, own_device=True):
        """A chip of sensors: ``hwmonN`` below its device."""
        folder = f"sys/devices/{device}/hwmon/hwmon{number}"
        self.put(f"{folder}/name", name)
        for file, value in files.items():
            self.put(f"{folder}/{file}", value)
        if own_device:
            self.link(f"sys/devices/{device}", f"{folder}/device")
        self.link(folder, f"sys/class/hwmon/hwmon{number}")

    def zone(self, number, kind, millidegrees, **trips):
        folder = f"sys/class/thermal/thermal_zone{number}"
        for file, value in {"type": kind, "temp": millidegrees, "policy": "step_wise",
                            "mode": "enabled"}.items():
            self.put(f"{folder}/{file}", value)
        for place, (kind, temp) in enumerate(trips.items()):
            self.put(f"{folder}/trip_point_{place}_type", kind)
            self.put(f"{folder}/trip_point_{place}_temp", temp)

    def cools(self, number, kind, state, most):
        for file, value in {"type": kind, "cur_state": state, "max_state": most}.items():
            self.put(f"sys/class/thermal/cooling_device{number}/{file}", value)

    def supply(self, name, **files):
        for file, value in files.items():
            self.put(f"sys/class/power_supply/{name}/{file}", value)

    def clocks(self, count, driver, governor, low, high, now):
        """The frequencies of all cores, kHz."""
        for cpu in range(count):
            for file, value in {
                    "scaling_driver": driver, "scaling_governor": governor,
                    "scaling_available_governors": "performance powersave schedutil",
                    "related_cpus": cpu, "cpuinfo_min_freq": low, "cpuinfo_max_freq": high,
                    "scaling_min_freq": low, "scaling_max_freq": high,
                    "scaling_cur_freq": now + 1000 * cpu, "scaling_setspeed": "<unsupported>",
                    "cpuinfo_transition_latency": 0}.items():
                self.put(f"sys/devices/system/cpu/cpu{cpu}/cpufreq/{file}", value)
            self.put(f"sys/devices/system/cpu/cpu{cpu}/topology/core_id", cpu)
            self.put(f"sys/devices/system/cpu/cpu{cpu}/topology/physical_package_id", 0)

    def energy(self, **zones):
        """RAPL: the name of each zone and its counter, µJ."""
        for place, (name, count) in enumerate(zones.items()):
            zone = "intel-rapl:0" + (f":{place - 1}" if place else "")
            for file, value in {"name": name.replace("_", "-"), "energy_uj": count,
                                "max_energy_range_uj": 262143328850}.items():
                self.put(f"sys/class/powercap/{zone}/{file}", value)

    def disk(self, name, device, serial, **files):
        for file, value in files.items():
            self.put(f"sys/devices/{device}/{file}", value)
        self.put(f"sys/devices/{device}/serial", serial)
        self.put(f"sys/devices/{device}/block/{name}/stat", "1 2 3 4 5 6 7 8 9 10 11")
        self.link(f"sys/devices/{device}", f"sys/devices/{device}/block/{name}/device")
        self.link(f"sys/devices/{device}/block/{name}", f"sys/block/{name}")

    def nvme(self, number, hwmon, address, serial, millidegrees):
        device = f"pci0000:00/{address}/nvme/nvme{number}"
        self.put(f"sys/devices/{device}/model", "Samsung SSD 980 PRO 1TB")
        self.put(f"sys/devices/{device}/serial", serial)
        disk = f"sys/devices/{device}/nvme{number}n1"
        self.put(f"{disk}/stat", "1 2 3 4 5 6 7 8 9 10 11")
        self.link(f"sys/devices/{device}", f"{disk}/device")
        self.link(disk, f"sys/block/nvme{number}n1")
        self.chip(hwmon, "nvme", device, {
            "temp1_input": millidegrees, "temp1_label": "Composite", "temp1_crit": 84850,
            "temp1_max": 81850, "temp1_min": -273150, "temp1_alarm": 0,
            "temp2_input": millidegrees + 1000, "temp2_label": "Sensor 1",
            "temp2_max": 65261850, "temp2_min": -273150,
            "temp3_input": millidegrees + 7000, "temp3_label": "Sensor 2"})


def many(pattern, values, **more):
    """``fan{}_input`` and the like, counted from ``start``."""
    start = more.pop("start", 1)
    return {pattern.format(n): value for n, value in enumerate(values, start)}


def thinkpad(folder):
    """A laptop: Intel, its maker's fan driver, a battery, USB-C, a mouse."""
    tree = Tree(folder)
    cores = many("temp{}_input", [47000, 45000, 47000, 44000, 46000])
    labels = many("temp{}_label", ["Package id 0", "Core 0", "Core 1", "Core 2", "Core 3"])
    tree.chip(0, "coretemp", "platform/coretemp.0", cores | labels
              | many("temp{}_max", [100000] * 5) | many("temp{}_crit", [100000] * 5)
              | many("temp{}_crit_alarm", [0] * 5))
    tree.chip(1, "thinkpad", "platform/thinkpad_hwmon", {
        "fan1_input": 2312, "fan2_input": 0, "pwm1": 128, "pwm1_enable": 2,
        "temp1_input": 47000, "temp1_label": "CPU", "temp3_input": 0, "temp2_label": "GPU"})
    tree.chip(2, "acpitz", "virtual/thermal/thermal_zone0", {
        "temp1_input": 47000, "temp1_crit": 128000}, own_device=False)
    tree.chip(3, "pch_cannonlake", "virtual/thermal/thermal_zone3", {"temp1_input": 44500},
              own_device=False)
    tree.chip(4, "iwlwifi_1", "virtual/thermal/thermal_zone4", {"temp1_input": 41000},
              own_device=False)
    tree.chip(5, "BAT0", "LNXSYSTM:00/LNXSYBUS:00/PNP0A08:00/device:19/PNP0C09:00/PNP0C0A:00"
              "/power_supply/BAT0", {"in0_input": 12423, "power1_input": 7312000})
    tree.chip(6, "ucsi_source_psy_USBC000:001", "platform/USBC000:00/power_supply/ucsi1", {
        "in0_input": 20000, "in0_min": 5000, "in0_max": 20000, "curr1_input": 1500,
        "curr1_max": 3250})
    tree.nvme(0, 7, "0000:04:00.0", "S5GXNX0T111111A", 36850)
    tree.zone(0, "acpitz", 47000, critical=128000)
    tree.zone(1, "INT3400 Thermal", 20000)
    tree.zone(2, "x86_pkg_temp", 47000)
    tree.zone(3, "pch_cannonlake", 44500)
    tree.zone(4, "iwlwifi_1", 41000)
    tree.zone(5, "TSR0", 38050, critical=99000, hot=95000)
    tree.zone(6, "B0D4", 47050)
    for cpu in range(4):
        tree.cools(cpu, "Processor", cpu % 2, 10)
    tree.cools(4, "intel_powerclamp", 0, 50)
    tree.cools(5, "TCC Offset", 3, 63)
    tree.supply("AC", type="Mains", online=1)
    tree.supply("BAT0", type="Battery", present=1, status="Discharging", capacity=83,
                capacity_level="Normal", voltage_now=12423000, voltage_min_design=11520000,
                power_now=7312000, energy_now=38010000, energy_full=45790000,
                energy_full_design=50450000, cycle_count=312, manufacturer="SMP",
                model_name="5B10W51867", technology="Li-poly")
    tree.supply("hidpp_battery_0", type="Battery", scope="Device", online=1, capacity=55,
                status="Discharging", voltage_now=3850000, model_name="Wireless Mouse")
    tree.supply("ucsi-source-psy-USBC000:001", type="USB", online=1, voltage_now=20000000,
                current_now=1500000, voltage_max=20000000, current_max=3250000)
    tree.clocks(4, "intel_pstate", "powersave", 400000, 4900000, 1100000)
    tree.energy(package_0=151020304050, core=90807060504, uncore=10203040506)
    return tree


def desktop(folder):
    """A board for Ryzen with all that its chip of sensors has, and a graphics card."""
    tree = Tree(folder)
    tree.chip(0, "k10temp", "pci0000:00/0000:00:18.3", {
        "temp1_input": 52375, "temp1_label": "Tctl", "temp3_input": 48250,
        "temp3_label": "Tccd1"})
    board = many("in{}_input", [1096, 1008, 3408, 3328, 1016, 816, 864, 3408, 3248, 1808, 480,
                                480, 1040, 1000, 992], start=0)
    board |= many("in{}_min", [0] * 15, start=0) | many("in{}_max", [1744] * 15, start=0)
    board |= many("in{}_alarm", [0, 1] * 7 + [1], start=0) | many("in{}_beep", [0] * 15, start=0)
    board |= many("fan{}_input", [0, 823, 1121, 0, 0, 2711, 0])
    board |= many("fan{}_min", [0] * 7) | many("fan{}_alarm", [0] * 7)
    board |= many("fan{}_pulses", [2] * 7) | many("fan{}_target", [0] * 7)
    board |= many("pwm{}", [153, 89, 102, 153, 153, 255, 153])
    board |= many("pwm{}_enable", [5] * 7) | many("pwm{}_mode", [1] * 7)
    names = ["SYSTIN", "CPUTIN", "AUXTIN0", "AUXTIN1", "AUXTIN2", "AUXTIN3", "PECI Agent 0",
             "PCH_CHIP_TEMP", "TSI0_TEMP"]
    board |= many("temp{}_label", names)
    board |= many("temp{}_input", [33000, 41500, 24000, -128000, 127000, 31000, 52000, 0, 52375])
    board |= {"temp1_max": 80000, "temp1_max_hyst": 75000, "temp1_alarm": 0, "temp1_type": 4,
              "temp1_offset": 0, "temp2_max": 80000, "temp2_max_hyst": 75000, "temp2_alarm": 0,
              "temp2_type": 4, "intrusion0_alarm": 1, "intrusion1_alarm": 0, "beep_enable": 0,
              "intrusion0_beep": 0, "cpu0_vid": 1350}
    tree.chip(1, "nct6798", "platform/nct6775.656", board)
    tree.chip(2, "amdgpu", "pci0000:00/0000:00:01.1/0000:0b:00.0", {
        "temp1_input": 41000, "temp1_label": "edge", "temp1_crit": 100000,
        "temp1_crit_hyst": -273150, "temp1_emergency": 105000, "temp2_input": 45000,
        "temp2_label": "junction", "temp2_crit": 110000, "temp3_input": 50000,
        "temp3_label": "mem", "fan1_input": 611, "fan1_min": 0, "fan1_max": 3300,
        "fan1_target": 611, "pwm1": 63, "pwm1_min": 0, "pwm1_max": 255, "in0_input": 806,
        "in0_label": "vddgfx", "power1_average": 9000000, "power1_label": "PPT",
        "power1_cap": 203000000, "power1_cap_max": 223000000, "freq1_input": 500000000,
        "freq1_label": "sclk", "freq2_input": 96000000, "freq2_label": "mclk"})
    tree.chip(3, "jc42", "pci0000:00/0000:00:14.0/i2c-0/0-001a", {
        "temp1_input": 35250, "temp1_max": 0, "temp1_min": 0, "temp1_crit": 95000,
        "temp1_max_alarm": 0, "temp1_crit_alarm": 0, "temp1_min_alarm": 0})
    tree.chip(4, "jc42", "pci0000:00/0000:00:14.0/i2c-0/0-001b", {
        "temp1_input": 35750, "temp1_crit": 95000})
    tree.chip(5, "r8169_0_300:00", "pci0000:00/0000:03:00.0/r8169-0-300:00", {
        "temp1_input": 43500, "temp1_max": 120000})
    tree.nvme(0, 6, "0000:01:00.0", "S6B0NL0T222222B", 42850)
    tree.nvme(1, 7, "0000:04:00.0", "S6B0NL0T333333C", 38850)
    for cpu in range(4):
        tree.cools(cpu, "Processor", 0, 10)
    tree.clocks(4, "amd-pstate-epp", "powersave", 400000, 5050000, 3600000)
    tree.energy(package_0=5566778899, core=1122334455)
    return tree


def raspberry(folder):
    """A Raspberry Pi 5 with its fan, and an NVMe disk on a hat."""
    tree = Tree(folder)
    tree.chip(0, "cpu_thermal", "virtual/thermal/thermal_zone0", {
        "temp1_input": 51850, "temp1_crit": 110000}, own_device=False)
    tree.chip(1, "rp1_adc", "platform/axi/1000120000.pcie/1f000c8000.adc", {
        "in1_input": 1454, "in2_input": 2531, "in3_input": 1412, "in4_input": 1449,
        "temp1_input": 48112})
    tree.chip(2, "pwmfan", "platform/cooling_fan", {
        "fan1_input": 2867, "pwm1": 75, "pwm1_enable": 1})
    tree.chip(3, "rpi_volt", "platform/soc/soc:firmware/raspberrypi-hwmon", {
        "in0_lcrit_alarm": 0})
    tree.nvme(0, 4, "0000:01:00.0", "S64DNF0R444444D", 44850)
    tree.zone(0, "cpu-thermal", 51850, critical=110000, hot=80000)
    tree.cools(0, "pwm-fan", 1, 4)
    tree.cools(1, "cpufreq-cpu0", 0, 9)
    tree.clocks(4, "cpufreq-dt", "ondemand", 1500000, 2400000, 1500000)
    return tree


def nas(folder):
    """Four bays: a small Intel, a chip for the fans, three arrays of which one is rebuilt."""
    tree = Tree(folder)
    tree.chip(0, "coretemp", "platform/coretemp.0", {
        "temp1_input": 44000, "temp1_label": "Package id 0", "temp1_max": 105000,
        "temp1_crit": 105000, "temp2_input": 43000, "temp2_label": "Core 0", "temp3_input": 44000,
        "temp3_label": "Core 1"})
    tree.chip(1, "adt7475", "pci0000:00/0000:00:1f.1/i2c-1/1-002e", {
        "in1_input": 1180, "in1_min": 0, "in1_max": 2988, "in1_alarm": 0, "in2_input": 3300,
        "temp1_input": 40500, "temp1_fault": 0, "temp2_input": 37250, "temp2_fault": 1,
        "temp3_input": 36000, "temp3_max": 127000, "fan1_input": 1042, "fan1_min": 0,
        "fan1_alarm": 0, "fan2_input": 1055, "fan3_input": 0, "pwm1": 76, "pwm1_enable": 1,
        "pwm2": 255, "pwm3": 76})
    for place, letter in enumerate("abcd"):
        device = f"pci0000:00/0000:00:12.0/ata{place + 1}/host{place}/target{place}:0:0" \
                 f"/{place}:0:0:0"
        tree.disk(f"sd{letter}", device, f"WD-WX1{place}", model="WDC WD40EFRX-68N", vendor="ATA")
        tree.chip(2 + place, "drivetemp", device, {
            "temp1_input": 33000 + 1000 * place, "temp1_max": 65000, "temp1_min": 0,
            "temp1_crit": 85000, "temp1_lcrit": -41000, "temp1_highest": 47000,
            "temp1_lowest": 19000})
    tree.put("proc/mdstat", """\
Personalities : [raid1] [raid6] [raid5] [raid4]
md2 : active raid5 sdd3[4] sda3[0] sdc3[2] sdb3[1]
      11706562368 blocks super 1.2 level 5, 64k chunk, algorithm 2 [4/3] [UUU_]
      [===>.................]  recovery = 17.1% (667254016/3902187456) finish=402.1min speed=134080K/sec

md1 : active raid1 sda2[0] sdb2[1] sdc2[2] sdd2[3]
      2097088 blocks [4/4] [UUUU]

md0 : active raid1 sda1[0] sdb1[1] sdc1[2] sdd1[3](F)
      2490176 blocks [4/3] [UUU_]

unused devices: <none>
""")
    tree.zone(0, "x86_pkg_temp", 44000)
    tree.clocks(4, "acpi-cpufreq", "ondemand", 800000, 2000000, 800000)
    return tree


def server(folder):
    """An office machine of Dell's in the cellar, with memory that corrects errors."""
    tree = Tree(folder)
    tree.chip(0, "dell_smm", "platform/dell_smm_hwmon", {
        "fan1_input": 1172, "fan1_label": "Processor Fan", "fan1_min": 0, "fan1_max": 5000,
        "fan1_target": 1100, "fan2_input": 938, "fan2_label": "Motherboard Fan", "pwm1": 128,
        "pwm2": 128, "temp1_input": 41000, "temp1_label": "CPU", "temp2_input": 34000,
        "temp2_label": "Ambient", "temp3_input": 36000, "temp3_label": "SODIMM",
        "temp4_input": 40000, "temp4_label": "Other"})
    tree.chip(1, "coretemp", "platform/coretemp.0", {
        "temp1_input": 41000, "temp1_label": "Package id 0", "temp1_max": 80000,
        "temp1_crit": 100000, "temp1_crit_alarm": 0, "temp2_input": 40000,
        "temp2_label": "Core 0"})
    tree.chip(2, "power_meter", "LNXSYSTM:00/LNXSYBUS:00/ACPI000D:00", {
        "power1_average": 41000000, "power1_cap": 250000000,
        "power1_average_interval": 1000})
    tree.zone(0, "x86_pkg_temp", 41000)
    memory = "sys/devices/system/edac/mc/mc0"
    for file, value in {
            "mc_name": "IE31200", "ce_count": 4, "ue_count": 0, "ce_noinfo_count": 1,
            "ue_noinfo_count": 0, "dimm0/dimm_label": "mc#0csrow#0channel#0",
            "dimm0/dimm_ce_count": 3, "dimm0/dimm_ue_count": 0, "csrow0/ce_count": 3,
            "csrow0/ue_count": 0}.items():
        tree.put(f"{memory}/{file}", value)
    for cpu in range(4):
        tree.cools(cpu, "Processor", 0, 10)
    tree.cools(4, "Fan", 1, 1)
    tree.clocks(4, "intel_pstate", "powersave", 800000, 4600000, 800000)
    tree.energy(package_0=7040506070, core=2030405060, dram=1234567890)
    return tree


ALL = [thinkpad, desktop, raspberry, nas, server]
