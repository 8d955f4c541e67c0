use serde_json::{Value as Json, json};
use tokio::sync::oneshot::Receiver;

use super::super::*;
use super::machine::{Machine, configured, told};
use super::{answer, ata};
use crate::host::Done;

/// A disk with this state of a self-test that runs, and these results of earlier ones.
fn tested(running: u64, results: &Json) -> String {
    let mut disk = ata(7200, [0; 3]);
    disk["ata_smart_data"] = json!({"self_test": {"status": {"value": running}}});
    disk["ata_smart_self_test_log"] = json!({"standard": {"table": results}});
    disk.to_string()
}

const RUNS: u64 = 0xf9;

fn machine(table: &str) -> Machine {
    let well = ata(7200, [0; 3]);
    let disks = [("sda", "sat", well.clone()), ("sdb", "sat", well)];
    let mut machine = Machine::new().with(&disks);
    let (smart, faults) = configured(&machine.host, table);
    assert_eq!(faults, [""; 0]);
    machine.smart = smart;
    machine
}

/// What smartctl answers when it is to begin a test.
fn begins(machine: &Machine, call: &str, code: i32, more: &Json) {
    let text = answer(more);
    machine.answers(
        &format!("smartctl --json {call}"),
        &format!("{code}\n{text}"),
    );
}

fn ask(machine: &Machine, disk: &str, text: Option<&str>) -> Receiver<Done> {
    machine.host.desk.ask("smart", disk, text)
}

const ALLOWED: &str = "[selftest]\ncommand = true";
const NIGHTLY: &str = "[selftest]\nshort = \"7d\"";

#[tokio::test(start_paused = true)]
async fn a_command_begins_a_test_only_where_that_is_allowed_and_makes_sense() {
    let mut forbidding = machine("");
    assert_eq!(forbidding.now().await[0].offers[..], []);
    let done = ask(&forbidding, "disk-s-sda", None);
    forbidding.now().await;
    let refused = done.await.unwrap().unwrap_err();
    assert!(refused.contains("selftest.command = true"), "{refused}");
    let mut machine = machine(ALLOWED);
    let offers = machine.now().await.swap_remove(0).offers;
    let offers: Vec<_> = offers
        .iter()
        .map(|one| (&*one.key, &*one.command))
        .collect();
    let command = "health/disk-s-sda/selftest";
    assert_eq!(
        offers,
        [
            ("selftest_short", command),
            ("selftest_long", command),
            ("selftest_abort", command)
        ]
    );
    for (disk, text, said) in [
        ("disk-none", None, "there are disk-s-sda, disk-s-sdb"),
        (
            "disk-s-sda",
            Some("endless"),
            "\"short\", \"long\" or \"abort\"",
        ),
        ("disk-s-sda", Some("abort"), "does not test itself"),
    ] {
        let done = ask(&machine, disk, text);
        machine.now().await;
        let refused = done.await.unwrap().unwrap_err();
        assert!(refused.contains(said), "{refused}");
    }
    // It may wake the disk: somebody has asked.
    begins(&machine, "-d sat -t long _dev_sda", 64, &json!({}));
    let (first, second) = (
        ask(&machine, "s-sda", Some("long")),
        ask(&machine, "disk-s-sdb", None),
    );
    machine.now().await;
    let begun = first.await.unwrap().unwrap();
    assert_eq!(
        begun,
        json!({"disk": "disk-s-sda", "test": "long", "state": "begun"})
    );
    let refused = second.await.unwrap().unwrap_err();
    assert!(refused.contains("at a time"), "{refused}");
    let third = ask(&machine, "disk-s-sdb", None);
    machine.now().await;
    let refused = third.await.unwrap().unwrap_err();
    assert!(
        refused.contains("disk-s-sda still tests itself"),
        "{refused}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_test_that_runs_can_be_ended_by_command() {
    let mut machine = machine(ALLOWED);
    machine.says("sda", "sat", 0, &tested(RUNS, &json!([])));
    machine.now().await;
    begins(&machine, "-d sat -X _dev_sda", 0, &json!({}));
    let done = ask(&machine, "disk-s-sda", Some("abort"));
    machine.now().await;
    assert_eq!(
        done.await.unwrap().unwrap(),
        json!({"disk": "disk-s-sda", "test": "abort", "state": "aborted"})
    );
    let aborted = json!([{"status": {"value": 24, "string": "Aborted by host"}}]);
    machine.says("sda", "sat", 0, &tested(0, &aborted));
    let readings = machine.sample(Duration::from_secs(15)).await.unwrap();
    assert_eq!(told(&readings[0], "selftest_running"), "0");
    assert_eq!(told(&readings[0], "selftest"), "aborted");
    // One that cannot be ended says why.
    machine.says("sdb", "sat", 0, &tested(RUNS, &json!([])));
    machine.sample(EVERY * 2).await.unwrap();
    let complaint = json!({"smartctl": {"messages":
        [{"string": "Abort self-test failed", "severity": "error"}]}});
    begins(&machine, "-d sat -X _dev_sdb", 4, &complaint);
    let done = ask(&machine, "disk-s-sdb", Some("abort"));
    machine.now().await;
    let refused = done.await.unwrap().unwrap_err();
    assert_eq!(refused, "Abort self-test failed");
}

#[tokio::test(start_paused = true)]
async fn a_test_is_followed_and_its_end_is_told() {
    let mut machine = machine(ALLOWED);
    machine.now().await;
    begins(&machine, "-d sat -t short _dev_sda", 0, &json!({}));
    let done = ask(&machine, "disk-s-sda", None);
    machine.now().await;
    assert!(done.await.unwrap().is_ok());
    machine.says("sda", "sat", 0, &tested(RUNS, &json!([])));
    let readings = machine.sample(Duration::from_secs(15)).await.unwrap();
    assert_eq!(told(&readings[0], "selftest_running"), "1");
    let failed = json!([{"status": {"value": 117, "passed": false, "string": "Read failure"}}]);
    machine.says("sda", "sat", 128, &tested(0, &failed));
    let later = machine.host.clock.now() + jiff::SignedDuration::from_mins(3);
    machine.host.clock.set(later);
    let readings = machine.sample(Duration::from_mins(2)).await.unwrap();
    assert_eq!(told(&readings[0], "selftest"), "failed");
    let happened = machine.host.desk.told().await;
    let want = json!({"disk": "disk-s-sda", "test": "short", "result": "failed",
        "says": "Read failure"});
    assert_eq!(happened, [("selftest", want)]);
    // It is free for another one now, over a restart too.
    machine.restart(0);
    machine.smart = configured(&machine.host, ALLOWED).0;
    machine.now().await;
    let done = ask(&machine, "disk-s-sda", None);
    machine.now().await;
    assert!(done.await.unwrap().is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_disk_without_a_log_is_told_to_have_ended_without_a_result() {
    let mut machine = machine(ALLOWED);
    machine.now().await;
    begins(&machine, "-d sat -t short _dev_sda", 0, &json!({}));
    drop(ask(&machine, "disk-s-sda", None));
    machine.now().await;
    let later = machine.host.clock.now() + jiff::SignedDuration::from_mins(3);
    machine.host.clock.set(later);
    machine.sample(Duration::from_mins(3)).await.unwrap();
    let happened = machine.host.desk.told().await;
    assert_eq!(
        happened[0].1,
        json!({"disk": "disk-s-sda", "test": "short"})
    );
}

#[tokio::test(start_paused = true)]
async fn what_is_due_begins_at_night_on_one_disk_that_is_awake_when_all_is_calm() {
    let mut machine = machine(NIGHTLY);
    for disk in ["sda", "sdb"] {
        begins(
            &machine,
            &format!("-n standby,3 -d sat -t short _dev_{disk}"),
            0,
            &json!({}),
        );
    }
    machine.says("sda", "sat", 3, &answer(&json!({})).to_string());
    machine.now().await;
    machine.now().await;
    assert_eq!(
        machine.host.memory.keys("selftest/"),
        [""; 0],
        "it is not calm"
    );
    machine.host.desk.set_calm(true);
    machine.now().await;
    machine.now().await;
    assert_eq!(
        machine.host.memory.keys("selftest/"),
        ["selftest/disk-s-sdb"]
    );
    // The other one wakes, and waits for the end of the first.
    machine.says("sda", "sat", 0, &ata(7200, [0; 3]).to_string());
    machine.says("sdb", "sat", 0, &tested(RUNS, &json!([])));
    machine.sample(Duration::from_mins(40)).await.unwrap();
    assert_eq!(machine.host.memory.keys("selftest/").len(), 1);
    let later = machine.host.clock.now() + jiff::SignedDuration::from_mins(40);
    machine.host.clock.set(later);
    machine.says("sdb", "sat", 0, &tested(0, &json!([])));
    machine.sample(Duration::from_mins(40)).await.unwrap();
    machine.now().await;
    assert_eq!(machine.host.memory.keys("selftest/").len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_test_that_cannot_begin_says_why_and_waits() {
    let because =
        |text: &str| json!({"smartctl": {"messages": [{"string": text, "severity": "error"}]}});
    for (code, more, said) in [
        (4, because("Self-tests not supported"), "not supported"),
        (3, json!({}), "it sleeps"),
        (2, json!({}), "exit status 2"),
    ] {
        let mut machine = machine(ALLOWED);
        machine.now().await;
        begins(&machine, "-d sat -t short _dev_sda", code, &more);
        let done = ask(&machine, "disk-s-sda", None);
        machine.now().await;
        let refused = done.await.unwrap().unwrap_err();
        assert!(refused.contains(said), "{refused}");
    }
    let mut machine = machine(ALLOWED);
    machine.now().await;
    machine.answers("smartctl --json -d sat -t short _dev_sda", "1\nusage");
    let done = ask(&machine, "disk-s-sda", None);
    machine.now().await;
    assert!(done.await.unwrap().unwrap_err().contains("no whole JSON"));
}

#[tokio::test(start_paused = true)]
async fn one_that_hangs_is_told_to_whoever_asked() {
    let mut machine = machine(ALLOWED);
    machine.now().await;
    let disk = ask(&machine, "disk-s-sda", None);
    let (program, limit) = ("smartctl".to_owned(), LIMIT);
    let hangs = Err(ExecError::TimeOut {
        program,
        limit,
        left: None,
    });
    let (reason, ()) = tokio::join!(disk, async {
        // As the collector does, with a program that does not answer.
        let errand = machine.host.desk.take("smart").remove(0);
        errand.answer(Err(testing::refusal(&hangs).unwrap()));
    });
    assert!(reason.unwrap().unwrap_err().contains("no answer within"));
}
