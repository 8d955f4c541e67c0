"""Who the watts are for: services and processes of a machine whose every figure is known."""

import math

import pytest
from harness import until

WEB = "system.slice/web.service"
CI = "system.slice/ci.service"


class Machine:
    """A machine of one core with two services, at full work: 20 W idle, 60 W at most."""

    def __init__(self, host):
        self.host, self.seconds = host, 0
        (host.folder / "sys/fs/cgroup").mkdir(parents=True, exist_ok=True)
        (host.folder / "sys/fs/cgroup/cgroup.controllers").write_text("cpu io\n")
        self.work()

    def put(self, path, text):
        place = self.host.folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        fresh = place.with_name(place.name + ".fresh")
        fresh.write_text(text)
        fresh.rename(place)

    def work(self):
        """One second more: web has half of it in nginx, ci a quarter in processes that end."""
        self.seconds += 1
        ticks = self.seconds * 100
        self.put(f"sys/fs/cgroup/{WEB}/cpu.stat", f"usage_usec {ticks * 5000}\n")
        self.put(f"sys/fs/cgroup/{CI}/cpu.stat", f"usage_usec {ticks * 2500}\n")
        self.put("proc/4242/cgroup", f"0::/{WEB}/worker\n")
        self.put("proc/4242/stat",
                 f"4242 (nginx) S 1 1 1 0 -1 0 9 9 9 9 {ticks // 2} 0 0 0 20 0 1 0 700 5 9\n")
        self.put("proc/stat", f"cpu  {ticks} 0 0 0 0 0 0 0 0 0\ncpu0 {ticks} 0 0 0 0 0 0 0 0 0\n"
                              "procs_running 1\nprocs_blocked 0\n")


@pytest.fixture
def machine(host):
    return Machine(host)


def test_every_watt_of_the_machine_is_somebodys(home, machine):
    service = home({
        "host": machine.host.config(),
        "node": {"interval": "1s"},
        "power": {"host": {"idle_w": 20, "max_w": 60}, "processes": {"top": 5},
                  "tariff": {"currency": "EUR", "price": 0.5}},
    }).start()
    mqtt = service.mqtt("homewatch/+/power/#")

    def told(subject):
        machine.work()
        heard = mqtt.heard(f"homewatch/box/power/{subject}")
        return heard[-1].json if heard else {}

    def settled():
        web, ci = told("service-web"), told("process-ci-short-lived")
        return web.get("power_w", 0) > 15 and ci.get("power_w", 0) > 5

    until(settled, "watts of both services", every=0.5)
    answer = service.get("power/services", period="day")
    host = answer["host"]
    parts = [answer["idle"], answer["other"], *answer["items"]]
    assert math.isclose(sum(part["energy_kwh"] for part in parts), host["energy_kwh"],
                        rel_tol=1e-3, abs_tol=1e-5)
    assert math.isclose(sum(part["power_w"] for part in parts), host["power_w"], rel_tol=1e-2)
    assert {item["service"] for item in answer["items"]} == {"web", "ci"}
    processes = service.get("power/processes")["items"]
    names = {(item.get("service"), item["process"]) for item in processes}
    assert {("web", "nginx"), ("ci", "short-lived")} <= names
    nginx = mqtt.heard("homewatch/box/power/process-web-nginx")[-1].json
    assert {"power_w", "energy_kwh", "cost_eur"} <= nginx.keys()


class Workshop(Machine):
    """The same with a graphics card that one process draws on, and a disk that one service writes
    to; its processor works as before."""

    CARD = "sys/class/hwmon/hwmon9"
    BACKUP = "system.slice/backup.service"

    def __init__(self, host):
        self.drawn, self.written, self.watts = 0, 0, 10
        self.draws = False
        card = host.folder / self.CARD
        (card / "device").mkdir(parents=True)
        (card / "name").write_text("amdgpu\n")
        (host.folder / "sys/class/drm/renderD128").mkdir(parents=True)
        descriptors = host.folder / "proc/4243/fd"
        descriptors.mkdir(parents=True)
        (descriptors / "5").symlink_to("/dev/dri/renderD128")
        super().__init__(host)

    def draw(self):
        """From now on the card draws 100 W more, for one process of a service."""
        self.draws, self.watts = True, 110

    def work(self):
        super().work()
        self.put(f"{self.CARD}/power1_average", f"{self.watts * 1_000_000}\n")
        self.put("proc/4243/cgroup", "0::/system.slice/render.service\n")
        self.put("proc/4243/stat", "4243 (blender) S 1 1 1 0 -1 0 9 9 9 9 1 0 0 0 20 0 1 0 701 5 9\n")
        self.put("sys/fs/cgroup/system.slice/render.service/cpu.stat", "usage_usec 10000\n")
        self.drawn += 1_000_000_000 if self.draws else 0
        self.put("proc/4243/fdinfo/5", "pos:\t0\nflags:\t02100002\ndrm-driver:\tamdgpu\n"
                 f"drm-client-id:\t8\ndrm-pdev:\t0000:0c:00.0\ndrm-engine-gfx:\t{self.drawn} ns\n")


def test_a_card_s_watts_are_those_of_who_draws_and_groups_are_told_as_one(home, host):
    machine = Workshop(host)
    service = home({
        "host": host.config(),
        "node": {"interval": "1s"},
        "power": {"host": {"idle_w": 30, "max_w": 70}, "groups": {"work": ["web", "ci"]},
                  "tariff": {"currency": "EUR", "price": 0.5}},
    }).start()
    mqtt = service.mqtt("homewatch/+/power/#")

    def told(subject):
        heard = mqtt.heard(f"homewatch/box/power/{subject}")
        return heard[-1].json if heard else {}

    def works():
        machine.work()
        return told("service-work").get("power_w", 0) > 20 and told("gpu-device").get("power_w") == 10

    until(works, "watts of the group", every=0.5)
    assert not mqtt.heard("homewatch/box/power/service-web")
    before = told("service-work")["power_w"]
    machine.draw()

    def draws():
        machine.work()
        return told("service-render").get("power_w", 0) > 80

    until(draws, "watts of who draws", every=0.5)
    # Who works on beside it is charged nothing of the card.
    assert told("service-work")["power_w"] < before + 15
    answer = service.get("power/services", period="day")
    parts = [answer["idle"], answer["other"], *answer["items"]]
    assert math.isclose(sum(part["power_w"] for part in parts), answer["host"]["power_w"],
                        rel_tol=1e-2)
    assert {"work", "render"} <= {item["service"] for item in answer["items"]}
