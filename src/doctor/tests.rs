use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::bus::{Bus, State};
use crate::config::{Environment, Sources};
use crate::host::Clock;
use crate::http::{Scope, Tokens};
use crate::local::{self, Door};
use crate::report::{Basis, Reports};
use crate::store::Store;

/// A configuration that watches the captured machine `name`, with `more` in it.
fn config(dir: &Path, name: &str, more: &str) -> Config {
    let tree = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/hosts")
        .join(name);
    let (tree, data) = (tree.display(), dir.join("data"));
    let text = format!(
        "data_dir = {data:?}\n{more}\n[host]\nproc = \"{tree}/proc\"\nsys = \"{tree}/sys\"\n\
         root = \"{tree}/root\"\n[mqtt.embedded]\nlisten = \"127.0.0.1:0\"\n"
    );
    let file = dir.join("homewatch.toml");
    std::fs::write(&file, text).unwrap();
    let sources = Sources {
        file: Some(file),
        environment: Environment::default(),
        beneath: None,
    };
    crate::app::load(&sources).unwrap_or_else(|problems| panic!("{problems:?}"))
}

const ANY_PORT: &str = "api.listen = \"127.0.0.1:0\"";

/// The finding whose text has `words`.
fn about<'a>(findings: &'a [Finding], words: &str) -> &'a Finding {
    let found = findings.iter().find(|finding| finding.text.contains(words));
    found.unwrap_or_else(|| panic!("nothing about {words:?} in {findings:#?}"))
}

#[tokio::test]
async fn a_machine_that_is_fine_is_told_so_and_what_would_be_next() {
    let dir = tempfile::tempdir().unwrap();
    let findings = examine(&config(dir.path(), "desktop", ANY_PORT), false).await;
    assert!(
        findings
            .iter()
            .all(|finding| finding.verdict != Verdict::Broken),
        "{findings:#?}"
    );
    assert_eq!(about(&findings, "temperatures: ").verdict, Verdict::Fine);
    assert_eq!(about(&findings, "embedded broker").verdict, Verdict::Fine);
    assert_eq!(
        about(&findings, "made at the first start").verdict,
        Verdict::Fine
    );
    let token = about(&findings, "no access token");
    assert_eq!(token.verdict, Verdict::Hint);
    assert!(
        token
            .remedy
            .as_ref()
            .unwrap()
            .starts_with("homewatch token add")
    );
    assert_eq!(about(&findings, "reach no phone").verdict, Verdict::Absent);
    assert!(
        !dir.path().join("data").exists(),
        "it looks and changes nothing"
    );
}

#[tokio::test]
async fn a_machine_without_sensors_is_told_kindly() {
    let dir = tempfile::tempdir().unwrap();
    let mut bare = config(dir.path(), "desktop", ANY_PORT);
    bare.host.sys = dir.path().join("nothing");
    let findings = examine(&bare, false).await;
    let told = about(&findings, "no temperature sensors");
    assert_eq!(told.verdict, Verdict::Hint);
    assert!(told.remedy.is_some());
}

#[tokio::test]
async fn what_is_configured_and_cannot_work_is_broken_and_has_a_remedy() {
    let dir = tempfile::tempdir().unwrap();
    let held = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let closed = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let more = format!(
        "api.listen = \"{}\"\nmqtt.broker.url = \"mqtt://{closed}\"\n\
         history.max_size = \"900TB\"\n[push.ntfy]\nserver = \"http://{closed}\"\ntopic = \"t\"",
        held.local_addr().unwrap()
    );
    let mut config = config(dir.path(), "desktop", &more);
    std::fs::write(dir.path().join("data"), "a file").unwrap();
    config.data_dir = dir.path().join("data/below");
    let findings = examine(&config, true).await;
    for words in ["the API port", "the broker mqtt://", "cannot be made"] {
        assert_eq!(about(&findings, words).verdict, Verdict::Broken, "{words}");
    }
    let push = findings
        .iter()
        .find(|one| one.chapter == "Push messages")
        .unwrap();
    assert_eq!(push.verdict, Verdict::Broken);
    assert!(push.remedy.as_ref().unwrap().contains("push.ntfy.server"));
    // The same without trying it.
    let calm = super::push::examine(&app::host(&config.host), &config, false).await;
    assert_eq!(calm[0].verdict, Verdict::Fine);
}

#[tokio::test]
async fn a_store_in_use_is_told_from_one_that_is_free() {
    let dir = tempfile::tempdir().unwrap();
    let config = config(
        dir.path(),
        "nas",
        &format!("history.max_size = \"100MB\"\n{ANY_PORT}"),
    );
    let store = Store::open(&config.data_dir).unwrap();
    let now = Clock::Real.now();
    Tokens::new(&config.data_dir)
        .add("phone", &[Scope::Read], now)
        .unwrap();
    let findings = examine(&config, false).await;
    let broken = about(&findings, "in use by process");
    assert_eq!(broken.verdict, Verdict::Broken);
    assert_eq!(about(&findings, "1 access token").verdict, Verdict::Fine);

    // By homewatch itself: all that it holds is fine.
    let (bus, _) = Bus::new(State::new(Duration::from_mins(5)));
    let door = Arc::new(Door {
        node: "nas".to_owned(),
        bus,
        store: store.clone(),
        reports: Reports::new(Basis::plain(&store, Clock::Real)),
        clock: Clock::Real,
        calibration: crate::power::Calibration::default(),
        simulated: false,
    });
    let mut tasks = tokio::task::JoinSet::new();
    let at = config.data_dir.clone();
    tasks.spawn(async move { local::serve(&at, door).await.unwrap() });
    tokio::task::yield_now().await;
    let examined = {
        let config = config.clone();
        tokio::task::spawn_blocking(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            runtime.unwrap().block_on(examine(&config, false))
        })
    };
    let findings = examined.await.unwrap();
    assert_eq!(
        about(&findings, "in use by the running homewatch").verdict,
        Verdict::Fine
    );
    assert_eq!(
        about(&findings, "embedded broker on").verdict,
        Verdict::Fine
    );
    assert_eq!(about(&findings, "REST bridge on").verdict, Verdict::Fine);
    tasks.shutdown().await;
    drop(store);
    let findings = examine(&config, false).await;
    assert_eq!(about(&findings, "can be used").verdict, Verdict::Fine);
}
