//! Processes that must be there.

use super::super::checks;
use super::*;

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
    let (collector, told) = built(checks::ENTRY, &machine.host, config);
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
    let (collector, _) = built(checks::ENTRY, &machine.host, "");
    let error = sample(collector).await.1.unwrap_err();
    assert!(matches!(error, CollectError::Absent(_)));
    for (config, words) in [
        ("process.web = {}", "needs name or command"),
        ("process.Web = { name = \"x\" }", "lower-case"),
        ("process.web = { name = 3 }", "text in quotes"),
    ] {
        let told = built(checks::ENTRY, &machine.host, config).1;
        assert!(told.contains(words), "{told}");
    }
    let nowhere = Host::captured(Path::new("/none"), Clock::Real);
    let (collector, _) = built(checks::ENTRY, &nowhere, "process.a.name = \"x\"");
    let error = sample(collector).await.1.unwrap_err();
    assert!(matches!(error, CollectError::Transient(_)));
}
