//! Services over scripted programs, an engine on a socket, and folders.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use config::{File, FileFormat, Source as _};
use tempfile::TempDir;

use super::flap::Flap;
use super::{checks, containers, jobs, units, updates};
use crate::collect::{Collect, CollectError, Entry};
use crate::config::{Problems, Section};
use crate::host::{Clock, Exec, Host};
use crate::model::{Action, Command, Order, Origin, Reading, Timestamp, Value};

fn build(entry: Entry, host: &Host, text: &str) -> (Box<dyn Collect>, String) {
    let table = File::from_str(text, FileFormat::Toml).collect().unwrap();
    let problems = Problems::default();
    let name = format!("collect.{}", entry.name);
    let section = Section::new(name, config::Value::from(table), &problems);
    let collector = (entry.build)(host, section);
    let told = problems.into_vec();
    let told: Vec<_> = told.iter().map(ToString::to_string).collect();
    (collector, told.join("\n"))
}

/// A machine whose programs are scripts.
struct Machine {
    dir: TempDir,
    host: Host,
}

impl Machine {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let clock = Clock::set_to("2026-05-01T12:00:00Z".parse().unwrap());
        let mut host = Host::captured(dir.path(), clock);
        host.exec = Exec::Real;
        Self { dir, host }
    }

    fn program(&mut self, name: &str, script: &str) {
        let file = self.dir.path().join(name);
        fs::write(&file, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
        let mut commands = BTreeMap::clone(&self.host.commands);
        // By the shell: a file that was just written may be busy for another thread's fork.
        let argv = vec!["sh".to_owned(), file.display().to_string()];
        commands.insert(name.to_owned(), argv);
        self.host.commands = Arc::new(commands);
    }

    fn put(&self, path: &str, text: &str) {
        let file = self.dir.path().join(path);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    }
}

/// Samples where collectors are sampled: on a thread of the runtime that may block.
async fn sample(
    mut collector: Box<dyn Collect>,
) -> (Box<dyn Collect>, Result<Vec<Reading>, CollectError>) {
    let sampled = tokio::task::spawn_blocking(move || {
        let result = collector.sample();
        (collector, result)
    });
    sampled.await.unwrap()
}

/// Until a program has ended that the machine was too busy to end within one sample.
async fn settled(
    mut collector: Box<dyn Collect>,
    fits: impl Fn(&[Reading]) -> bool,
) -> (Box<dyn Collect>, Vec<Reading>) {
    for _ in 0..100 {
        let (back, result) = sample(collector).await;
        collector = back;
        let readings = result.unwrap();
        if fits(&readings) {
            return (collector, readings);
        }
    }
    panic!("it is never told")
}

fn text<'a>(reading: &'a Reading, key: &str) -> Option<&'a str> {
    match reading.value(key)? {
        Value::Text(text) => Some(text),
        Value::Number(_) | Value::Flag(_) | Value::Moment(_) => None,
    }
}

fn number(reading: &Reading, key: &str) -> Option<f64> {
    reading.value(key).and_then(Value::as_number)
}

const SYSTEMCTL: &str = r#"
case $1 in
list-units) cat "$(dirname "$0")/failed" ;;
show) shift 3; for unit; do cat "$(dirname "$0")/$unit" 2> /dev/null && echo; done ;;
esac"#;

fn unit(name: &str, state: &str, restarts: u32) -> String {
    format!(
        "Id={name}\nLoadState=loaded\nActiveState={state}\nSubState=sub\nResult=success\n\
         NRestarts={restarts}\nMemoryCurrent=1048576\n"
    )
}

#[tokio::test]
async fn units_that_fail_are_told_and_those_that_are_watched() {
    let mut machine = Machine::new();
    machine.program("systemctl", SYSTEMCTL);
    machine.put("failed", "");
    machine.put("jellyfin.service", &unit("jellyfin.service", "active", 2));
    machine.put(
        "gone.service",
        "Id=gone.service\nLoadState=not-found\nActiveState=inactive\n",
    );
    let (collector, told) = build(
        units::ENTRY,
        &machine.host,
        "watch = [\"jellyfin\", \"gone\"]",
    );
    assert_eq!(told, "");
    let (collector, readings) = settled(collector, |readings| readings.len() > 1).await;
    let ids: Vec<_> = readings.iter().map(|one| one.subject.id.as_str()).collect();
    assert_eq!(
        ids,
        ["units", "unit-jellyfin"],
        "one that is not there is no unit"
    );
    assert_eq!(number(&readings[0], "failed"), Some(0.0));
    assert_eq!(text(&readings[1], "state"), Some("active"));
    assert_eq!(number(&readings[1], "memory_bytes"), Some(1_048_576.0));
    assert_eq!(number(&readings[1], "restart_loop"), Some(0.0));
    assert_eq!(readings[1].detail.as_ref().unwrap()["sub_state"], "sub");
    // Another one fails: it is told although nobody watches it, and how it recovers.
    machine.put("failed", "backup.service loaded failed failed Backup\n");
    let broken = unit("backup.service", "failed", 0).replace("1048576", "18446744073709551615");
    machine.put("backup.service", &broken);
    machine.put("jellyfin.service", &unit("jellyfin.service", "active", 7));
    let (collector, readings) = settled(collector, |readings| readings.len() > 2).await;
    assert_eq!(number(&readings[0], "failed"), Some(1.0));
    assert_eq!(
        readings[0].detail.as_ref().unwrap()["failed_units"][0],
        "backup"
    );
    assert_eq!(number(&readings[1], "restart_loop"), Some(1.0));
    assert_eq!(text(&readings[2], "state"), Some("failed"));
    assert_eq!(
        number(&readings[2], "memory_bytes"),
        None,
        "not accounted is unknown"
    );
    machine.put("failed", "");
    machine.put("backup.service", &unit("backup.service", "inactive", 0));
    let well = |readings: &[Reading]| number(&readings[0], "failed") == Some(0.0);
    let (_, readings) = settled(collector, well).await;
    assert_eq!(text(&readings[2], "state"), Some("inactive"));
}

#[tokio::test]
async fn without_systemd_or_without_an_answer_nothing_is_claimed() {
    for (script, words, is_absent) in [
        (
            "echo 'System has not been booted with systemd as init system' >&2; exit 1",
            "not been booted",
            true,
        ),
        ("echo 'Access denied' >&2; exit 4", "Access denied", false),
        ("exit 4", "systemctl failed", false),
    ] {
        let mut machine = Machine::new();
        machine.program("systemctl", script);
        let (mut collector, _) = build(units::ENTRY, &machine.host, "");
        let mut result = Ok(Vec::new());
        while let Ok(told) = &result {
            assert!(told.is_empty());
            (collector, result) = sample(collector).await;
        }
        let error = result.unwrap_err();
        assert!(error.to_string().contains(words), "{error}");
        assert_eq!(
            matches!(error, CollectError::Absent(_)),
            is_absent,
            "{error}"
        );
    }
    let (collector, _) = build(
        units::ENTRY,
        &Host::captured(Path::new("/none"), Clock::Real),
        "",
    );
    let error = sample(collector).await.1.unwrap_err();
    assert!(matches!(error, CollectError::Absent(_)), "{error}");
    let told = build(units::ENTRY, &Machine::new().host, "watch = [\"-H\"]").1;
    assert!(
        told.contains("collect.units.watch: must be names of units"),
        "{told}"
    );
}

#[tokio::test(start_paused = true)]
async fn three_restarts_in_a_quarter_of_an_hour_are_a_loop() {
    let wait = |minutes| tokio::time::sleep(Duration::from_mins(minutes));
    let mut flap = Flap::default();
    assert!(
        !flap.is_looping(40.0),
        "what was before the start counts nothing"
    );
    wait(60).await;
    assert!(!flap.is_looping(40.0));
    for (count, loops) in [(41.0, false), (42.0, false), (43.0, true)] {
        wait(4).await;
        assert_eq!(flap.is_looping(count), loops, "{count}");
    }
    wait(20).await;
    assert!(!flap.is_looping(43.0), "it is over");
    for count in 44..60 {
        wait(30).await;
        assert!(
            !flap.is_looping(f64::from(count)),
            "now and then is no loop"
        );
    }
    assert!(!flap.is_looping(0.0), "the count was reset");
}

/// An engine that answers from what `answers` has for each path.
fn engine(dir: &Path, answers: BTreeMap<String, String>) -> std::path::PathBuf {
    let socket = dir.join("docker.sock");
    drop(fs::remove_file(&socket));
    let listener = UnixListener::bind(&socket).unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut asked = [0; 1024];
            let length = stream.read(&mut asked).unwrap();
            let asked = String::from_utf8_lossy(&asked[..length]).into_owned();
            let path = asked.split_whitespace().nth(1).unwrap();
            let answer = match answers.get(path) {
                Some(body) => {
                    format!("HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n{body}")
                }
                None => {
                    "HTTP/1.0 404 Not Found\r\n\r\n{\"message\":\"no such container\"}".to_owned()
                }
            };
            // Who asked may be content with less.
            drop(stream.write_all(answer.as_bytes()));
        }
    });
    socket
}

const LIST: &str = r#"[
 {"Id":"a1","Names":["/jellyfin"],"Image":"jellyfin/jellyfin:10","State":"running","Status":"Up 2 hours (healthy)"},
 {"Id":"b2","Names":["/db"],"Image":"postgres:17","State":"running","Status":"Up 3 days (unhealthy)"},
 {"Id":"c3","Names":["/job"],"Image":"restic","State":"exited","Status":"Exited (1) 5 minutes ago"},
 {"Id":"d4","Names":["/stopped"],"Image":"x","State":"exited","Status":"Exited (143) 2 days ago"},
 {"Id":"e5e5e5e5e5e5e5e5","Names":[],"Image":"y","State":"dead","Status":"Dead"},
 {"Id":"f6","Names":["/secret"],"Image":"z","State":"running","Status":"Up 1 second"}]"#;

fn inspected(restarts: u32, code: i32, oom: bool) -> String {
    format!(r#"{{"RestartCount":{restarts},"State":{{"ExitCode":{code},"OOMKilled":{oom}}}}}"#)
}

#[tokio::test]
async fn containers_are_told_with_health_and_how_they_ended() {
    let machine = Machine::new();
    let answers = [
        ("/containers/json?all=1", LIST.to_owned()),
        ("/containers/a1/json", inspected(0, 0, false)),
        ("/containers/b2/json", inspected(4, 0, true)),
        ("/containers/c3/json", inspected(0, 1, false)),
        ("/containers/d4/json", inspected(0, 143, false)),
        ("/containers/e5e5e5e5e5e5e5e5/json", inspected(0, 0, false)),
    ];
    let answers = answers.map(|(path, body)| (path.to_owned(), body));
    let socket = engine(machine.dir.path(), BTreeMap::from(answers));
    machine.put("sys/fs/cgroup/docker/a1/memory.current", "4096\n");
    let config = format!("socket = \"{}\"\nignore = [\"secret\"]", socket.display());
    let (collector, told) = build(containers::ENTRY, &machine.host, &config);
    assert_eq!(told, "");
    let (collector, result) = sample(collector).await;
    let readings = result.unwrap();
    let rows: Vec<_> = readings
        .iter()
        .map(|one| {
            let failed = number(one, "failed");
            (
                one.subject.id.as_str(),
                text(one, "state"),
                text(one, "health"),
                failed,
            )
        })
        .collect();
    let want = [
        (
            "container-jellyfin",
            Some("running"),
            Some("healthy"),
            Some(0.0),
        ),
        (
            "container-db",
            Some("running"),
            Some("unhealthy"),
            Some(0.0),
        ),
        ("container-job", Some("exited"), None, Some(1.0)),
        ("container-stopped", Some("exited"), None, Some(0.0)),
        ("container-e5e5e5e5e5e5", Some("dead"), None, Some(1.0)),
    ];
    assert_eq!(rows, want);
    assert_eq!(number(&readings[0], "memory_bytes"), Some(4096.0));
    assert_eq!(number(&readings[1], "memory_bytes"), None);
    assert_eq!(number(&readings[1], "out_of_memory"), Some(1.0));
    assert_eq!(number(&readings[1], "restarts"), Some(4.0));
    assert_eq!(readings[2].detail.as_ref().unwrap()["exit_code"], 1);
    assert_eq!(
        readings[0].detail.as_ref().unwrap()["image"],
        "jellyfin/jellyfin:10"
    );
    // Nothing has changed: what is known stands.
    let again = sample(collector).await.1.unwrap();
    assert_eq!(number(&again[2], "failed"), Some(1.0));
}

#[tokio::test]
async fn an_engine_that_is_away_or_talks_nonsense_is_told() {
    let machine = Machine::new();
    let (collector, _) = build(containers::ENTRY, &machine.host, "");
    let error = sample(collector).await.1.unwrap_err();
    assert_eq!(
        error,
        CollectError::Absent("no Docker or Podman".to_owned())
    );
    let socket = machine.dir.path().join("docker.sock");
    let config = format!("socket = \"{}\"", socket.display());
    let ask = async || {
        let (collector, _) = build(containers::ENTRY, &machine.host, &config);
        sample(collector).await.1.unwrap_err()
    };
    let error = ask().await;
    assert!(
        matches!(&error, CollectError::Absent(text) if text.contains("nobody answers")),
        "{error}"
    );
    for (body, words) in [
        (None, "404 Not Found"),
        (Some("["), "EOF"),
        (Some("3"), "invalid type"),
    ] {
        let answers = body.map(|body| ("/containers/json?all=1".to_owned(), body.to_owned()));
        engine(machine.dir.path(), answers.into_iter().collect());
        let error = ask().await;
        assert!(
            matches!(&error, CollectError::Transient(text) if text.contains(words)),
            "{error}"
        );
    }
    drop(fs::remove_file(&socket));
    let listener = UnixListener::bind(&socket).unwrap();
    let garbage = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        // Read first: to one that is gone already, nothing could be written.
        let asked = stream.read(&mut [0; 1024]).unwrap();
        assert_ne!(asked, 0);
        stream.write_all(b"garbage").unwrap();
    });
    let error = ask().await;
    garbage.join().unwrap();
    assert!(error.to_string().contains("no HTTP"), "{error}");
}

#[tokio::test]
async fn processes_that_must_be_there_are_counted() {
    let machine = Machine::new();
    for (pid, name, line) in [
        ("1", "systemd", "/sbin/init\0"),
        (
            "20",
            "python3",
            "/usr/bin/python3\0/srv/web/app.py\0--port\080\0",
        ),
        ("21", "python3", "/usr/bin/python3\0other.py\0"),
        ("self", "homewatch", ""),
    ] {
        machine.put(&format!("proc/{pid}/comm"), &format!("{name}\n"));
        machine.put(&format!("proc/{pid}/cmdline"), line);
    }
    machine.put("proc/22/status", "it has no name any more");
    let config = "process.web = { name = \"python3\", command = \"*/srv/web/*\" }\n\
                  process.pythons = { name = \"python*\", least = 3 }\n\
                  process.none = { command = \"*nginx*\" }";
    let (collector, told) = build(checks::ENTRY, &machine.host, config);
    assert_eq!(told, "");
    let (_, result) = sample(collector).await;
    let rows: Vec<_> = result
        .unwrap()
        .iter()
        .map(|one| {
            let running = number(one, "running");
            (one.subject.id.clone(), running, number(one, "processes"))
        })
        .collect();
    let want = [
        ("check-none", Some(0.0), Some(0.0)),
        ("check-pythons", Some(0.0), Some(2.0)),
        ("check-web", Some(1.0), Some(1.0)),
    ];
    let want = want.map(|(id, running, count)| (id.to_owned(), running, count));
    assert_eq!(rows, want);
    let (collector, _) = build(checks::ENTRY, &machine.host, "");
    let error = sample(collector).await.1.unwrap_err();
    assert!(matches!(error, CollectError::Absent(_)));
    for (config, words) in [
        ("process.web = {}", "needs name or command"),
        ("process.Web = { name = \"x\" }", "lower-case"),
        ("process.web = { name = 3 }", "text in quotes"),
    ] {
        let told = build(checks::ENTRY, &machine.host, config).1;
        assert!(told.contains(words), "{told}");
    }
    let nowhere = Host::captured(Path::new("/none"), Clock::Real);
    let (collector, _) = build(checks::ENTRY, &nowhere, "process.a.name = \"x\"");
    let error = sample(collector).await.1.unwrap_err();
    assert!(matches!(error, CollectError::Transient(_)));
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn order(name: &str, payload: &str) -> Order {
    let command = Command::parse(name, payload.as_bytes(), Origin::Push).unwrap();
    let Action::Order(order) = command.action else {
        panic!("no order")
    };
    order
}

#[tokio::test]
async fn jobs_tell_that_they_are_done_and_are_missed_when_they_do_not() {
    let machine = Machine::new();
    let config = "expect.backup = { every = \"1d\", grace = \"2h\", label = \"Backup\" }";
    let (mut collector, told) = build(jobs::ENTRY, &machine.host, config);
    assert_eq!(told, "");
    let known = ["backup".to_owned()];
    for (now, payload, want) in [
        ("2026-05-01T12:00:00Z", None, "waiting"),
        ("2026-05-02T13:00:00Z", None, "waiting"),
        ("2026-05-02T15:00:00Z", None, "overdue"),
        ("2026-05-02T16:00:00Z", Some("start"), "running"),
        ("2026-05-02T16:10:00Z", Some(""), "ok"),
        ("2026-05-03T18:00:00Z", None, "ok"),
        ("2026-05-03T18:20:00Z", None, "overdue"),
        (
            "2026-05-03T19:00:00Z",
            Some(r#"{"state":"failed","message":"disk full"}"#),
            "failed",
        ),
        ("2026-05-03T20:00:00Z", Some("started"), "failed"),
        ("2026-05-03T21:00:00Z", Some("OK"), "ok"),
        ("2026-05-03T22:00:00Z", Some("start"), "running"),
        ("2026-05-06T22:00:00Z", None, "overdue"),
    ] {
        if let Some(payload) = payload {
            let order = order("job/backup", payload);
            jobs::say(&machine.host.memory, &known, &order, at(now)).unwrap();
        }
        let host = Host {
            clock: Clock::set_to(at(now)),
            ..machine.host.clone()
        };
        (collector, _) = build(jobs::ENTRY, &host, config);
        let result;
        (collector, result) = sample(collector).await;
        let reading = &result.unwrap()[0];
        assert_eq!(text(reading, "state"), Some(want), "{now}");
        if want == "failed" && payload.is_some_and(|text| text.starts_with('{')) {
            assert_eq!(reading.detail.as_ref().unwrap()["message"], "disk full");
        }
    }
    drop(collector);
    for (name, payload, known, words) in [
        ("job/other", "", &known[..], "there are backup"),
        ("job/other", "", &[], "collect.jobs.expect"),
        (
            "job/backup",
            "perhaps",
            &known[..],
            "(perhaps) must be ok, failed or start",
        ),
    ] {
        let now = Timestamp::UNIX_EPOCH;
        let error = jobs::say(&machine.host.memory, known, &order(name, payload), now).unwrap_err();
        assert!(error.contains(words), "{error}");
    }
}

#[tokio::test]
async fn a_backup_is_as_old_as_its_newest_whole_file() {
    let mut machine = Machine::new();
    machine.put("root/srv/backup/a.tar", "whole and well");
    machine.put("root/srv/backup/notes.txt", "x");
    let written = fs::metadata(machine.dir.path().join("root/srv/backup/a.tar")).unwrap();
    let written = Timestamp::try_from(written.modified().unwrap()).unwrap();
    machine.host.clock = Clock::set_to(written + Duration::from_hours(3));
    for (file, more, want, size) in [
        ("/srv/backup/*.tar", "", "ok", Some(14.0)),
        ("/srv/backup/a.tar", "", "ok", Some(14.0)),
        (
            "/srv/backup/*.tar",
            ", min_size = \"1MB\"",
            "waiting",
            Some(14.0),
        ),
        ("/srv/backup/*.zip", "", "waiting", None),
        ("/srv/none/*.zip", "", "waiting", None),
        ("/srv/none/b.zip", "", "waiting", None),
    ] {
        machine.host.memory.remove("job/b");
        let config = format!("expect.b = {{ every = \"1d\", file = \"{file}\"{more} }}");
        let (collector, told) = build(jobs::ENTRY, &machine.host, &config);
        assert_eq!(told, "");
        let readings = sample(collector).await.1.unwrap();
        assert_eq!(text(&readings[0], "state"), Some(want), "{file}");
        assert_eq!(number(&readings[0], "size_bytes"), size, "{file}");
        let age = number(&readings[0], "age_s");
        assert_eq!(age.is_some(), want == "ok", "{file}");
        assert!(
            age.is_none_or(|age| (10_799.0..=10_800.0).contains(&age)),
            "{age:?}"
        );
    }
    for (config, words) in [
        ("expect.b = {}", "expect.b.every: is missing"),
        ("expect.b = { every = \"1s\" }", "a duration"),
        ("expect.B = { every = \"1d\" }", "lower-case"),
        (
            "expect.b = { every = \"1d\", file = \"x\" }",
            "an absolute path",
        ),
    ] {
        let told = build(jobs::ENTRY, &machine.host, config).1;
        assert!(told.contains(words), "{told}");
    }
    let (collector, _) = build(jobs::ENTRY, &machine.host, "");
    assert!(matches!(
        sample(collector).await.1,
        Err(CollectError::Absent(_))
    ));
    let table = File::from_str("expect.b.every = \"1d\"", FileFormat::Toml)
        .collect()
        .unwrap();
    let tables = BTreeMap::from([("jobs".to_owned(), config::Value::from(table))]);
    assert_eq!(jobs::names(&tables), ["b"]);
}

const APT: &str = "Reading package lists...\n\
    Inst openssl [3.0.1] (3.0.2 Debian-Security:12/stable-security [amd64])\n\
    Inst vim [9.0] (9.1 Debian:12.9/stable [amd64])\nConf vim (9.1 Debian:12.9/stable [amd64])\n";

#[tokio::test]
async fn updates_are_counted_as_each_package_manager_tells_them() {
    for (place, program, script, want) in [
        ("var/lib/dpkg/status", "apt-get", format!("cat <<'E'\n{APT}E"), (Some(2.0), Some(1.0))),
        ("var/lib/pacman/local", "pacman", "echo 'linux 6.1 -> 6.2'; exit 0".to_owned(), (Some(1.0), None)),
        ("var/lib/pacman/local", "pacman", "exit 1".to_owned(), (Some(0.0), None)),
        ("lib/apk/db/installed", "apk", "echo 'musl-1.2.5-r1 x86_64'".to_owned(), (Some(1.0), None)),
        (
            "usr/bin/dnf",
            "dnf",
            "printf '\\nkernel.x86_64  6.2  updates\\n\\nObsoleting Packages\\na.x  1  b\\n'; exit 100".to_owned(),
            (Some(1.0), None),
        ),
    ] {
        let mut machine = Machine::new();
        machine.put(&format!("root/{place}"), "");
        machine.put("proc/sys/kernel/osrelease", "6.1.0\n");
        machine.put("root/lib/modules/6.1.0/x", "");
        machine.program(program, &script);
        let (collector, _) = build(updates::ENTRY, &machine.host, "");
        let known = |readings: &[Reading]| number(&readings[0], "pending").is_some();
        let (_, readings) = settled(collector, known).await;
        let told = &readings[0];
        assert_eq!((number(told, "pending"), number(told, "security")), want, "{program}");
        assert_eq!(number(told, "reboot_required"), Some(0.0));
    }
}

#[tokio::test]
async fn a_restart_is_wanted_where_the_system_says_so_or_its_kernel_is_gone() {
    for (files, want) in [
        (vec!["root/run/reboot-required"], Some(1.0)),
        (
            vec!["root/lib/modules/6.1.0/x", "root/run/reboot-required"],
            Some(1.0),
        ),
        (vec!["root/lib/modules/6.2.0/x"], Some(1.0)),
        (
            vec!["root/lib/modules/6.1.0/x", "root/lib/modules/6.2.0/x"],
            Some(0.0),
        ),
    ] {
        let machine = Machine::new();
        machine.put("proc/sys/kernel/osrelease", "6.1.0\n");
        for file in &files {
            machine.put(file, "");
        }
        let (collector, _) = build(updates::ENTRY, &machine.host, "");
        let readings = sample(collector).await.1.unwrap();
        assert_eq!(number(&readings[0], "reboot_required"), want, "{files:?}");
        assert_eq!(number(&readings[0], "pending"), None, "unknown is absent");
    }
    let (collector, _) = build(updates::ENTRY, &Machine::new().host, "");
    assert!(matches!(
        sample(collector).await.1,
        Err(CollectError::Absent(_))
    ));
}

#[tokio::test]
async fn a_package_manager_that_fails_is_told_and_one_that_is_away_is_none() {
    let mut machine = Machine::new();
    machine.put("root/var/lib/dpkg/status", "");
    machine.put("root/run/reboot-required", "");
    let away = Host {
        exec: Exec::Replay(machine.dir.path().join("none")),
        ..machine.host.clone()
    };
    let (collector, _) = build(updates::ENTRY, &away, "");
    let readings = sample(collector).await.1.unwrap();
    assert_eq!(number(&readings[0], "pending"), None);
    machine.program("apt-get", "echo 'E: broken' >&2; exit 100");
    let (mut collector, _) = build(updates::ENTRY, &machine.host, "");
    let mut result = Ok(Vec::new());
    while result.is_ok() {
        (collector, result) = sample(collector).await;
    }
    let error = result.unwrap_err();
    assert_eq!(
        error,
        CollectError::Transient("apt-get: E: broken".to_owned())
    );
    // It is not asked again at every sample.
    assert!(sample(collector).await.1.is_ok());
}
