use std::path::Path;
use std::time::Duration;

use tokio::task::JoinSet;

use super::*;
use crate::bus::{Bus, State};
use crate::host::Clock;
use crate::model::{Area, Batch, Metric, Outcome, Reading, Subject, Unit};
use crate::report::{Basis, Reports};
use crate::store::Store;

static HOT: Metric = Metric::gauge("temperature_c", "Temperature", Unit::Celsius).decimals(1);

/// A service that knows one temperature, and its door in `dir`.
async fn open(dir: &Path) -> (Bus, JoinSet<()>) {
    let store = Store::open(dir).unwrap();
    let (bus, _) = Bus::new(State::new(Duration::from_mins(5)));
    let subject = Subject::of_host(Area::Health, "temp-cpu", "CPU");
    let mut denied = Reading::new(&Subject::of_host(Area::Health, "kernel", "Kernel"));
    let remedy = ("remedy".to_owned(), "grant it".into());
    denied.detail = Some([remedy].into_iter().collect());
    let batch = Batch {
        at: "2026-05-01T00:00:00Z".parse().unwrap(),
        outcomes: vec![
            Outcome {
                collector: "hwmon",
                result: Ok(vec![Reading::new(&subject).with(&HOT, 44.0), denied]),
            },
            Outcome {
                collector: "network",
                result: Err("no such\u{1b}[31m\nfile".to_owned()),
            },
        ],
    };
    store.append(&batch).unwrap();
    store.sync().unwrap();
    bus.publish(batch);
    let door = std::sync::Arc::new(Door {
        node: "pi".to_owned(),
        bus: bus.clone(),
        reports: Reports::new(Basis::plain(&store, Clock::Real)),
        store,
        clock: Clock::Real,
        calibration: crate::power::Calibration::default(),
        simulated: false,
    });
    let mut tasks = JoinSet::new();
    let dir = dir.to_owned();
    tasks.spawn(async move { serve(&dir, door).await.unwrap() });
    tokio::task::yield_now().await;
    (bus, tasks)
}

/// Asks on a thread where it may block.
async fn asked<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.unwrap()
}

#[tokio::test]
async fn the_state_is_told_as_people_read_it() {
    let dir = tempfile::tempdir().unwrap();
    let (_bus, _tasks) = open(dir.path()).await;
    let at = dir.path().to_owned();
    let status = asked(move || ask(&at, &Request::Status)).await.unwrap();
    let status = status.unwrap();
    assert_eq!((status.node.as_str(), status.simulated), ("pi", false));
    assert_eq!(status.lacking, ["health/kernel"]);
    let mut subjects = status.subjects.iter();
    let cpu = subjects.find(|one| one.label == "CPU").unwrap();
    assert_eq!((cpu.key.as_str(), cpu.available), ("health/temp-cpu", true));
    let figures = [("Temperature".to_owned(), "44.0 °C".to_owned())];
    assert_eq!(cpu.figures, figures);
    assert_eq!(status.failing[0].name, "network");
    let error = "no such [31m file";
    assert_eq!(
        status.failing[0].error, error,
        "no escape reaches a terminal"
    );
}

#[tokio::test]
async fn a_backup_is_made_while_the_service_runs_and_never_over_a_file() {
    let dir = tempfile::tempdir().unwrap();
    let (_bus, _tasks) = open(dir.path()).await;
    let file = dir.path().join("copy.redb");
    let backup = |file: std::path::PathBuf| {
        let at = dir.path().to_owned();
        asked(move || ask(&at, &Request::Backup { file }))
    };
    backup(file.clone()).await.unwrap();
    assert!(file.exists());
    let again = backup(file).await.unwrap_err().to_string();
    assert!(again.contains("is there already"), "{again}");
    let relative = backup("copy.redb".into()).await.unwrap_err().to_string();
    assert!(relative.contains("absolute"), "{relative}");
}

#[tokio::test]
async fn the_history_is_written_out() {
    let dir = tempfile::tempdir().unwrap();
    let (_bus, _tasks) = open(dir.path()).await;
    for (patterns, lines) in [
        (vec![], 2),
        (vec!["health/temp-*"], 2),
        (vec!["power/*"], 1),
    ] {
        let at = dir.path().to_owned();
        let wanted = Export {
            format: ExportFormat::Csv,
            from: Timestamp::UNIX_EPOCH,
            to: Timestamp::MAX,
            series: patterns.iter().map(|&one| one.to_owned()).collect(),
        };
        let text = asked(move || {
            let mut out = Vec::new();
            export(&at, wanted, &mut out).map(|()| String::from_utf8(out).unwrap())
        });
        let text = text.await.unwrap();
        assert_eq!(text.lines().count(), lines, "{patterns:?}: {text}");
    }
}

#[tokio::test]
async fn nonsense_is_answered_and_the_door_stays_open() {
    use std::io::{Read as _, Write as _};
    let dir = tempfile::tempdir().unwrap();
    let (_bus, _tasks) = open(dir.path()).await;
    let nonsense = [b"\n".to_vec(), b"what?\n".to_vec(), vec![b'x'; 100_000]];
    for text in nonsense {
        let socket = dir.path().join(SOCKET);
        let answer = asked(move || {
            let mut stream = std::os::unix::net::UnixStream::connect(socket).unwrap();
            // The rest of what is too long is not read.
            drop(stream.write_all(&text));
            let mut answer = String::new();
            drop(stream.read_to_string(&mut answer));
            answer
        });
        let answer = answer.await;
        assert!(
            answer.is_empty() || answer.contains("not understood"),
            "{answer}"
        );
    }
    let at = dir.path().to_owned();
    assert!(asked(move || ask(&at, &Request::Ping)).await.is_ok());
}

#[tokio::test]
async fn a_simulated_home_is_found_below_the_real_one() {
    let dir = tempfile::tempdir().unwrap();
    let below = dir.path().join(SIMULATED);
    let (_bus, mut tasks) = open(&below).await;
    let at = dir.path().to_owned();
    assert_eq!(asked(move || find(&at)).await.unwrap(), below);
    tasks.shutdown().await;
    let at = dir.path().to_owned();
    let gone = asked(move || find(&at)).await;
    assert!(matches!(gone, Err(LocalError::NotRunning)), "{gone:?}");
}

#[tokio::test]
async fn a_path_too_long_for_a_socket_works_all_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let deep = dir.path().join("d".repeat(200));
    let (_bus, _tasks) = open(&deep).await;
    let at = deep.clone();
    assert!(asked(move || ask(&at, &Request::Ping)).await.is_ok());
    assert!(deep.join(SOCKET).exists());
}

#[tokio::test]
async fn a_report_is_made_by_the_service() {
    let dir = tempfile::tempdir().unwrap();
    let (_bus, _tasks) = open(dir.path()).await;
    for (period, node, told) in [
        ("2026-04", None, Ok("April 2026")),
        (
            "2026-04",
            Some("pc"),
            Err("nothing is known of \"pc\" here"),
        ),
        ("fortnight", None, Err("a period is")),
        ("2999", None, Err("lies in the future")),
    ] {
        let wanted = ReportRequest {
            name: "power".to_owned(),
            period: period.to_owned(),
            node: node.map(str::to_owned),
            format: Format::Text,
        };
        let at = dir.path().to_owned();
        let text = asked(move || {
            let mut out = Vec::new();
            let asked = report(&at, wanted, &mut out);
            asked.map(|()| String::from_utf8(out).unwrap())
        });
        match (text.await, told) {
            (Ok(text), Ok(told)) => assert!(text.contains(told), "{text}"),
            (Err(error), Err(told)) => assert!(error.to_string().contains(told), "{error}"),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_calibration_is_refused_while_nobody_measures() {
    let dir = tempfile::tempdir().unwrap();
    let (_bus, _tasks) = open(dir.path()).await;
    let at = dir.path().to_owned();
    let refused = asked(move || calibrate(&at, Wish::default(), |_| Ok(()))).await;
    let text = refused.unwrap_err().to_string();
    assert!(text.contains("not ready"), "{text}");
}
