"""What shows only after days and months: reports, advice and predictions of the built program,
whose clocks leap. What is expected is worked out here, from what was played."""

import datetime
import json
import re

import pytest
from harness import PATIENCE, until
from leap import HOUR, berlin


def price(local):
    """A kWh in EUR: dearer from April 2025 on, cheaper at night."""
    night = local.hour >= 22 or local.hour < 6
    if local.date() < datetime.date(2025, 4, 1):
        return 0.20 if night else 0.30
    return 0.22 if night else 0.36


NIGHT = {"from": "22:00", "to": "06:00"}
TARIFF = {"currency": "EUR", "time_zone": "Europe/Berlin", "price": 0.30, "standing": 12,
          "windows": {"night": NIGHT | {"price": 0.20}},
          "changes": {"april": {"since": "2025-04-01", "price": 0.36, "standing": 13.5,
                                "windows": {"night": NIGHT | {"price": 0.22}}}}}


def test_a_spring_with_summer_time_and_a_new_tariff_is_told_as_it_was(calendar):
    home = calendar(berlin(2024, 3, 31, 12), HOUR, {"power": {
        "tariff": TARIFF, "co2": {"g_per_kwh": 400},
        "budgets": {"day": {"per": "day", "kwh": 1.0}}}})
    home.begin()
    hours, desk = [], []

    def play(end):
        while home.at < end.timestamp():
            local, day = home.local(), home.at / 86400 - 20000
            services = {"backup": 2.0 if local.hour in (1, 2) else 0.1, "web": 0.2}
            # A tenth of a watt more from day to day.
            watts = 30 + 10 * sum(services.values()) + 0.1 * day
            hours.append((local, watts / 1000))
            desk.append((local, 0.06 if local.hour >= 18 else 0.002))
            home.go_on(services, watts, desk[-1][1] * 1000)

    play(berlin(2024, 4, 5))
    home.pause_until(berlin(2025, 2, 20))
    play(berlin(2025, 4, 5, 22))

    def truth(first, end, of=hours):
        """kWh and EUR of the local dates from ``first`` to before ``end``."""
        kwh = [(kwh, kwh * price(local)) for local, kwh in of
               if datetime.date(*first) <= local.date() < datetime.date(*end)]
        return sum(one for one, _ in kwh), sum(cost for _, cost in kwh)

    def figures(period, **more):
        return home.service.get("power/report", period=period, **more)["figures"]

    march, (kwh, cost) = figures("2025-03"), truth((2025, 3, 1), (2025, 4, 1))
    assert march["energy_kwh"]["value"] == pytest.approx(kwh, abs=0.011)
    assert march["cost_eur"]["value"] == pytest.approx(cost, abs=0.011)
    assert march["standing_eur"]["value"] == 12
    assert march["mean_w"]["value"] == pytest.approx(kwh / 743 * 1000, abs=0.15), "743 hours"
    assert march["co2_kg"]["value"] == pytest.approx(kwh * 0.4, abs=0.011)
    # A day of 23 hours, held against one of 24.
    told, (kwh, cost) = figures("2025-03-30"), truth((2025, 3, 30), (2025, 3, 31))
    assert told["energy_kwh"]["value"] == pytest.approx(kwh, abs=0.0051)
    assert told["cost_eur"]["value"] == pytest.approx(cost, abs=0.0051)
    kwh, _ = truth((2025, 3, 29), (2025, 3, 30))
    assert told["energy_kwh"]["before"] == pytest.approx(kwh, abs=0.0051)
    # Over the change of the tariff, against the same days of last year.
    told, (kwh, cost) = figures("2025-04-01..2025-04-04"), truth((2025, 4, 1), (2025, 4, 5))
    assert told["cost_eur"]["value"] == pytest.approx(cost, abs=0.011)
    kwh, cost = truth((2025, 3, 28), (2025, 4, 1))
    assert told["cost_eur"]["before"] == pytest.approx(cost, abs=0.011), "at the old price"
    kwh, cost = truth((2024, 4, 1), (2024, 4, 5))
    assert told["energy_kwh"]["last_year"] == pytest.approx(kwh, abs=0.011)
    assert told["cost_eur"]["last_year"] == pytest.approx(cost, abs=0.011)
    # Another machine by the meter that feeds it, most of whose use is before the night.
    for period, span in {"2025-03": ((2025, 3, 1), (2025, 4, 1)),
                         "2025-02-21..2025-04-04": ((2025, 2, 21), (2025, 4, 5))}.items():
        told, (kwh, cost) = figures(period, node="pc"), truth(*span, of=desk)
        assert told["energy_kwh"]["value"] == pytest.approx(kwh, abs=0.011)
        assert told["cost_eur"]["value"] == pytest.approx(cost, abs=0.011)
    # Where it goes: 2.4 Wh more from day to day are so many kWh from month to month.
    trend = march["trend_kwh_per_month"]
    assert trend["low"] <= 0.0024 * 30.44 * 30.44 <= trend["high"] + 0.1
    assert trend["value"] == pytest.approx(0.0024 * 30.44 * 30.44, abs=0.2)
    month = figures("month")["forecast_month_kwh"]
    watts = 30 + 3 + 10 * 3.8 / 24 + 0.1 * (berlin(2025, 4, 16).timestamp() / 86400 - 20000)
    assert month["value"] == pytest.approx(watts * 0.72, rel=0.05)
    # What Home Assistant counts is the same.
    heard = home.mqtt.latest("homewatch/box/power/host")["homewatch/box/power/host"].json
    kwh, cost = truth((2025, 4, 1), (2025, 4, 6))
    assert heard["energy_month_kwh"] == pytest.approx(kwh, abs=0.06)
    assert heard["cost_month_eur"] == pytest.approx(cost, abs=0.02)
    assert heard["co2_month_kg"] == pytest.approx(kwh * 0.4, abs=0.06)
    budget = home.mqtt.latest("homewatch/box/power/budget-day")["homewatch/box/power/budget-day"]
    kwh, _ = truth((2025, 4, 5), (2025, 4, 6))
    assert budget.json["used_pct"] == pytest.approx(kwh * 100, abs=1)


def test_a_change_of_load_is_no_change_of_the_machine(calendar):
    home = calendar(berlin(2025, 5, 5), HOUR, {})
    home.begin()

    def play(hours, cores, base, low, high):
        for _ in range(hours):
            home.go_on({"db": cores}, base + 20 * cores, 2)

        def fits():
            heard = home.mqtt.latest("homewatch/box/power/+")
            host = heard["homewatch/box/power/host"].json
            service = heard.get("homewatch/box/power/service-db")
            return (service and low < service.json["power_w"] < high
                    and host["idle_low_w"] <= base <= host["idle_high_w"] + 4)

        # What is told of the last tick is under way.
        until(fits, f"{low} to {high} W of the service beside {base} W", timeout=10)

    # Never idle, 300 W beside 20 W a core: from the first hours on the service has watts.
    play(3, 0.2, 300, 1, 20)
    play(27, 0.2, 300, 1, 20)
    play(1, 2.0, 300, 28, 52)
    play(30, 2.0, 300, 32, 48)
    # A disk more is no work of a service.
    for _ in range(30):
        home.go_on({"db": 2.0}, 370, 2)
    play(1, 2.0, 330, 32, 48)


def test_what_the_plug_counts_while_homewatch_is_off_is_made_up(calendar):
    home = calendar(berlin(2025, 5, 5, 12), HOUR, {"power": {"tariff": TARIFF}})
    home.begin()
    for _ in range(6):
        home.go_on({"db": 0.2}, 50, 2)
    # Off from 18 h to 4 h: 500 Wh, four hours of them dear, six of the night.
    home.plug.draw(50, 10 * HOUR)
    home.pause_until(berlin(2025, 5, 6, 4))
    for _ in range(5):
        home.go_on({"db": 0.2}, 50, 2)

    def figures(day):
        return home.service.get("power/report", period=day)["figures"]

    first, second = figures("2025-05-05"), figures("2025-05-06")
    # Six hours of twelve watched, the others filled in; the first hour of each run has no begin.
    assert first["energy_kwh"]["value"] == pytest.approx(0.550, abs=0.051)
    assert second["energy_kwh"]["value"] == pytest.approx(0.450, abs=0.051)
    assert (first["energy_kwh"]["value"] + second["energy_kwh"]["value"]
            == pytest.approx(0.05 * 20, abs=0.011)), "from the first look to the last"
    price = (first["cost_eur"]["value"] + second["cost_eur"]["value"])
    kwh = first["energy_kwh"]["value"] + second["energy_kwh"]["value"]
    # Eight hours of the night at 22 ct among them.
    assert price == pytest.approx(kwh * 0.36 - 8 * 0.05 * 0.14, abs=0.011)
    text = home.service.run("report", "power", "--period", "2025-05-05")
    assert "filled by the meter's counter" in text


def test_advice_has_evidence_and_a_figure_and_stays_dismissed(calendar):
    home = calendar(berlin(2025, 5, 5, 17), HOUR, {"power": {"tariff": TARIFF}})
    put = home.machine.put
    put("sys/devices/system/cpu/cpufreq/policy0/scaling_governor", "performance\n")
    put("sys/devices/system/cpu/cpufreq/policy0/scaling_available_governors",
        "performance schedutil\n")
    home.begin()
    assert home.service.get("power/advice") == {
        "known": False, "count": 0, "saving_kwh": None, "advice": []}

    def play(hours):
        for _ in range(hours):
            local = home.local()
            services = {"scanner": 0.3, "backup": 2.0 if local.hour in (18, 19) else 0.0}
            home.go_on(services, 60 + 40 * sum(services.values()), 2)

    def advice():
        return {one["id"]: one for one in home.service.get("power/advice")["advice"]}

    play(24)
    told = home.service.get("power/advice")
    assert told["known"] is True and "cheap-hours-backup" not in advice(), "five days are needed"
    play(168)
    told = advice()
    # 160 Wh a day beside what idles, from 36 ct to 22 ct: 14 ct times 58.4 kWh a year at most.
    cheap = told["cheap-hours-backup"]
    # A tick an hour tells of the hour before it.
    assert "19 h, 20 h" in cheap["evidence"] and "0.360 EUR" in cheap["evidence"]
    assert cheap["moved_kwh"] == pytest.approx(0.16 * 365.25, rel=0.15)
    assert cheap["saving_high_eur"] == pytest.approx(0.14 * cheap["moved_kwh"], rel=0.02)
    # What it says that it draws day and night, at the mean price of these days; it is 12 W, and
    # more where nobody has ever seen the machine without it.
    steady = told["steady-scanner"]
    watts, low, high = re.match(r"([\d.]+) W .*\(([\d.]+) to ([\d.]+) W: ",
                                steady["evidence"]).groups()
    assert float(low) < 12 < float(watts) < 24 and float(watts) < float(high)
    assert steady["saving_high_kwh"] == pytest.approx(float(high) * 8.766, abs=1)
    assert steady["saving_low_kwh"] == pytest.approx(float(low) * 8.766 / 3, abs=1)
    assert 0.28 < steady["saving_high_eur"] / steady["saving_high_kwh"] < 0.33
    # 1 to 10 % of 78.7 W.
    assert told["governor"]["saving_high_kwh"] == pytest.approx(7.87 * 8.766, abs=3)
    assert "schedutil" in told["governor"]["todo"]
    for one in told.values():
        assert one["evidence"] and one["todo"] and one["title"]
    # What was dismissed stays so over a restart, and comes back when asked for.
    control = "/api/v1/control/power/advice/steady-scanner"
    assert home.service.api().post(control, json={}).json()["ok"]
    home.leap.to(home.leap.now() + 400)
    assert set(advice()) == set(told) - {"steady-scanner"}
    home.at += HOUR
    home.pause_until(home.local())
    play(3)
    assert set(advice()) == set(told) - {"steady-scanner"}
    assert home.service.api().post(control, json={"for": "restore"}).status_code == 200
    home.leap.to(home.leap.now() + 400)
    assert "steady-scanner" in advice()


def test_what_never_rests_and_what_could_be_one_is_advised_on(calendar, tmp_path):
    home = calendar(berlin(2025, 6, 2), HOUR, {
        "host": {"commands": {"smartctl": [str(tmp_path / "smartctl")]}},
        "collect": {name: {"enabled": True} for name in ("gpu", "memory", "disk_io")},
        "power": {"standby_w": 50}})
    put = home.machine.put
    gpu = "sys/devices/pci0000:00/0000:03:00.0"
    for file, text in {"gpu_busy_percent": "1", "hwmon/hwmon3/name": "amdgpu",
                       "hwmon/hwmon3/power1_average": "30000000"}.items():
        put(f"{gpu}/{file}", text + "\n")
    for link, to in {"sys/class/drm/card0/device": gpu,
                     "sys/class/hwmon/hwmon3": f"{gpu}/hwmon/hwmon3",
                     f"{gpu}/driver": "sys/bus/pci/drivers/amdgpu",
                     f"{gpu}/hwmon/hwmon3/device": gpu}.items():
        link, to = home.machine.folder / link, home.machine.folder / to
        link.parent.mkdir(parents=True, exist_ok=True)
        to.mkdir(parents=True, exist_ok=True)
        link.symlink_to(to)
    put("sys/block/sda/queue/rotational", "1\n")
    put("proc/meminfo", "MemTotal: 16000000 kB\nMemFree: 12000000 kB\nMemAvailable: 12000000 kB\n"
                        "SwapTotal: 0 kB\nSwapFree: 0 kB\n")
    script = tmp_path / "smartctl"
    head = {"json_format_version": [1, 0], "smartctl": {"version": [7, 3]}}
    (tmp_path / "scan").write_text(json.dumps(
        head | {"devices": [{"name": "/dev/sda", "type": "sat"}]}))
    (tmp_path / "sda").write_text(json.dumps(head | {
        "device": {"protocol": "ATA"}, "model_name": "HDD", "serial_number": "W1",
        "rotation_rate": 7200, "smart_status": {"passed": True}, "power_on_time": {"hours": 900}}))
    script.write_text(f'#!/bin/sh\ncase "$*" in *--scan*) exec cat {tmp_path}/scan;; esac\n'
                      f'exec cat {tmp_path}/sda\n')
    script.chmod(0o755)
    # Another machine on the broker, which draws 20 W for next to nothing.
    pc = {"power/host": {"power_w": 20.5, "idle_w": 20, "source": "meter"},
          "health/cpu": {"usage_pct": 3.0, "cores": 4},
          "health/memory": {"used_bytes": 2e9, "total_bytes": 8e9}}
    home.begin()
    for hour in range(150):
        # A file in the evening is all that the disk has to do.
        moved = 1000 + 50_000 * ((hour + 4) // 24)
        put("proc/diskstats",
            f"   8       0 sda {moved} 0 {moved * 8} {moved} 0 0 0 0 0 {moved} {moved}\n")
        for minutes in (10, 20, 30):
            home.leap.to(home.at + minutes * 60)
            for subject, figures in pc.items():
                home.mqtt.client.publish(f"homewatch/pc/{subject}", json.dumps(figures),
                                         qos=0).wait_for_publish(PATIENCE)
        home.go_on({"web": 0.2}, 70, 2)
    assert home.service.alert("standby_high", "firing")["subject"] == "power/host"
    home.leap.to(home.leap.now() + 400)
    told = {one["id"]: one for one in home.service.get("power/advice")["advice"]}
    card, disk = told["graphics-0000-03-00-0"], told["spin-down-sda"]
    assert "never below 30 W" in card["evidence"] and "1.0 % use" in card["evidence"]
    # Half of the 15 W above what one that sleeps draws, to all of it.
    assert card["saving_low_kwh"] == pytest.approx(7.5 * 8.766, abs=1)
    assert card["saving_high_kwh"] == pytest.approx(30 * 8.766, abs=1)
    assert "never seen asleep" in disk["evidence"]
    assert 5 < disk["saving_low_kwh"] < disk["saving_high_kwh"] < 4.5 * 8.766
    other = told["together-pc"]
    assert "draws 20 W" in other["evidence"] or "draws 21 W" in other["evidence"]
    assert other["saving_low_kwh"] == pytest.approx(20 * 0.6 * 8.766, abs=1)
    assert other["saving_high_kwh"] == pytest.approx(20 * 8.766, abs=1)


def test_what_fills_and_wears_has_a_date_and_what_is_too_young_says_so(calendar, tmp_path):
    start = berlin(2025, 1, 1)
    home = calendar(start, HOUR, {"host": {"commands": {"smartctl": [str(tmp_path / "smartctl")]}},
                                  "collect": {"smart": {"every": "12h"}}})
    script = tmp_path / "smartctl"
    script.write_text(f'#!/bin/sh\ncase "$*" in *--scan*) exec cat {tmp_path}/scan;; esac\n'
                      f'exec cat {tmp_path}/nvme\n')
    script.chmod(0o755)
    head = {"json_format_version": [1, 0], "smartctl": {"version": [7, 3]}}
    (tmp_path / "scan").write_text(json.dumps(
        head | {"devices": [{"name": "/dev/nvme0", "type": "nvme"}]}))
    home.machine.put("proc/1/mountinfo", "36 35 8:1 / /data rw - ext4 /dev/sda1 rw\n")

    def play(days):
        for _ in range(days * 24):
            day = (home.at - start.timestamp()) / 86400
            # 25 GiB more a day of 1000: full after 36 days. 1 % of its writes every three days.
            free = int((900 - 25 * day) * 2**18)
            home.machine.put("root/.homewatch/statvfs.json", json.dumps({"/data": {
                "block_size": 4096, "blocks": 1000 * 2**18, "blocks_free": free,
                "blocks_available": free, "inodes": 1000, "inodes_free": 900}}))
            worn = {"percentage_used": int(60 + day / 3), "media_errors": 0, "temperature": 40,
                    "critical_warning": 0, "available_spare": 100,
                    "available_spare_threshold": 10, "power_on_hours": 9000 + int(day * 24)}
            (tmp_path / "fresh").write_text(json.dumps(head | {
                "device": {"protocol": "NVMe"}, "model_name": "SSD", "serial_number": "S1",
                "smart_status": {"passed": True}, "nvme_smart_health_information_log": worn}))
            (tmp_path / "fresh").rename(tmp_path / "nvme")
            home.go_on({"web": 0.2}, 30, 2)

    def foreseen():
        items = home.service.get("health/predictions")["items"]
        return {item["subject"]: item for item in items if item["kind"] in ("space", "wear")}

    def due(item):
        at = datetime.datetime.fromisoformat(item["due"]["likely"])
        return (at.timestamp() - start.timestamp()) / 86400

    home.begin()
    play(2)
    young = foreseen()
    assert young["health/fs-data"]["state"] == "learning"
    assert young["health/fs-data"]["missing"] == "12 more days"
    assert young["health/disk-s1"]["state"] == "learning"
    home.service.stop()
    home.begin()
    play(17)
    told = foreseen()
    assert told["health/fs-data"]["state"] == told["health/disk-s1"]["state"] == "foreseen"
    assert due(told["health/fs-data"]) == pytest.approx(36, abs=0.5)
    assert due(told["health/disk-s1"]) == pytest.approx(120, abs=4)
    assert told["health/disk-s1"]["confidence_pct"] == 90
    near = home.service.alert("failure_near", "firing")
    assert near["subject"] == "health/prediction-space-fs-data"
    assert "25.0 GiB a day" in home.service.run("report", "health")
