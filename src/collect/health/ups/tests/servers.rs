//! Several servers, logins, TLS, and servers that misbehave.

use std::io::{BufRead as _, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::*;

trait Duplex: Read + Write {}
impl<T: Read + Write> Duplex for T {}

pub(super) fn pem(name: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    root.join("tests/embedded/tls").join(name)
}

fn tls() -> Arc<ServerConfig> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap();
    let chain = CertificateDer::pem_file_iter(pem("cert.pem")).unwrap();
    let chain = chain.collect::<Result<Vec<_>, _>>().unwrap();
    let key = PrivateKeyDer::from_pem_file(pem("key.pem")).unwrap();
    let config = builder.with_no_client_auth().with_single_cert(chain, key);
    Arc::new(config.unwrap())
}

/// A upsd for so many connections, with TLS or not, that gives back what it was told.
pub(super) fn upsd(
    connections: usize,
    with_tls: bool,
    answer: impl Fn(&str) -> String + Send + 'static,
) -> (String, JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let task = spawn(move || {
        let mut heard = Vec::new();
        for _ in 0..connections {
            let (stream, _) = listener.accept().unwrap();
            let mut wire: BufReader<Box<dyn Duplex>> = BufReader::new(Box::new(stream));
            loop {
                let mut line = String::new();
                // A client that does not trust us goes away.
                if wire.read_line(&mut line).unwrap_or_default() == 0 {
                    break;
                }
                let line = line.trim_end().to_owned();
                heard.push(line.clone());
                if line == "STARTTLS" && with_tls {
                    wire.get_mut().write_all(b"OK STARTTLS\n").unwrap();
                    let session = ServerConnection::new(tls()).unwrap();
                    let stream = StreamOwned::new(session, wire.into_inner());
                    wire = BufReader::new(Box::new(stream));
                } else if line == "LOGOUT" {
                    break;
                } else {
                    wire.get_mut().write_all(answer(&line).as_bytes()).unwrap();
                }
            }
        }
        heard
    });
    (format!("localhost:{port}"), task)
}

/// Answers as upsd with two UPSes does.
pub(super) fn usual(line: &str) -> String {
    match line {
        "LIST UPS" => "BEGIN LIST UPS\nUPS rack \"Rack\"\nUPS desk \"\"\nEND LIST UPS\n".to_owned(),
        "LIST VAR rack" | "LIST VAR desk" => {
            let row = line.strip_prefix("LIST ").unwrap();
            let status = format!("{row} ups.status \"OL\"\n{row} ups.serial \"A 1\"\n");
            format!("BEGIN LIST {row}\n{status}END LIST {row}\n")
        }
        "STARTTLS" => "ERR FEATURE-NOT-CONFIGURED\n".to_owned(),
        _ if line.starts_with("INSTCMD \"rack\"") => "OK\n".to_owned(),
        _ if line.starts_with("INSTCMD") => "ERR CMD-NOT-SUPPORTED\n".to_owned(),
        "PASSWORD \"wrong\"" => "ERR INVALID-PASSWORD\n".to_owned(),
        _ => "OK\n".to_owned(),
    }
}

/// The collector of a configuration below `[collect.ups]`.
pub(super) fn of_toml(text: &str, memory: &Memory) -> (Supplies, Vec<String>) {
    let problems = Problems::default();
    let text = format!("{}\n{text}", "nut = 'off'\napcupsd = 'off'");
    let file = config::File::from_str(&text, config::FileFormat::Toml);
    let value = config::Value::from(config::Source::collect(&file).unwrap());
    let section = Section::new("collect.ups".to_owned(), value, &problems);
    let Settings { servers, feeds, .. } = Settings::read(section);
    let faults = problems.into_vec();
    let faults = faults.iter().map(ToString::to_string).collect();
    let host = Host {
        memory: memory.clone(),
        ..Host::real()
    };
    (Supplies::new(servers, feeds, &host), faults)
}

fn subjects(readings: &[Reading]) -> Vec<&str> {
    readings.iter().map(|one| one.subject.id.as_str()).collect()
}

#[test]
fn a_server_with_a_login_is_told_who_asks_and_everything_is_quoted() {
    let (address, task) = upsd(1, false, usual);
    let (mut supplies, faults) = of_toml(
        &format!(
            "[servers.nas]\naddress = '{address}'\nusername = 'home \"watch\"'\n\
             password = 'a\\b c'\nca_file = '{}'\nunits = ['desk']",
            pem("cert.pem").display()
        ),
        &Memory::default(),
    );
    assert_eq!(faults, Vec::<String>::new());
    assert_eq!(subjects(&supplies.sample().unwrap()), ["ups-desk"]);
    let want = [
        "STARTTLS",
        r#"USERNAME "home \"watch\"""#,
        r#"PASSWORD "a\\b c""#,
        "LIST UPS",
        "LIST VAR desk",
        "LOGOUT",
    ];
    assert_eq!(
        task.join().unwrap(),
        want,
        "without TLS, as it is not offered"
    );
}

#[test]
fn what_is_said_is_encrypted_where_the_server_can_and_refused_where_it_must_be() {
    let ca = format!("ca_file = '{}'", pem("cert.pem").display());
    for (mode, with_tls, trusted, outcome) in [
        ("offered", true, true, ""),
        ("required", true, true, ""),
        ("required", false, true, "nas: it offers no TLS"),
        ("offered", true, false, "nas: no TLS with it: "),
        ("off", true, false, ""),
    ] {
        let (address, task) = upsd(1, with_tls, usual);
        let trust = if trusted { ca.as_str() } else { "" };
        let text = format!("[servers.nas]\naddress = '{address}'\ntls = '{mode}'\n{trust}");
        let (mut supplies, faults) = of_toml(&text, &Memory::default());
        assert_eq!(faults, Vec::<String>::new());
        let told = supplies.sample();
        let heard = task.join().unwrap();
        match told {
            Ok(readings) => assert_eq!(subjects(&readings), ["ups-rack", "ups-desk"]),
            Err(error) => {
                let error = error.to_string();
                assert!(!outcome.is_empty() && error.starts_with(outcome), "{error}");
                assert!(!heard.contains(&"LIST UPS".to_owned()), "{heard:?}");
            }
        }
        assert_eq!(heard[0] == "STARTTLS", mode != "off");
    }
}

#[test]
fn tls_is_not_begun_with_what_somebody_slipped_in_nor_without_a_name_nor_cut_off() {
    for (answer, host, why) in [
        ("OK STARTTLS\nOK\n", "localhost", "somebody is in between"),
        ("OK STARTTLS\n", "local_host_", "no address"),
        ("OK STARTTLS\n", "localhost", "breaks off"),
        ("OK STARTTLS\nHTTP/1.1 400\n", "localhost", "in between"),
        ("what?\n", "localhost", "this is no NUT server"),
    ] {
        let (address, task) = server(vec![answer.as_bytes().to_vec()]);
        let port = address.rsplit_once(':').unwrap().1;
        let text = format!(
            "[servers.nas]\naddress = '{host}:{port}'\ntls = 'required'\nca_file = '{}'",
            pem("cert.pem").display()
        );
        let (mut supplies, _) = of_toml(&text, &Memory::default());
        let error = supplies.sample().unwrap_err().to_string();
        if host == "localhost" {
            task.join().unwrap();
            assert!(error.contains(why), "{error}");
        }
    }
}

#[test]
fn a_host_that_is_no_name_has_no_certificate() {
    let (address, task) = server(vec![b"OK STARTTLS\n".to_vec()]);
    let config = crate::host::tls_client(Some(&pem("cert.pem"))).unwrap();
    let config = Arc::new(config.with_no_client_auth());
    let wire = wire::Wire::open(&address).unwrap().named("no name at all");
    let error = wire.secure(&config).err().unwrap().to_string();
    assert!(error.starts_with("no TLS with it: "), "{error}");
    task.join().unwrap();
}

#[test]
fn every_fault_of_a_server_is_told_with_what_would_be_right() {
    for (table, key, why) in [
        ("", "address", "is missing"),
        ("address = 'nas'", "address", "nas.lan:3493"),
        ("address = 'off'", "address", "nas.lan:3493"),
        ("address = 'n:1'\ntype = 'ups'", "type", "nut, apcupsd"),
        (
            "address = 'n:1'\ntls = 'on'",
            "tls",
            "off, offered, required",
        ),
        (
            "address = 'n:1'\nca_file = '/nowhere/x'",
            "ca_file",
            "/nowhere/x",
        ),
        (
            "address = 'n:1'\nusername = 'x'",
            "username",
            "give both or none",
        ),
        (
            "address = 'n:1'\npassword = 'x'",
            "username",
            "give both or none",
        ),
        (
            "address = 'n:1'\ntests = ['quick']",
            "tests",
            "need a username",
        ),
        (
            "address = 'n:1'\nusername = 'x'\npassword = 'y'\ntests = ['slow']",
            "tests",
            "quick, deep",
        ),
        (
            "address = 'n:1'\ntest_every = '30d'",
            "test_every",
            "needs tests",
        ),
        (
            "address = 'n:1'\ntest_every = '1h'",
            "test_every",
            "a duration",
        ),
        ("address = 'n:1'\npasword = 'x'", "pasword", "password"),
    ] {
        let (_, faults) = of_toml(&format!("[servers.nas]\n{table}"), &Memory::default());
        let full = format!("collect.ups.servers.nas.{key}");
        let told = faults
            .iter()
            .any(|one| one.contains(&full) && one.contains(why));
        assert!(told, "{table}: {faults:?}");
    }
    let fine = "address = 'n:1'\ntype = 'apcupsd'\ntls = 'required'";
    let (_, faults) = of_toml(&format!("[servers.nas]\n{fine}"), &Memory::default());
    assert_eq!(faults, Vec::<String>::new());
}

#[test]
fn ups_of_one_name_on_two_servers_stay_apart_whoever_answers_first() {
    let memory = Memory::default();
    let (first, one) = upsd(2, false, usual);
    let (second, two) = upsd(3, false, usual);
    let text = format!(
        "[servers.a]\naddress = '{first}'\ntls = 'off'\nunits = ['rack']\n\
         [servers.b]\naddress = '{second}'\ntls = 'off'\nunits = ['rack']"
    );
    let (mut supplies, _) = of_toml(&text, &memory);
    assert_eq!(
        subjects(&supplies.sample().unwrap()),
        ["ups-rack", "ups-b-rack"]
    );
    drop(supplies);
    // The other way round after a restart: who had the name keeps it.
    let text = text
        .replace("servers.a", "servers.c")
        .replace("servers.b", "servers.a");
    let text = text.replace("servers.c", "servers.b");
    let (mut supplies, _) = of_toml(&text, &memory);
    assert_eq!(
        subjects(&supplies.sample().unwrap()),
        ["ups-rack", "ups-b-rack"]
    );
    one.join().unwrap();
    // The one that has gone is lost, and is no other's.
    let lost = supplies.sample().unwrap();
    assert_eq!(subjects(&lost), ["ups-rack", "ups-b-rack"]);
    assert_eq!(stands(&lost[1]), Value::from("lost"));
    two.join().unwrap();
}

#[test]
fn a_ups_is_the_same_device_after_a_restart_even_if_it_is_lost_then() {
    let memory = Memory::default();
    let stale = "BEGIN LIST UPS\nUPS rack \"\"\nEND LIST UPS\nERR DRIVER-NOT-CONNECTED\n";
    let (address, task) = server(vec![
        stale.as_bytes().to_vec(),
        nut(
            "rack",
            "ups.status: OB\nups.model: Eco 650\nups.mfr: N/A\nups.serial: 000",
        ),
        stale.as_bytes().to_vec(),
    ]);
    let text = format!("[servers.nas]\naddress = '{address}'\ntls = 'off'");
    let (mut supplies, _) = of_toml(&text, &memory);
    let device = |reading: &Reading| reading.subject.device.clone();
    let Device::Part { model, .. } = device(&supplies.sample().unwrap()[0]) else {
        panic!("it is a part");
    };
    assert_eq!(model, None, "nobody has told it yet");
    let known = device(&supplies.sample().unwrap()[0]);
    let Device::Part {
        model,
        manufacturer,
        serial,
        ..
    } = &known
    else {
        panic!("it is a part");
    };
    assert_eq!(model.as_deref(), Some("Eco 650"));
    assert_eq!((manufacturer, serial), (&None, &None), "that says nothing");
    drop(supplies);
    let (mut supplies, _) = of_toml(&text, &memory);
    let lost = supplies.sample().unwrap().remove(0);
    assert_eq!(device(&lost), known);
    assert!(is(&lost, "lost_on_battery"));
    task.join().unwrap();
    // Now even the server is away.
    drop(supplies);
    let (mut supplies, _) = of_toml(&text, &memory);
    let lost = supplies.sample().unwrap().remove(0);
    assert_eq!((device(&lost), is(&lost, "lost_on_battery")), (known, true));
    let (mut other, _) = of_toml(&text.replace("nas", "attic"), &memory);
    let error = other.sample().unwrap_err().to_string();
    assert_eq!(error, "attic: nobody answers", "it is expected");
}

#[test]
fn one_that_dribbles_is_given_up_in_time_and_then_left_alone_for_a_while() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let task = spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        // A byte now and then would keep a time-out for each step alive for ever.
        while stream.write_all(b"x").is_ok() {
            std::thread::park_timeout(std::time::Duration::from_millis(100));
        }
    });
    let access = server::Access {
        address,
        ..server::read(&mut Section::root(
            config::Value::default(),
            &Problems::default(),
        ))
        .remove(0)
    };
    let mut server = Server::new(access);
    let now = Instant::now();
    assert_eq!(server.ask(now), Err(Silence::Late));
    task.join().unwrap();
    let later = now + Duration::from_secs(9);
    assert_eq!(
        server.ask(later),
        Err(Silence::Late),
        "it is not even asked"
    );
    let later = now + Duration::from_secs(10);
    assert_eq!(server.ask(later), Err(Silence::Nobody));
    assert_eq!(server.ask(later), Err(Silence::Nobody), "the pause is over");
}

#[test]
fn the_tests_that_are_allowed_are_offered_with_the_ups() {
    let dir = tempfile::tempdir().unwrap();
    let host = crate::host::Host::captured(dir.path(), crate::host::Clock::Real);
    for (allowed, keys) in [
        ("", &[][..]),
        (
            "tests = ['quick']\nusername = 'x'\npassword = 'y'",
            &["test_quick"],
        ),
    ] {
        let table = format!("[servers.nut]\naddress = \"127.0.0.1:1\"\n{allowed}");
        let (mut supplies, faults) = of_toml(&table, &host.memory);
        assert_eq!(faults, [""; 0]);
        let told = Told {
            name: "rack".to_owned(),
            ..Told::default()
        };
        let now = (Instant::now(), Timestamp::UNIX_EPOCH);
        let readings = supplies.hear("nut", &[told], now);
        let offers = &readings[0].offers;
        let offered: Vec<&str> = offers.iter().map(|one| one.key.as_str()).collect();
        assert_eq!(offered, keys);
        assert!(offers.iter().all(|one| one.command == "ups/ups-rack/test"));
    }
}

#[test]
fn a_test_of_the_battery_is_ordered_and_its_refusal_is_told() {
    let (address, task) = upsd(3, false, usual);
    let mut access = server::read(&mut Section::root(
        config::Value::default(),
        &Problems::default(),
    ))
    .remove(0);
    access.address = address;
    let order = |unit: &str| nut::command(&access, unit, "test.battery.start.quick");
    assert_eq!(order("rack"), Ok(()));
    let no = "this UPS has no such command";
    assert_eq!(order("desk"), Err(no.to_owned()));
    access.login = Some(server::Login {
        user: "x".to_owned(),
        password: crate::config::Secret::new("wrong".to_owned()),
    });
    let order = |unit: &str| nut::command(&access, unit, "test.battery.start.quick");
    let no = "upsd wants another password (upsd.users)";
    assert_eq!(order("rack"), Err(no.to_owned()));
    let heard = task.join().unwrap();
    let instcmd = r#"INSTCMD "rack" test.battery.start.quick"#;
    assert_eq!(heard[0], instcmd);
    assert_eq!(order("rack"), Err("nobody answers".to_owned()));
}
