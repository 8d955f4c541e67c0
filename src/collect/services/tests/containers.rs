//! Containers, by an engine on a socket.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixListener;

use super::super::containers;
use super::*;

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
    // Of one the control group is of version 2, of one of version 1.
    let use_of = |a1: u64, b2: u64| {
        let text = format!("usage_usec {a1}\nuser_usec 0\n");
        machine.put("sys/fs/cgroup/docker/a1/cpu.stat", &text);
        machine.put(
            "sys/fs/cgroup/cpuacct/docker/b2/cpuacct.usage",
            &format!("{b2}\n"),
        );
    };
    use_of(5_000_000, 7_000_000_000);
    let config = format!("socket = \"{}\"\nignore = [\"secret\"]", socket.display());
    let (collector, told) = built(containers::ENTRY, &machine.host, &config);
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
    let names: BTreeMap<String, String> = machine.host.memory.get(containers::NAMES).unwrap();
    assert_eq!(names["f6"], "secret", "others meet it by its id");
    assert_eq!(number(&readings[0], "memory_bytes"), Some(4096.0));
    assert_eq!(number(&readings[1], "memory_bytes"), None);
    assert_eq!(number(&readings[1], "out_of_memory"), Some(1.0));
    assert_eq!(number(&readings[1], "restarts"), Some(4.0));
    assert_eq!(readings[2].detail.as_ref().unwrap()["exit_code"], 1);
    assert_eq!(
        readings[0].detail.as_ref().unwrap()["image"],
        "jellyfin/jellyfin:10"
    );
    assert_eq!(number(&readings[0], "cpu_pct"), None, "one look is none");
    // Nothing has changed: what is known stands. What was used meanwhile is.
    use_of(5_000_001, 7_000_000_000);
    let again = sample(collector).await.1.unwrap();
    assert_eq!(number(&again[2], "failed"), Some(1.0));
    assert!(number(&again[0], "cpu_pct").is_some_and(|busy| busy > 0.0));
    assert_eq!(number(&again[1], "cpu_pct"), Some(0.0));
    assert_eq!(number(&again[2], "cpu_pct"), None);
}

#[tokio::test]
async fn an_engine_that_is_away_or_talks_nonsense_is_told() {
    let machine = Machine::new();
    let (collector, _) = built(containers::ENTRY, &machine.host, "");
    let error = sample(collector).await.1.unwrap_err();
    assert_eq!(
        error,
        CollectError::Absent("no Docker or Podman".to_owned())
    );
    let socket = machine.dir.path().join("docker.sock");
    let config = format!("socket = \"{}\"", socket.display());
    let ask = async || {
        let (collector, _) = built(containers::ENTRY, &machine.host, &config);
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

#[test]
fn a_socket_that_may_not_be_opened_or_is_slow_is_told_with_what_would_help() {
    use crate::collect::services::containers::refused;
    use std::io::{Error, ErrorKind};
    for (place, kind, words) in [
        (
            "/run/docker.sock",
            ErrorKind::PermissionDenied,
            "usermod -aG docker",
        ),
        (
            "/run/podman/podman.sock",
            ErrorKind::PermissionDenied,
            "packaging/podman.conf",
        ),
        (
            "/run/podman/podman.sock",
            ErrorKind::WouldBlock,
            "does not answer in time",
        ),
        (
            "/run/docker.sock",
            ErrorKind::BrokenPipe,
            "/run/docker.sock: ",
        ),
    ] {
        let error = refused(std::path::Path::new(place), &Error::from(kind)).to_string();
        assert!(error.contains(words), "{error}");
    }
}

#[tokio::test]
async fn health_that_the_list_of_podman_leaves_out_is_asked_for_each_time() {
    let machine = Machine::new();
    let list = |state: &str| {
        format!(
            r#"[{{"Id":"a1","Names":["/web"],"Image":"bb","State":"{state}","Status":"Up 11 minutes"}}]"#
        )
    };
    let health = |word: &str| {
        format!(
            r#"{{"RestartCount":0,"State":{{"Status":"running","ExitCode":0,"OOMKilled":false,
               "Health":{{"Status":"{word}","FailingStreak":0,"Log":[]}}}}}}"#
        )
    };
    let config = format!("socket = \"{}/docker.sock\"", machine.dir.path().display());
    let (mut collector, _) = built(containers::ENTRY, &machine.host, &config);
    for (state, said, want) in [
        ("running", "starting", Some("starting")),
        ("running", "unhealthy", Some("unhealthy")),
        ("running", "healthy", Some("healthy")),
        ("running", "", None),
        ("running", "unhealthy", None),
        ("exited", "unhealthy", Some("none")),
    ] {
        let answers = [
            ("/containers/json?all=1".to_owned(), list(state)),
            ("/containers/a1/json".to_owned(), health(said)),
        ];
        engine(machine.dir.path(), BTreeMap::from(answers));
        let (back, result) = sample(collector).await;
        collector = back;
        assert_eq!(
            text(&result.unwrap()[0], "health"),
            want,
            "{state} {said:?}"
        );
    }
}

#[tokio::test]
async fn a_container_in_trouble_that_is_removed_is_told_as_removed_also_after_a_restart() {
    let mut machine = Machine::new();
    let config = format!("socket = \"{}/docker.sock\"", machine.dir.path().display());
    let list = |rows: &[(&str, &str)]| {
        let rows: Vec<_> = rows
            .iter()
            .map(|(name, state)| {
                format!(r#"{{"Id":"{name}","Names":["/{name}"],"Image":"x","State":"{state}","Status":""}}"#)
            })
            .collect();
        let all = (
            "/containers/json?all=1".to_owned(),
            format!("[{}]", rows.join(",")),
        );
        let codes = [("web", 0), ("crash", 3), ("unstarted", 128)];
        let each = codes.map(|(name, code)| {
            (
                format!("/containers/{name}/json"),
                inspected(0, code, false),
            )
        });
        engine(machine.dir.path(), each.into_iter().chain([all]).collect());
    };
    let failed = |readings: &[Reading]| -> Vec<(String, Option<f64>)> {
        let row = |one: &Reading| (one.subject.id.clone(), number(one, "failed"));
        readings.iter().map(row).collect()
    };
    let rows = |rows: &[(&str, f64)]| -> Vec<(String, Option<f64>)> {
        let row = |(name, failed): &(&str, f64)| (format!("container-{name}"), Some(*failed));
        rows.iter().map(row).collect()
    };
    list(&[
        ("web", "running"),
        ("crash", "exited"),
        ("unstarted", "created"),
    ]);
    let (collector, _) = built(containers::ENTRY, &machine.host, &config);
    let told = sample(collector).await.1.unwrap();
    let want = rows(&[("web", 0.0), ("crash", 1.0), ("unstarted", 1.0)]);
    assert_eq!(failed(&told), want);
    list(&[("unstarted", "created")]);
    let (collector, _) = built(containers::ENTRY, &machine.host, &config);
    let (collector, told) = sample(collector).await;
    let told = told.unwrap();
    assert_eq!(failed(&told), rows(&[("unstarted", 1.0), ("crash", 0.0)]));
    assert_eq!(text(&told[1], "state"), Some("removed"));
    list(&[]);
    let told = sample(collector).await.1.unwrap();
    assert_eq!(failed(&told), rows(&[("crash", 0.0), ("unstarted", 0.0)]));
    // An hour later there is nothing left to say.
    machine.host.clock = Clock::set_to("2026-05-01T13:00:01Z".parse().unwrap());
    let (collector, _) = built(containers::ENTRY, &machine.host, &config);
    let (collector, told) = sample(collector).await;
    assert_eq!(told.unwrap().len(), 2);
    assert!(sample(collector).await.1.unwrap().is_empty());
}
