"""Fixtures of the acceptance suite, and the shape of its report."""

import datetime
import subprocess

import pytest
from dialects import Play
from harness import BINARY, PROJECT, Host, Mosquitto, Service
from leap import Calendar, Leap
from upsd import Upsd


def pytest_configure(config):
    """Builds the program unless it is there or somebody has named one."""
    if not BINARY.exists():
        subprocess.run(["cargo", "build", "--bin", "homewatch"], cwd=PROJECT, check=True)


@pytest.fixture
def home(tmp_path):
    """Makes services (not started yet) and ends them."""
    made = []

    def make(config=None, environment=None):
        service = Service(tmp_path / f"home{len(made)}", config, environment)
        made.append(service)
        return service

    yield make
    for service in made:
        service.close()


@pytest.fixture
def host(tmp_path):
    """The captured desktop, which the test may change."""
    return Host(tmp_path / "host")


@pytest.fixture
def mosquitto(tmp_path):
    """A running Mosquitto."""
    broker = Mosquitto(tmp_path / "mosquitto").start()
    yield broker
    broker.close()


@pytest.fixture
def upsd(tmp_path):
    """A running upsd with one UPS, ``rack``."""
    server = Upsd(tmp_path / "u")
    try:
        yield server.start()
    finally:
        server.close()


@pytest.fixture
def play(tmp_path):
    """Makes plays and ends them."""
    made = []

    def make(dialogues):
        made.append(Play(tmp_path / f"play{len(made)}", dialogues))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def leap(tmp_path):
    """Clocks that leap, for a service with their environment; they begin now."""
    return Leap(tmp_path, datetime.datetime.now(datetime.timezone.utc))


@pytest.fixture
def calendar(tmp_path):
    """Makes calendars and ends them."""
    made = []

    def make(*arguments, **more):
        made.append(Calendar(tmp_path, *arguments, **more))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture(scope="module")
def desktop(tmp_path_factory):
    """A running service that watches the captured desktop, for tests that only look. Its figures
    of the running system (``/proc``) are this machine's, so that there is always something new."""
    folder = tmp_path_factory.mktemp("desktop")
    host = Host(folder / "host")
    service = Service(folder / "home", {"host": host.config("sys")})
    try:
        yield service.start()
    finally:
        service.close()


@pytest.hookimpl(optionalhook=True)
def pytest_json_modifyreport(json_report):
    """Keeps what proves something: which tests there were and how they ended. The machine it ran
    on and each phase's seconds would only make every run differ."""
    json_report["root"] = "."
    json_report["environment"] = {
        key: json_report["environment"][key] for key in ("Python",)
        if key in json_report["environment"]}
    for test in json_report.get("tests", []):
        for phase in ("setup", "call", "teardown"):
            if test.get(phase, {}).get("outcome") == "passed":
                del test[phase]
            # What left a test out is told from the root of the project.
            told = test.get(phase, {})
            if isinstance(told.get("longrepr"), str):
                told["longrepr"] = told["longrepr"].replace(f"{PROJECT}/", "")
        test.pop("lineno", None)
