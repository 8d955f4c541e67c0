"""A real upsd whose driver plays what it is told."""

import getpass
import os
import socket
import subprocess

from harness import free_port, until

FIGURES = """ups.status: OL
battery.charge: 100
battery.runtime: 1800
ups.load: 30
ups.realpower: 210
ups.serial: A1
device.model: Eco 1000
"""


class Upsd:
    """A real upsd and its dummy driver, in a folder of their own."""

    def __init__(self, folder):
        self.folder = folder
        folder.mkdir()
        # Sockets have short paths.
        self.port = free_port()
        self.processes = []
        self.write("rack.dev", FIGURES)
        self.write("ups.conf", f"[rack]\n driver = dummy-ups\n port = {folder}/rack.dev\n"
                               " mode = dummy-once\n desc = \"The \\\"big\\\" one\"\n")
        self.write("upsd.conf", f"STATEPATH {folder}\nLISTEN 127.0.0.1 {self.port}\n")
        self.write("upsd.users", "[homewatch]\n password = \"se cret\"\n actions = SET\n"
                                 " instcmds = ALL\n")
        self.write("nut.conf", "MODE=standalone\n")

    def write(self, name, text):
        path = self.folder / name
        path.write_text(text)
        path.chmod(0o640)

    @staticmethod
    def program(name):
        """Where it is; Debian has a script in the usual place that refuses to start it."""
        places = ["/lib/nut", "/usr/lib/nut", "/usr/libexec/nut", "/usr/sbin"]
        found = [place for place in places if os.access(f"{place}/{name}", os.X_OK)]
        assert found, f"{name} is missing: apt-get install nut-server"
        return f"{found[0]}/{name}"

    def certify(self, authority):
        """Has it offer TLS: a certificate in a store of NSS, with which Debian builds it."""
        store, secret, bundle = (self.folder / name for name in ("nss", "nss-secret", "bundle"))
        store.mkdir(mode=0o700)
        self.write("nss-secret", "secret\n")
        bundle.write_bytes(authority.bundle(b"upsd", b"secret"))
        for argv in (["certutil", "-N", "-f", secret],
                     ["pk12util", "-i", bundle, "-k", secret, "-w", secret],
                     ["certutil", "-A", "-n", "CA", "-t", "TC,,", "-i", authority.ca, "-f", secret]):
            subprocess.run([*argv, "-d", f"sql:{store}"], check=True, capture_output=True)
        settings = (self.folder / "upsd.conf").read_text()
        self.write("upsd.conf", f'{settings}CERTPATH {store}\nCERTIDENT "upsd" "secret"\n')

    def start(self):
        environment = {**os.environ, "NUT_CONFPATH": str(self.folder),
                       "NUT_STATEPATH": str(self.folder), "NUT_ALTPIDPATH": str(self.folder)}
        user = getpass.getuser()
        for argv in (["dummy-ups", "-D", "-a", "rack", "-u", user], ["upsd", "-D", "-u", user]):
            with (self.folder / f"{argv[0]}.log").open("ab") as log:
                self.processes.append(subprocess.Popen(
                    [self.program(argv[0]), *argv[1:]], env=environment, stdout=log, stderr=log,
                    stdin=subprocess.DEVNULL))
            until(self._is_up[argv[0]].__get__(self), f"the start of {argv[0]}")
        return self

    def _driver(self):
        return (self.folder / "dummy-ups-rack").exists()

    def _server(self):
        try:
            return "OL" in self.ask("GET VAR rack ups.status")
        except OSError:
            return False

    _is_up = {"dummy-ups": _driver, "upsd": _server}

    def ask(self, *lines):
        """Says something to it, as its client; returns its last answer."""
        with socket.create_connection(("127.0.0.1", self.port), 10) as wire:
            answers = wire.makefile("r")
            for line in lines:
                wire.sendall(f"{line}\n".encode())
                answer = answers.readline().strip()
            return answer

    def set(self, name, value):
        """Has the driver play another figure."""
        answer = self.ask("USERNAME homewatch", 'PASSWORD "se cret"',
                          f'SET VAR rack {name} "{value}"')
        assert answer.startswith("OK"), answer

    @property
    def process(self):
        """The server itself."""
        return self.processes[-1]

    def close(self):
        for process in self.processes:
            process.kill()
            process.wait()
