//! Updates and restarts that are wanted.

use super::super::updates;
use super::*;

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
        let (collector, _) = built(updates::ENTRY, &machine.host, "");
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
        let (collector, _) = built(updates::ENTRY, &machine.host, "");
        let readings = sample(collector).await.1.unwrap();
        assert_eq!(number(&readings[0], "reboot_required"), want, "{files:?}");
        assert_eq!(number(&readings[0], "pending"), None, "unknown is absent");
    }
    let (collector, _) = built(updates::ENTRY, &Machine::new().host, "");
    assert!(matches!(
        sample(collector).await.1,
        Err(CollectError::Lacking(_))
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
    let (collector, _) = built(updates::ENTRY, &away, "");
    let readings = sample(collector).await.1.unwrap();
    assert_eq!(number(&readings[0], "pending"), None);
    machine.program("apt-get", "echo 'E: broken' >&2; exit 100");
    let (mut collector, _) = built(updates::ENTRY, &machine.host, "");
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
