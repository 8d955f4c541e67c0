"""What the tests talk to homewatch with: the program as a process, MQTT, HTTP, files, signals.

Every wait ends as soon as what it waits for is there. Its time-out only says when to give up, so
it is long, and no test depends on how fast a machine is.
"""

import contextlib
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import ssl
import subprocess
import threading
import time

import httpx
import paho.mqtt.client as paho
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

PROJECT = pathlib.Path(__file__).resolve().parents[2]
HOSTS = PROJECT / "tests" / "hosts"
BINARY = pathlib.Path(os.environ.get("HOMEWATCH_BINARY", PROJECT / "target/debug/homewatch"))
PATIENCE = 60.0
NODE = "box"
TS = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")


def until(check, what="it", timeout=PATIENCE, every=0.05):
    """Calls ``check`` until it returns something true, and returns that."""
    end = time.monotonic() + timeout
    while True:
        found = check()
        if found:
            return found
        if time.monotonic() > end:
            raise AssertionError(f"{what} did not happen within {timeout:.0f} s")
        time.sleep(every)


# Two runs of the suite side by side begin at different ones.
_ports = iter(range(21200 + os.getpid() % 100, 21300))


def free_port():
    """A port of 127.0.0.1 that nobody has, below those that systems give out by themselves, so
    that no connection of another test takes it meanwhile."""
    global _ports
    while True:
        port = next(_ports, None)
        if port is None:
            _ports = iter(range(21200, 21300))
            continue
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


class Host:
    """A captured machine, copied so that a test may change it."""

    def __init__(self, folder, machine="desktop"):
        self.folder = folder
        shutil.copytree(HOSTS / machine, folder, symlinks=True)

    def write(self, path, text):
        """Changes a file of it, such as ``sys/class/hwmon/hwmon2/temp1_input``."""
        # In one step: a half-written figure would be a reading error.
        place = (self.folder / path).resolve()
        fresh = place.with_name(place.name + ".fresh")
        fresh.write_text(f"{text}\n")
        fresh.rename(place)

    def processor(self, celsius):
        """Sets the temperature of the desktop's processor; it is critical at 100 °C."""
        self.write("sys/class/hwmon/hwmon2/temp1_input", round(celsius * 1000))
        # Its other source, which would contradict it.
        for zone in (self.folder / "sys/class/thermal").glob("thermal_zone*"):
            if (zone / "type").read_text().strip() == "x86_pkg_temp":
                self.write(zone.relative_to(self.folder) / "temp", round(celsius * 1000))

    def config(self, *roots):
        """The configuration that makes homewatch watch it, or only some of its roots."""
        places = {"proc": "proc", "sys": "sys", "root": "root"}
        return {key: str(self.folder / places[key]) for key in roots or places}


def toml(value):
    """A table as TOML."""
    lines, tables = [], []

    def plain(item):
        if isinstance(item, (list, tuple)):
            return "[" + ", ".join(plain(one) for one in item) + "]"
        # JSON's strings, numbers and booleans are TOML's too.
        return json.dumps(str(item) if isinstance(item, pathlib.Path) else item)

    def table(path, items):
        if path:
            lines.append(f"[{'.'.join(json.dumps(part) for part in path)}]")
        for key, item in items.items():
            if isinstance(item, dict):
                tables.append(((*path, key), item))
            else:
                lines.append(f"{json.dumps(key)} = {plain(item)}")
        while tables:
            table(*tables.pop(0))

    table((), value)
    return "\n".join(lines) + "\n"


def merged(base, more):
    """``more`` over ``base``, table by table."""
    out = dict(base)
    for key, item in more.items():
        both = isinstance(item, dict) and isinstance(out.get(key), dict)
        out[key] = merged(out[key], item) if both else item
    return out


class Service:
    """homewatch with a folder, ports and a configuration of its own."""

    def __init__(self, folder, config=None, environment=None):
        self.folder = folder
        self.data = folder / "data"
        self.mqtt_port, self.api_port = free_port(), free_port()
        self.file = folder / "homewatch.toml"
        self.environment = environment or {}
        self.process = None
        self.tokens = {}
        self._apis = {}
        self._clients = []
        self.log_file = folder / "log.txt"
        self.banner_file = folder / "banner.txt"
        folder.mkdir(parents=True, exist_ok=True)
        self.settings = {}
        self.configure({
            "data_dir": str(self.data),
            "node": {"name": NODE, "interval": "1s"},
            "mqtt": {"embedded": {"listen": f"127.0.0.1:{self.mqtt_port}"}},
            "api": {"listen": f"127.0.0.1:{self.api_port}"},
            # What this very machine has met and runs is no matter of the tests.
            "collect": {name: {"enabled": False} for name in
                        ("kernel", "containers", "units", "updates")},
        })
        self.configure(config or {})

    def configure(self, more):
        """Changes the configuration file; a running service must be told."""
        self.settings = merged(self.settings, more)
        self.file.write_text(toml(self.settings))

    # Life

    def spawn(self, *arguments):
        """Starts it without waiting for anything."""
        with self.log_file.open("ab") as log, self.banner_file.open("wb") as banner:
            self.process = subprocess.Popen(
                [BINARY, "--config", self.file, "run", *arguments], cwd=self.folder,
                env=self._env(), stdin=subprocess.DEVNULL, stdout=banner, stderr=log)

    def start(self, *arguments):
        """Starts it and waits until it serves."""
        self.spawn(*arguments)
        until(self._is_ready, "the start of homewatch")
        return self

    def _is_ready(self):
        if self.process.poll() is not None:
            raise AssertionError(f"homewatch ended with {self.process.returncode}:\n{self.log()}")
        try:
            return httpx.get(f"{self.url}/healthz", verify=self._trust()).status_code == 200
        except httpx.TransportError:
            return False

    def _trust(self):
        ca = self.settings["api"].get("tls", {}).get("cert")
        return ssl.create_default_context(cafile=ca) if ca else True

    def stop(self):
        """Stops it as systemd does; it must end well."""
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(PATIENCE)
        assert code == 0, f"it ended with {code}:\n{self.log()}"

    def crash(self):
        """Kills it as a power cut does."""
        self.process.kill()
        self.process.wait(PATIENCE)

    def reload(self):
        """Has it read its configuration again, and waits for its verdict in the log."""
        before = len(self.log())
        self.process.send_signal(signal.SIGHUP)
        verdict = re.compile("stays in force|is in force")
        return until(lambda: verdict.search(self.log()[before:]) and self.log()[before:],
                     "the reload")

    def wait(self):
        """Waits until it ends by itself; returns its exit code."""
        return self.process.wait(PATIENCE)

    def close(self):
        """Ends everything, whatever a test has left behind."""
        for client in self._clients:
            client.close()
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.terminate()
            try:
                self.process.wait(15)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def log(self):
        """What it has told on standard error so far."""
        return self.log_file.read_text(errors="replace")

    def banner(self):
        """What it has told on standard output so far."""
        return self.banner_file.read_text()

    def _env(self):
        keep = {key: value for key, value in os.environ.items()
                if not key.startswith("HOMEWATCH") and key not in
                ("STATE_DIRECTORY", "XDG_STATE_HOME", "JOURNAL_STREAM")}
        return keep | {"HOME": str(self.folder)} | self.environment

    def run(self, *arguments, code=0):
        """Runs a command of the program; returns what it printed on both outputs."""
        done = subprocess.run(
            [BINARY, "--config", self.file, *map(str, arguments)], cwd=self.folder,
            env=self._env(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, timeout=PATIENCE)
        assert done.returncode == code, \
            f"{arguments} ended with {done.returncode}, not {code}:\n{done.stdout}"
        return done.stdout

    # HTTP

    @property
    def url(self):
        """Where the REST bridge is."""
        scheme = "https" if "tls" in self.settings["api"] else "http"
        return f"{scheme}://127.0.0.1:{self.api_port}"

    def token(self, *scopes):
        """An access token, made by the command line."""
        scopes = scopes or ("read", "ack", "control")
        if scopes not in self.tokens:
            name = "-".join(scopes)
            shown = self.run("token", "add", name, "--scope", ",".join(scopes))
            self.tokens[scopes] = shown.splitlines()[0].strip()
        return self.tokens[scopes]

    def api(self, *scopes):
        """The client of the REST bridge with a token of these scopes (all)."""
        if scopes not in self._apis:
            headers = {"Authorization": f"Bearer {self.token(*scopes)}"}
            # A connection may have ended with the run before: that is asked again.
            transport = httpx.HTTPTransport(verify=self._trust(), retries=1)
            client = httpx.Client(base_url=self.url, headers=headers, timeout=PATIENCE,
                                  transport=transport)
            self._apis[scopes] = client
            self._clients.append(client)
        return self._apis[scopes]

    def get(self, path, **params):
        """The JSON at a path of the REST bridge."""
        answer = self.api().get(f"/api/v1/{path}", params=params)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def series(self):
        """Every series by its name."""
        items, cursor = {}, {}
        while True:
            page = self.get("series", limit=500, **cursor)
            items.update((item["series"], item) for item in page["items"])
            if "next" not in page:
                return items
            cursor = {"cursor": page["next"]}

    def alert(self, rule, *states):
        """Waits for the alert of a rule that is in one of these states."""
        def found():
            alerts = self.get("alerts")["items"]
            return next((a for a in alerts if a["rule"] == rule and
                         (not states or a["state"] in states)), None)
        return until(found, f"an alert {rule} that is {' or '.join(states) or 'there'}")

    def no_alert(self, rule):
        """Waits until the rule has no alert (any more)."""
        until(lambda: all(a["rule"] != rule for a in self.get("alerts")["items"]),
              f"the end of the alert {rule}")

    # MQTT

    def mqtt(self, *topics, **options):
        """A client of the embedded broker."""
        return self.keep(Mqtt(self.mqtt_port, *topics, **options))

    def keep(self, client):
        """Closes the client at the end."""
        self._clients.append(client)
        return client


class Message:
    """One MQTT message."""

    def __init__(self, message):
        self.topic, self.payload = message.topic, message.payload
        self.retain, self.qos = bool(message.retain), message.qos
        self.properties = getattr(message, "properties", None)

    @property
    def text(self):
        """Its payload as text."""
        return self.payload.decode()

    @property
    def json(self):
        """Its payload as JSON."""
        return json.loads(self.payload)

    def __repr__(self):
        return f"{self.topic}{' (retained)' if self.retain else ''}: {self.payload[:200]!r}"


class Mqtt:
    """An MQTT client that remembers everything it hears."""

    def __init__(self, port, *topics, host="127.0.0.1", version=4, username=None, password=None,
                 cafile=None, client_id="", keepalive=60, connect=True):
        self.messages = []
        self.refused = None
        self.granted = {}
        self.connected = False
        self.changed = threading.Condition()
        self.topics = topics or ("#",)
        self.version = version
        self.client = paho.Client(
            paho.CallbackAPIVersion.VERSION2, client_id=client_id, protocol=version)
        self.client.reconnect_delay_set(0.1, 0.5)
        if username is not None:
            self.client.username_pw_set(username, password)
        if cafile:
            self.client.tls_set_context(ssl.create_default_context(cafile=str(cafile)))
        self.client.on_connect = self._on_connect
        self.client.on_disconnect = self._on_disconnect
        self.client.on_subscribe = self._on_subscribe
        self.client.on_message = self._on_message
        self.client.connect_async(host, port, keepalive)
        self.client.loop_start()
        if connect:
            self.wait_until_ready()

    def _notify(self, **what):
        with self.changed:
            for key, value in what.items():
                setattr(self, key, value)
            self.changed.notify_all()

    def _on_connect(self, client, _data, _flags, reason, _properties):
        if reason.is_failure:
            self._notify(refused=str(reason))
            return
        result, mid = client.subscribe([(topic, 1) for topic in self.topics])
        assert result == paho.MQTT_ERR_SUCCESS
        self._notify(connected=True, subscription=mid)

    def _on_disconnect(self, *_):
        self._notify(connected=False, granted={})

    def _on_subscribe(self, _client, _data, mid, reasons, _properties):
        granted = dict(zip(self.topics, (not reason.is_failure for reason in reasons)))
        self._notify(granted=granted)

    def _on_message(self, _client, _data, message):
        with self.changed:
            self.messages.append(Message(message))
            self.changed.notify_all()

    def wait_for(self, check, what="it", timeout=PATIENCE):
        """Waits until ``check`` is true of what was heard, and returns it."""
        with self.changed:
            if not self.changed.wait_for(check, timeout):
                heard = "\n".join(map(repr, self.messages[-40:]))
                raise AssertionError(f"{what} was not heard within {timeout:.0f} s, but:\n{heard}")
            return check()

    def wait_until_ready(self):
        """Waits until it is connected and subscribed, or refused."""
        self.wait_for(lambda: self.granted or self.refused, "a connection")

    def wait(self, topic, matches=lambda message: True, after=0):
        """Waits for a message on ``topic`` (a filter) that ``matches``, and returns it."""
        def found():
            return next((m for m in self.messages[after:]
                         if paho.topic_matches_sub(topic, m.topic) and matches(m)), None)
        return self.wait_for(found, topic)

    def heard(self, topic):
        """Everything that was heard on ``topic`` (a filter)."""
        with self.changed:
            return [m for m in self.messages if paho.topic_matches_sub(topic, m.topic)]

    def latest(self, topic="#"):
        """The last message of every topic that the filter matches."""
        return {message.topic: message for message in self.heard(topic)}

    def forget(self):
        """Forgets what was heard."""
        with self.changed:
            self.messages.clear()

    def publish(self, topic, payload=b"", qos=1, retain=False, properties=None):
        """Publishes and waits for the broker's word."""
        if isinstance(payload, (dict, list)):
            payload = json.dumps(payload)
        info = self.client.publish(topic, payload, qos, retain, properties)
        info.wait_for_publish(PATIENCE)
        assert info.is_published(), f"{topic} was not taken"

    def command(self, words, payload=b"", node=NODE, base="homewatch"):
        """Gives a command and returns its result."""
        with self.changed:
            before = len(self.messages)
        self.publish(f"{base}/{node}/cmd/{words}", payload)
        result = self.wait(f"{base}/{node}/result", lambda m: m.json["command"] == words, before)
        return result.json

    def close(self):
        """Says goodbye."""
        with contextlib.suppress(OSError):
            self.client.disconnect()
        self.client.loop_stop()


def response_properties(topic, data):
    """What an MQTT 5 request carries to be answered."""
    properties = Properties(PacketTypes.PUBLISH)
    properties.ResponseTopic = topic
    properties.CorrelationData = data
    return properties


class Mosquitto:
    """A real Mosquitto."""

    def __init__(self, folder, config="allow_anonymous true\n", listener=""):
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        self.process = None
        self.file = folder / "mosquitto.conf"
        self.file.write_text(
            f"listener {self.port} 127.0.0.1\n{listener}{config}persistence false\n"
            "max_queued_messages 0\n")

    @staticmethod
    def program():
        """Where it is; Debian puts it where only root looks."""
        found = shutil.which("mosquitto", path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin")
        assert found, "mosquitto is missing: apt-get install mosquitto"
        return found

    def start(self):
        """Starts it and waits until it listens."""
        with (self.folder / "mosquitto.log").open("ab") as log:
            self.process = subprocess.Popen([self.program(), "-c", self.file], stdout=log,
                                            stderr=log, stdin=subprocess.DEVNULL)
        until(self._listens, "the start of mosquitto")
        return self

    def _listens(self):
        assert self.process.poll() is None, (self.folder / "mosquitto.log").read_text()
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def kill(self):
        """Kills it; it forgets everything."""
        self.process.kill()
        self.process.wait()

    def hang(self):
        """From now on it does nothing, but its connections stay."""
        self.process.send_signal(signal.SIGSTOP)

    def go_on(self):
        """Ends the hang."""
        self.process.send_signal(signal.SIGCONT)

    def close(self):
        """Ends it."""
        if self.process and self.process.poll() is None:
            self.kill()
