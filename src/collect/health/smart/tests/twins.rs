//! Disks that are hard to tell apart, and answers that were cut.

use serde_json::json;

use super::super::*;
use super::ata;
use super::machine::{Machine, ids, told};

/// SATA disks behind a controller, the kernel's disk being the array of them.
#[tokio::test(start_paused = true)]
async fn each_disk_behind_a_controller_is_its_own_however_it_is_spoken_to() {
    for (first, second) in [
        ("sat+megaraid,4", "sat+megaraid,5"),
        ("cciss,0", "cciss,1"),
        ("jmb39x,0", "jmb39x,1"),
    ] {
        let mut machine = Machine::new();
        machine.kernel("sda");
        machine.scans(&json!([{"name": "/dev/sda", "type": first},
            {"name": "/dev/sda", "type": second}]));
        let mut other = ata(7200, [160, 0, 0]);
        other["serial_number"] = json!("OTHER");
        machine.says("sda", first, 0, &ata(7200, [0; 3]).to_string());
        machine.says("sda", second, 0, &other.to_string());
        let readings = machine.now().await;
        assert_eq!(ids(&readings), ["disk-wd-wcc4n0", "disk-other"], "{first}");
        assert_eq!(told(&readings[1], "verdict"), "warning");
    }
    for kind in ["sat,12", "usbjmicron,0", "sntjmicron,0x1", "nvme,1"] {
        let mut machine = Machine::new().with(&[("sda", kind, ata(7200, [0; 3]))]);
        assert_eq!(ids(&machine.now().await), ["disk-s-sda"], "{kind}");
    }
}

/// Cheap bridges give all their disks one serial number, and a disk may have two ways to it.
#[tokio::test(start_paused = true)]
async fn no_failure_hides_behind_another_disk_of_one_serial_number() {
    let ways = ["megaraid,0", "megaraid,1", "megaraid,2"];
    let mut machine = Machine::new();
    let device = |kind| json!({"name": "/dev/bus/0", "type": kind});
    machine.scans(&json!(ways.map(device)));
    let say = |machine: &Machine, sectors: [Option<u64>; 3]| {
        for (way, sectors) in ways.iter().zip(sectors) {
            let answer = sectors.map(|sectors| ata(7200, [sectors, 0, 0]).to_string());
            machine.says("bus_0", way, 0, &answer.unwrap_or_default());
        }
    };
    for (sectors, want) in [
        ([Some(0), Some(160), Some(1)], "warning"),
        // A way that is cut says nothing of the disk at its end.
        ([Some(0), Some(0), None], "ok"),
        ([None, Some(0), None], "ok"),
        ([None, None, None], "unreadable"),
    ] {
        say(&machine, sectors);
        let mut told_last = String::new();
        for _ in 0..8 {
            let readings = machine.sample(EVERY).await.unwrap();
            assert_eq!(ids(&readings), ["disk-wd-wcc4n0"]);
            told_last = told(&readings[0], "verdict");
        }
        assert_eq!(told_last, want, "{sectors:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn disks_without_a_serial_number_are_told_apart_by_their_place() {
    let mut machine = Machine::new();
    machine.scans(&json!([{"name": "/dev/bus/0", "type": "megaraid,0"},
        {"name": "/dev/bus/0", "type": "megaraid,1"}]));
    for (way, sectors) in [("megaraid,0", 0), ("megaraid,1", 160)] {
        let mut json = ata(7200, [sectors, 0, 0]);
        json["serial_number"] = json!("");
        machine.says("bus_0", way, 0, &json.to_string());
    }
    let readings = machine.now().await;
    let places = ["disk-dev-bus-0-megaraid-0", "disk-dev-bus-0-megaraid-1"];
    assert_eq!(ids(&readings), places);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_was_cut_short_is_asked_for_again_soon_but_once() {
    let mut machine = Machine::new().with(&[("sda", "sat", ata(7200, [0; 3]))]);
    machine.says("sda", "sat", 0, "{\"half");
    let readings = machine.now().await;
    assert_eq!(told(&readings[0], "verdict"), "unreadable");
    let readings = machine.sample(RETRY).await.unwrap();
    assert_eq!(told(&readings[0], "verdict"), "unreadable");
    machine.says("sda", "sat", 0, &ata(7200, [0; 3]).to_string());
    for (later, want) in [(RETRY, "unreadable"), (EVERY.saturating_sub(RETRY), "ok")] {
        let readings = machine.sample(later).await.unwrap();
        assert_eq!(told(&readings[0], "verdict"), want);
    }
    // A way that is asked again in vain once is asked again at once the next time.
    machine.says("sda", "sat", 0, "");
    machine.sample(EVERY).await.unwrap();
    machine.says("sda", "sat", 0, &ata(7200, [0; 3]).to_string());
    let readings = machine.sample(RETRY).await.unwrap();
    assert_eq!(told(&readings[0], "verdict"), "ok");
}
