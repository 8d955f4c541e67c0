"""Days, months and years on the built program: its clocks leap over the time in which it has
nothing to do (`leap.c`), while the machine it watches and its plugs are played step by step."""

import datetime
import json
import mmap
import os
import pathlib
import socket
import struct
import subprocess
import time
import zoneinfo

from harness import PATIENCE, Mqtt, Service

SOURCE = pathlib.Path(__file__).with_name("leap.c")
BERLIN = zoneinfo.ZoneInfo("Europe/Berlin")
LEAPT, WALL, LIMIT, RESTS = range(4)
NS = 10**9
HOUR = 3600
# What these days are not about.
OTHERS = ("kernel", "containers", "units", "updates", "ups", "clock", "network", "processes",
          "pressure", "thermal", "cooling", "uptime", "edac", "memory", "disk_io", "hwmon", "mmc",
          "processor", "ufs", "raid", "zfs", "btrfs", "lvm", "bcache", "supply", "gpu",
          "raspberry_pi")


def berlin(*when):
    """A moment by the clock in Berlin."""
    return datetime.datetime(*when, tzinfo=BERLIN)


def is_idle(server):
    """Whether the process sleeps and everything that was sent to its port or from it was read."""
    state = pathlib.Path(f"/proc/{server.process.pid}/stat").read_text().rpartition(")")[2]
    if state.split()[0] != "S":
        return False
    port = f":{server.port:04X}"
    lines = pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:]
    sockets = (line.split() for line in lines if port in line)
    return all(queues == "00000000:00000000" for _, _, _, state, queues, *_ in sockets
               if state == "01")


class Leap:
    """The clocks of a program that is started with ``environment``."""

    def __init__(self, folder, start):
        library = folder / "leap.so"
        subprocess.run(["cc", "-O2", "-Wall", "-Wextra", "-shared", "-fPIC", "-o", library, SOURCE,
                        "-ldl"], check=True)
        path = folder / "leap"
        path.write_bytes(bytes(mmap.PAGESIZE))
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), mmap.PAGESIZE)
        self.environment = {"LD_PRELOAD": str(library), "LEAP_FILE": str(path)}
        self._put(WALL, int(start.timestamp() * NS) - time.time_ns())

    def _get(self, place):
        return struct.unpack_from("q", self._map, place * 8)[0]

    def _put(self, place, value):
        struct.pack_into("q", self._map, place * 8, value)

    def now(self):
        """Its wall clock, s since 1970."""
        return (time.time_ns() + self._get(LEAPT) + self._get(WALL)) / NS

    def to(self, moment):
        """Goes on to ``moment`` (s since 1970), and until all is done that is to be done then."""
        self._put(LIMIT, int(moment * NS))
        self._wait(lambda: self.now() >= moment)
        self.rest()

    def by(self, seconds):
        """Goes on by so long."""
        self.to(self.now() + seconds)

    def rest(self):
        """Waits until there is nothing left to do."""
        rests = self._get(RESTS)
        self._wait(lambda: self._get(RESTS) >= rests + 2)

    def quiet(self, server):
        """Waits until nothing is on its way between the program and ``server`` (a `Mosquitto`): an
        answer that is under way while the clocks leap comes minutes late."""
        self._wait(lambda: is_idle(server))
        while True:
            self.rest()
            if is_idle(server):
                return
            self._wait(lambda: is_idle(server))

    @staticmethod
    def _wait(done):
        end = time.monotonic() + PATIENCE
        while not done():
            assert time.monotonic() < end, "the clocks stand still"
            time.sleep(0.0002)

    def skip_to(self, moment):
        """The same while the program does not run."""
        self._put(LEAPT, self._get(LEAPT) + int((moment - self.now()) * NS))


class Machine:
    """A machine of four cores that works as it is told, in services of one process each."""

    CORES = 4

    def __init__(self, folder):
        self.folder = folder
        self._files, self._used, self._unseen, self._ticks = {}, {}, {}, [0.0, 0.0]
        self.put("sys/fs/cgroup/cgroup.controllers", "cpu io\n")
        self.put("root/etc/os-release", "NAME=Debian\n")
        self.work(60, {})

    def config(self):
        """The table ``host`` for the configuration."""
        return {part: str(self.folder / part) for part in ("proc", "sys", "root")}

    def put(self, path, text):
        """Writes a file, in one step."""
        file = self._files.get(path)
        if file is None:
            place = self.folder / path
            place.parent.mkdir(parents=True, exist_ok=True)
            file = self._files[path] = os.open(place, os.O_RDWR | os.O_CREAT, 0o644)
        data = str(text).encode()
        os.pwrite(file, data, 0)
        os.ftruncate(file, len(data))

    def work(self, seconds, services, unseen=()):
        """``seconds`` pass in which each of ``services`` keeps so many cores busy, and of those in
        ``unseen`` so many more by processes that end before anybody looks; returns how many
        are."""
        unseen = dict(unseen)
        for number, (name, cores) in enumerate(services.items()):
            used = self._used[name] = self._used.get(name, 0) + cores * seconds * 1e6
            more = self._unseen.get(name, 0) + unseen.get(name, 0) * seconds * 1e6
            self._unseen[name] = more
            group = f"system.slice/{name}.service"
            self.put(f"sys/fs/cgroup/{group}/cpu.stat", f"usage_usec {used + more:.0f}\n")
            self.put(f"proc/{4000 + number}/cgroup", f"0::/{group}\n")
            self.put(f"proc/{4000 + number}/stat",
                     f"{4000 + number} ({name}d) S 1 1 1 0 -1 0 9 9 9 9 {used / 1e4:.0f} 0 0 0 20 "
                     "0 1 0 700 5 9\n")
        busy = sum(services.values()) + sum(unseen.values())
        self._ticks[0] += busy * seconds * 100
        self._ticks[1] += (self.CORES - busy) * seconds * 100
        user, idle = self._ticks
        core = f"{user / self.CORES:.0f} 0 0 {idle / self.CORES:.0f} 0 0 0 0 0 0\n"
        self.put("proc/stat", f"cpu  {user:.0f} 0 0 {idle:.0f} 0 0 0 0 0 0\n"
                 + "".join(f"cpu{n} {core}" for n in range(self.CORES))
                 + "procs_running 1\nprocs_blocked 0\n")
        return busy

    def end(self, name):
        """A service ends, with its control group and its process."""
        paths = [path for path in self._files if f"/{name}.service/" in path]
        stats = [path for path in self._files if path.endswith("/stat")
                 and f"({name}d)" in (self.folder / path).read_text()]
        for path in (*paths, *(other for stat in stats
                               for other in (stat, stat.replace("/stat", "/cgroup")))):
            os.close(self._files.pop(path))
            (self.folder / path).unlink()
        for path in (*paths, *stats):
            (self.folder / path).parent.rmdir()

    def close(self):
        """Closes its files."""
        for file in self._files.values():
            os.close(file)
        self._files = {}


class Plug:
    """A plug with a counter of its own; ``tell`` has it speak."""

    def __init__(self, topic, kwh=100.0):
        self.topic, self.kwh, self.watts = topic, kwh, 0.0

    def config(self, feeds):
        """Its table below ``power.meters``."""
        return {"mqtt": self.topic, "power": "/w", "energy": "/kwh", "energy_unit": "kWh",
                "feeds": feeds}

    def draw(self, watts, seconds):
        """So much is drawn for so long."""
        self.watts = watts
        self.kwh += watts * seconds / 3.6e6

    def tell(self, mqtt):
        """Says what it draws and has counted."""
        told = json.dumps({"w": round(self.watts, 2), "kwh": round(self.kwh, 5)})
        mqtt.client.publish(self.topic, told, qos=0).wait_for_publish(PATIENCE)


class Calendar:
    """A machine behind a plug, a service that watches both, and their time."""

    def __init__(self, folder, start, step, config):
        # The ticks come within the last half minute of a step, however long the start takes.
        self.leap = Leap(folder, start - datetime.timedelta(seconds=30))
        self.machine, self.plug = Machine(folder / "host"), Plug("plugs/nas")
        self.desk = Plug("plugs/desk", 50)
        self.at, self.step = start.timestamp(), step
        self.mqtt = None
        # Servers on the network that it asks: an answer must not come hours late.
        self.peers = []
        meters = {name: plug.config(feeds) | {"silent_after": "3h"} for name, plug, feeds in
                  (("plug", self.plug, "host"), ("desk", self.desk, "node-pc"))}
        self.service = Service(folder / "home", {
            "host": self.machine.config(),
            "node": {"interval": f"{step}s"},
            "history": {"sync_interval": "1h"},
            "collect": {name: {"enabled": False} for name in OTHERS},
            "power": {"meters": meters},
        }, self.leap.environment)
        self.service.configure(config)

    def begin(self):
        """Starts the service, some seconds before the next step."""
        self.service.start()
        self.mqtt = self.service.keep(
            Mqtt(self.service.mqtt_port, "homewatch/box/power/+", keepalive=0))
        # What is told arrives at once, and not when the kernel thinks that it is worth a packet.
        self.mqtt.client.socket().setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def local(self):
        """The clock in Berlin."""
        return datetime.datetime.fromtimestamp(self.at, BERLIN)

    def pause_until(self, moment):
        """Ends the service; nothing is known until it is started again."""
        self.service.stop()
        self.at = moment.timestamp()
        self.leap.skip_to(self.at - 30)
        self.begin()

    def go_on(self, services, watts, desk):
        """One step: ``services`` (cores of each), and the watts of the machine and of the desk."""
        self.machine.work(self.step, services)
        self.plug.draw(watts, self.step)
        self.desk.draw(desk, self.step)
        self.at += self.step
        self._leap(self.at - 45)
        self.plug.tell(self.mqtt)
        self.desk.tell(self.mqtt)
        self._leap(self.at + 1)

    def _leap(self, moment):
        self.leap.to(moment)
        for peer in self.peers:
            self.leap.quiet(peer)

    def close(self):
        """Ends all of it."""
        self.service.close()
        self.machine.close()
