//! The annotated reference and the examples: they load without a fault, the defaults that the
//! reference tells are the real ones, and every key that the code knows is in it.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "test code"
)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use homewatch::collect;
use homewatch::config::{Config, Environment, Problems, Sources, read};
use homewatch::host::Host;

/// Where the files that the configurations name lie; the test has its own.
const PLACES: [&str; 2] = ["/etc/homewatch/", "/run/"];

fn shipped(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn reference() -> String {
    std::fs::read_to_string(shipped("config/homewatch.toml")).unwrap()
}

/// What a line of the reference says once `marks` are taken away; prose says nothing.
fn said<'a>(line: &'a str, marks: &[&str]) -> &'a str {
    let mark = ["#or ", "##", "#"]
        .into_iter()
        .find(|mark| line.starts_with(mark))
        .unwrap_or("");
    let rest = line.strip_prefix(mark).unwrap_or(line);
    let prose = !rest.starts_with(|c: char| c.is_ascii_lowercase() || c == '[');
    let wanted = mark.is_empty() || marks.contains(&mark);
    if prose || !wanted { "" } else { rest }
}

/// The reference without `marks`.
fn uncommented(marks: &[&str]) -> String {
    let lines: Vec<String> = (reference().lines())
        .map(|line| said(line, marks).to_owned())
        .collect();
    lines.join("\n")
}

/// Every dotted path that the reference names, tables too.
fn named() -> BTreeSet<String> {
    let mut table = String::new();
    let mut paths = BTreeSet::new();
    for line in reference().lines() {
        let text = said(line, &["#", "##", "#or "]);
        if let Some(header) = text.strip_prefix('[') {
            header.trim_end_matches(']').clone_into(&mut table);
            let parts: Vec<&str> = table.split('.').collect();
            for count in 1..=parts.len() {
                let path: Vec<&str> = parts.iter().take(count).copied().collect();
                paths.insert(path.join("."));
            }
        } else if let Some((key, _)) = text.split_once(" = ") {
            paths.insert(if table.is_empty() {
                key.to_owned()
            } else {
                format!("{table}.{key}")
            });
        }
    }
    paths
}

/// Any rule may have any key of rules, any meter any of meters and any budget any of budgets, so it
/// is enough that one of them shows it.
fn generic(path: &str) -> String {
    match path.splitn(3, '.').collect::<Vec<_>>()[..] {
        ["rules", _, key] => format!("rules.*.{key}"),
        ["power", "meters", rest] => match rest.split_once('.') {
            Some((_, key)) => format!("power.meters.*.{key}"),
            None => "power.meters.*".to_owned(),
        },
        ["power", "budgets", rest] => match rest.split_once('.') {
            Some((_, key)) => format!("power.budgets.*.{key}"),
            None => "power.budgets.*".to_owned(),
        },
        _ => path.to_owned(),
    }
}

/// Reads `text` as the program would, collectors' tables included.
fn load(text: &str, environment: Environment) -> (Config, Vec<String>, BTreeSet<String>) {
    let dir = tempfile::tempdir().unwrap();
    let pem = |name: &str| std::fs::read(shipped("tests/embedded/tls").join(name)).unwrap();
    for (file, content) in [
        ("tls/fullchain.pem", pem("cert.pem")),
        ("tls/ca.pem", pem("cert.pem")),
        ("tls/privkey.pem", pem("key.pem")),
        ("secrets/mqtt", b"secret\n".to_vec()),
        ("secrets/ntfy", b"secret\n".to_vec()),
        ("secrets/upsd", b"secret\n".to_vec()),
        ("secrets/ntfy_reply", b"secret\n".to_vec()),
        ("secrets/home-assistant", b"secret\n".to_vec()),
        ("secrets/display", b"secret\n".to_vec()),
        ("secrets/mqtt_homewatch", b"secret\n".to_vec()),
    ] {
        let path = dir.path().join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }
    let file = dir.path().join("homewatch.toml");
    let place = format!("{}/", dir.path().display());
    let text = PLACES
        .iter()
        .fold(text.to_owned(), |text, from| text.replace(from, &place));
    std::fs::write(&file, text).unwrap();
    let sources = Sources {
        file: Some(file),
        environment,
        beneath: None,
    };
    let problems = Problems::default();
    let config = read(&sources, &problems);
    let host = Host::real();
    drop(collect::build_all(&host, &config.collect, &problems));
    let asked = problems.asked();
    let faults = problems.into_vec();
    let faults = faults.iter().map(ToString::to_string);
    (config, faults.collect(), asked)
}

fn fine(text: &str) -> Config {
    let (config, faults, _) = load(text, Environment::default());
    assert_eq!(faults, Vec::<String>::new(), "{text}");
    config
}

/// Everything a configuration says, but the collectors' tables, whose defaults are their own.
fn meaning(mut config: Config) -> String {
    config.collect.clear();
    format!("{config:#?}")
}

#[test]
fn every_shipped_configuration_loads_without_a_fault() {
    fine(&reference());
    let mut count = 0;
    for entry in std::fs::read_dir(shipped("config/examples")).unwrap() {
        fine(&std::fs::read_to_string(entry.unwrap().path()).unwrap());
        count += 1;
    }
    assert!(count > 0);
}

#[test]
fn the_readme_s_configurations_load_and_it_has_a_row_for_every_collector() {
    let page = std::fs::read_to_string(shipped("README.md")).unwrap();
    let mut parts = page.split("```");
    let mut count = 0;
    while let (Some(_), Some(block)) = (parts.next(), parts.next()) {
        // Blocks within a list are indented.
        if let Some(text) = block.strip_prefix("toml\n") {
            let lines: Vec<&str> = text.lines().map(str::trim_start).collect();
            fine(&lines.join("\n"));
            count += 1;
        }
    }
    assert!(count > 0);
    for entry in collect::ENTRIES {
        let row = format!("\n| `{}` |", entry.name);
        assert!(
            page.contains(&row),
            "the README has no row for {}",
            entry.name
        );
    }
}

#[test]
fn the_reference_as_it_stands_changes_nothing() {
    assert_eq!(meaning(fine(&reference())), meaning(fine("")));
    // Least of all may it start the broker inside beside an outside one.
    let url = ("HOMEWATCH__MQTT__BROKER__URL", "mqtt://broker");
    let (config, faults, _) = load(&reference(), Environment::of([url]));
    assert_eq!(faults, Vec::<String>::new());
    assert!(config.mqtt.broker.is_some() && config.mqtt.embedded.is_none());
}

#[test]
fn the_defaults_in_the_reference_are_the_defaults() {
    let text = uncommented(&["#"]);
    assert!(text.contains("\ninterval = \"10s\"\n"), "{text}");
    assert_eq!(meaning(fine(&text)), meaning(fine("")));
}

#[test]
fn every_key_of_the_reference_is_known() {
    let config = fine(&uncommented(&["#", "##"]));
    assert!(config.push.ntfy.is_some() && config.mqtt.broker.is_some());
    assert!(config.api.tls.is_some());
}

#[test]
fn every_known_key_is_in_the_reference() {
    let (_, _, asked) = load(&uncommented(&["#", "##"]), Environment::default());
    let named: BTreeSet<String> = named().iter().map(|path| generic(path)).collect();
    let missing: Vec<&String> = asked
        .iter()
        .filter(|path| {
            let secret = path.strip_suffix("_file").unwrap_or(path);
            !named.contains(&generic(path)) && !named.contains(&generic(secret))
        })
        .collect();
    assert_eq!(missing, Vec::<&String>::new());
    for path in ["node.interval", "rules.node_gone", "collect.cpu.per_core"] {
        assert!(asked.contains(path), "{path} was not asked for");
    }
}
