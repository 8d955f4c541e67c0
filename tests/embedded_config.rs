//! What `[mqtt.embedded]` accepts and how its faults read.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::too_many_lines,
    reason = "test code"
)]

use std::path::Path;

use homewatch::config::{Config, Sources, load};

fn read(text: &str) -> Result<Config, Vec<String>> {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("homewatch.toml");
    std::fs::write(&file, text).unwrap();
    let sources = Sources {
        file: Some(file),
        ..Sources::default()
    };
    load(&sources).map_err(|problems| {
        problems
            .into_iter()
            .map(|problem| format!("{} {}", problem.key, problem.text))
            .collect()
    })
}

fn tls(listen: &str, cert: &str, key: &str) -> String {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/embedded/tls");
    format!(
        "[mqtt.embedded.tls]\nlisten = \"{listen}\"\ncert = \"{}\"\nkey = \"{}\"\n",
        dir.join(cert).display(),
        dir.join(key).display()
    )
}

const USER: &str = "[mqtt.embedded.users.ha]\npassword = \"p\"\n";

#[test]
fn defaults_are_safe() {
    let embedded = read("").unwrap().mqtt.embedded.unwrap();
    assert_eq!(embedded.listen.to_string(), "127.0.0.1:1883");
    assert_eq!(
        (embedded.max_connections, embedded.max_payload),
        (50, 524_288)
    );
    assert!(embedded.users.is_empty() && embedded.tls.is_none());
}

#[test]
fn everything_can_be_set() {
    let text = format!(
        "[mqtt.embedded]\nlisten = \"0.0.0.0:1883\"\nmax_connections = 10\nmax_payload = \"16KiB\"\n\
         {USER}read = [\"homewatch/#\"]\npublish = [\"a/+\"]\ncommands = true\n\
         [mqtt.embedded.users.guest]\npassword = \"q\"\n{}",
        tls("[::]:8883", "cert.pem", "key.pem")
    );
    let embedded = read(&text).unwrap().mqtt.embedded.unwrap();
    assert_eq!(
        (embedded.max_connections, embedded.max_payload),
        (10, 16_384)
    );
    let user = embedded.users.get("ha").unwrap();
    assert_eq!(
        (user.read.as_slice(), user.publish.as_slice()),
        (&["homewatch/#".to_owned()][..], &["a/+".to_owned()][..])
    );
    assert!(user.commands);
    let guest = embedded.users.get("guest").unwrap();
    assert_eq!(guest.read, ["#"], "who is let in may read");
    assert!(
        guest.publish.is_empty() && !guest.commands,
        "and no more, unless it is said"
    );
    assert_eq!(embedded.tls.unwrap().listen.port(), 8883);
}

#[test]
fn faults_name_the_key_and_the_remedy() {
    let open = "[mqtt.embedded]\nlisten = \"0.0.0.0:1883\"\n";
    let cases = [
        (open.to_owned(), "mqtt.embedded.listen", "add a user"),
        (
            "[mqtt.embedded]\nlisten = \"[::]:1883\"\n".to_owned(),
            "mqtt.embedded.listen",
            "add a user",
        ),
        (
            tls("0.0.0.0:8883", "cert.pem", "key.pem"),
            "mqtt.embedded.tls.listen",
            "add a user",
        ),
        (
            tls("127.0.0.1:8883", "none.pem", "key.pem"),
            "mqtt.embedded.tls.cert",
            "none.pem",
        ),
        (
            tls("127.0.0.1:8883", "mod.rs", "key.pem"),
            "mqtt.embedded.tls.cert",
            "must be a PEM file",
        ),
        (
            tls("127.0.0.1:8883", "key.pem", "key.pem"),
            "mqtt.embedded.tls.cert",
            "it holds none",
        ),
        (
            tls("127.0.0.1:8883", "cert.pem", "cert.pem"),
            "mqtt.embedded.tls.key",
            "private key",
        ),
        (
            "[mqtt.embedded.tls]\nlisten = \"127.0.0.1:1\"\n".to_owned(),
            "mqtt.embedded.tls.cert",
            "is missing",
        ),
        (
            "[mqtt.embedded]\nlisten = \"here\"\n".to_owned(),
            "mqtt.embedded.listen",
            "127.0.0.1:1883",
        ),
        (
            "[mqtt.embedded]\nmax_connections = 0\n".to_owned(),
            "mqtt.embedded.max_connections",
            "from 1 to 1000",
        ),
        (
            "[mqtt.embedded]\nmax_payload = \"1GiB\"\n".to_owned(),
            "mqtt.embedded.max_payload",
            "a size",
        ),
        (
            "[mqtt.embedded]\nlisen = \"127.0.0.1:1\"\n".to_owned(),
            "mqtt.embedded.lisen",
            "did you mean \"listen\"?",
        ),
        (
            "[mqtt.embedded.users.ha]\n".to_owned(),
            "mqtt.embedded.users.ha.password",
            "is missing",
        ),
        (
            "[mqtt.embedded.users.ha]\npassword = \"\"\n".to_owned(),
            "mqtt.embedded.users.ha.password",
            "must not be empty",
        ),
        (
            format!("{USER}read = [\"a#\"]\n"),
            "mqtt.embedded.users.ha.read",
            "must be a topic filter",
        ),
        (
            format!("{USER}publish = [\"\"]\n"),
            "mqtt.embedded.users.ha.publish",
            "must be a topic filter",
        ),
        (
            format!("{USER}command = true\n"),
            "mqtt.embedded.users.ha.command",
            "did you mean \"commands\"?",
        ),
    ];
    for (text, key, what) in cases {
        let problems = read(&text).unwrap_err();
        let told = problems
            .iter()
            .any(|problem| problem.starts_with(key) && problem.contains(what));
        assert!(told, "{text}\n{problems:#?}");
    }
}

#[test]
fn a_network_listener_is_fine_once_there_are_users() {
    assert!(
        read(&format!(
            "[mqtt.embedded]\nlisten = \"0.0.0.0:1883\"\n{USER}"
        ))
        .is_ok()
    );
}
