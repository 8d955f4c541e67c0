"""History: what was measured is there afterwards, whatever happens in between."""

import csv
import io
import json
import random
import sqlite3

import pytest
from harness import until

PACKAGE = "health/temp-coretemp-package-id-0/temperature_c"


def points(service, series=PACKAGE, **span):
    """The points of a series as ``{ms: value}``, pauses left out."""
    span.setdefault("from", "-1h")
    answer = service.get("history", series=series, points=5000, **span)
    return {at: value for at, value in answer["series"][0]["points"] if value is not None}


def test_what_was_measured_can_be_read(home, host):
    service = home({"host": host.config("sys")}).start()
    for celsius in (41, 62, 53):
        host.processor(celsius)
        until(lambda: celsius in points(service).values(), f"{celsius} °C in the history")
    answer = service.get("history", series=PACKAGE)
    assert answer["series"][0]["unit"] == "°C"
    assert list(points(service)) == sorted(points(service))


def test_it_is_there_after_a_restart(home, host):
    service = home({"host": host.config("sys")}).start()
    host.processor(77)
    until(lambda: 77 in points(service).values(), "77 °C in the history")
    service.stop()
    host.processor(33)
    service.start()
    assert 77 in points(service).values()


def test_twenty_power_cuts_in_a_row_lose_nothing_that_was_committed(home, host):
    """What a reader has seen in the history is committed. The program is killed at any moment,
    each time while it is writing every second and clients read from it."""
    chance = random.Random(7)
    service = home({"host": host.config("sys")})
    seen = {}
    for cut in range(20):
        host.processor(30 + cut)
        service.start()
        now = points(service)
        assert seen.items() <= now.items(), f"lost at cut {cut}"
        until(lambda: 30 + cut in points(service).values(), "the new figure")
        for _ in range(chance.randrange(12)):
            seen = points(service)
        seen = points(service)
        service.crash()
    service.start()
    now = points(service)
    assert seen.items() <= now.items()
    assert {30 + cut for cut in range(20)} <= set(now.values())


def test_downsampling_keeps_the_peaks(home, host):
    service = home({"host": host.config("sys")}).start()
    for celsius in (40, 96, 41):
        host.processor(celsius)
        until(lambda: celsius in points(service).values(), f"{celsius} °C")
    answer = service.get("history", series=PACKAGE, points=2)
    assert 96 in [value for _, value in answer["series"][0]["points"]]


def test_export_gives_the_same_as_csv_and_json_lines_running_or_not(home, host):
    service = home({"host": host.config("sys")}).start()
    host.processor(77)
    until(lambda: 77 in points(service).values(), "77 °C in the history")

    def exported():
        rows = list(csv.DictReader(io.StringIO(service.run("export", "--series", PACKAGE))))
        lines = [json.loads(line) for line in
                 service.run("export", "--format", "jsonl", "--series", PACKAGE).splitlines()]
        assert {row["series"] for row in rows} == {PACKAGE}
        assert 77 in [float(row["value"]) for row in rows]
        assert 77 in [line["value"] for line in lines]
        return rows

    running = exported()
    service.stop()
    assert exported()[:len(running)] == running


def test_a_backup_made_while_it_runs_is_a_whole_store(home, host):
    service = home({"host": host.config("sys")}).start()
    host.processor(77)
    until(lambda: 77 in points(service).values(), "77 °C in the history")
    backup = service.folder / "backup.redb"
    service.run("backup", backup)
    before = points(service)
    assert "is there already" in service.run("backup", backup, code=1)
    service.run("restore", backup, code=1)  # not while it runs
    service.stop()
    other = home({"host": host.config("sys")})
    other.run("restore", backup)
    other.start()
    kept = points(other)
    assert 77 in kept.values()
    assert before.items() >= {at: v for at, v in kept.items() if at in before}.items()


def test_restoring_keeps_what_was_there(home, host):
    service = home({"host": host.config("sys")}).start()
    backup = service.folder / "backup.redb"
    until(lambda: points(service), "history")
    service.run("backup", backup)
    service.stop()
    text = service.run("restore", backup)
    kept = text.strip().rsplit(" ", 1)[-1]
    assert (service.folder / kept).exists(), text


def test_a_backup_that_is_none_is_refused(home):
    service = home()
    bad = service.folder / "bad.redb"
    bad.write_bytes(b"no store" * 1000)
    assert str(bad) in service.run("restore", bad, code=1)
    assert "is no file" in service.run("restore", service.folder / "absent", code=1)


# Stores that cannot be opened

def store_file(service):
    """The store's file."""
    return max(service.data.rglob("*.redb"), key=lambda file: file.stat().st_size)


def test_a_store_in_use_is_left_alone(home):
    first = home().start()
    second = home({"data_dir": str(first.data)})
    text = second.run("run", code=1)
    assert str(first.data) in text and ("use" in text or "lock" in text or "runs" in text), text
    assert first.get("summary")


@pytest.mark.parametrize("damage", ["zeroes", "text", "another database"])
def test_a_store_that_is_damaged_is_kept_untouched_and_the_way_out_told(home, damage):
    service = home().start()
    service.stop()
    file = store_file(service)
    if damage == "zeroes":
        file.write_bytes(bytes(file.stat().st_size))
    elif damage == "text":
        file.write_text("this is no store\n" * 10_000)
    else:
        file.unlink()
        with sqlite3.connect(file) as other:
            other.execute("create table t (x)")
    before = file.read_bytes()
    text = service.run("run", code=1)
    assert str(file) in text and "restore" in text, text
    assert file.read_bytes() == before, "untouched"


def test_a_torn_end_of_the_store_is_no_reason_not_to_start(home, host):
    """A power cut in the middle of a write leaves more than the last commit: it is ignored."""
    service = home({"host": host.config("sys")}).start()
    host.processor(77)
    until(lambda: 77 in points(service).values(), "77 °C in the history")
    service.crash()
    service.start()
    assert 77 in points(service).values()
