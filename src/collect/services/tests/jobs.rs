//! Jobs, by what they say and by the age of their files.

use config::{File, FileFormat, Source as _};

use super::super::jobs;
use super::*;

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
    let (mut collector, told) = built(jobs::ENTRY, &machine.host, config);
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
            jobs::say(&machine.host, &known, &order, at(now)).unwrap();
        }
        let host = Host {
            clock: Clock::set_to(at(now)),
            ..machine.host.clone()
        };
        (collector, _) = built(jobs::ENTRY, &host, config);
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
        ("job/backup", r#"{"state":1}"#, &known[..], "must be ok"),
        (
            "job/backup",
            r#"{"status":"failed"}"#,
            &known[..],
            "must be ok",
        ),
        ("job/backup", r#"{"state":false}"#, &known[..], "must be ok"),
    ] {
        let now = Timestamp::UNIX_EPOCH;
        let error = jobs::say(&machine.host, known, &order(name, payload), now).unwrap_err();
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
        let (collector, told) = built(jobs::ENTRY, &machine.host, &config);
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
        let told = built(jobs::ENTRY, &machine.host, config).1;
        assert!(told.contains(words), "{told}");
    }
    let (collector, _) = built(jobs::ENTRY, &machine.host, "");
    assert!(matches!(
        sample(collector).await.1,
        Err(CollectError::Absent(_))
    ));
    let table = File::from_str("expect.b.every = \"1d\"", FileFormat::Toml);
    let table = table.collect().unwrap();
    let tables = BTreeMap::from([("jobs".to_owned(), config::Value::from(table))]);
    assert_eq!(jobs::names(&tables), ["b"]);
}
