//! What the programs of the simulated machine print, besides smartctl: systemd's and the package
//! manager's.

use super::machine::{HZ, Machine, SERVICES};

/// The service that a scenario can let fail.
const FAILING: &str = "restic";
const PROPERTIES: &str =
    "--property=Id,LoadState,ActiveState,SubState,Result,NRestarts,MemoryCurrent,CPUUsageNSec";

/// Each call as a file of answers, with its text; the first line is the exit status.
pub(super) fn answers(machine: &Machine) -> Vec<(String, String)> {
    let failed = machine.controls.get("service_failed") >= 1.0;
    let list = if failed {
        format!("0\n{FAILING}.service loaded failed failed {FAILING}\n")
    } else {
        "0\n".to_owned()
    };
    let block = |(name, share, megabytes): &(&str, f64, u64)| {
        let (state, sub, result) = if failed && *name == FAILING {
            ("failed", "failed", "exit-code")
        } else {
            ("active", "running", "success")
        };
        let memory = megabytes << 20;
        let nanoseconds = machine.busy * share / HZ * 1e9;
        format!(
            "Id={name}.service\nLoadState=loaded\nActiveState={state}\nSubState={sub}\n\
             Result={result}\nNRestarts=0\nMemoryCurrent={memory}\n\
             CPUUsageNSec={nanoseconds:.0}\n\n"
        )
    };
    let blocks: String = SERVICES.iter().map(block).collect();
    let shown = format!("0\n{blocks}");
    let names: Vec<String> = SERVICES
        .iter()
        .map(|(name, _, _)| format!("{name}.service"))
        .collect();
    let names = names.join(" ");
    let show = format!("systemctl show {PROPERTIES} -- {names}");
    let mut all = vec![
        (
            "systemctl list-units --state=failed --plain --no-legend --full".to_owned(),
            list,
        ),
        (
            "apt-get -s -o Debug::NoLocking=true dist-upgrade".to_owned(),
            "0\nInst openssl [3.5.1-1] (3.5.4-1 Debian-Security:13/stable-security [amd64])\n\
             Inst rsync [3.4.1-1] (3.4.1-2 Debian:13.2/stable [amd64])\n"
                .to_owned(),
        ),
    ];
    // One that is watched and has failed is asked for twice.
    all.push((file(&format!("{show} {FAILING}.service")), shown.clone()));
    all.push((file(&show), shown));
    for (name, _, _) in SERVICES {
        all.push((format!("systemctl restart {name}"), "0\n".to_owned()));
        all.push((
            format!("systemctl restart {name}.service"),
            "0\n".to_owned(),
        ));
    }
    all
}

/// Files have no longer names than this.
fn file(call: &str) -> String {
    call.chars().take(250).collect()
}
