//! Disks that do not answer, and the scan that they hold up.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};

use super::super::way;
use super::super::*;
use super::machine::{Machine, ids, told};
use super::{answer, ata, nvme};

const LIST: &str = "smartctl --json --scan";

/// A collector whose programs hang at will.
struct Rig {
    machine: Machine,
    smart: Option<Smart>,
}

impl Rig {
    fn new(machine: Machine) -> Self {
        let mut rig = Self {
            machine,
            smart: None,
        };
        rig.restart();
        rig
    }

    fn restart(&mut self) {
        let problems = crate::config::Problems::default();
        let table = config::Value::default();
        let section = Section::new("collect.smart".to_owned(), table, &problems);
        self.smart = Some(Smart::new(&self.machine.host, section));
    }

    fn smart(&mut self) -> &mut Smart {
        self.smart.as_mut().unwrap()
    }

    /// This runs and does not end.
    fn hangs(&mut self, task: Task) {
        self.smart().running = Some(Running {
            task,
            since: Instant::now(),
            answer: Box::pin(std::future::pending()),
        });
    }

    /// The scan that opens the disks hangs.
    fn scan_hangs(&mut self) {
        let kernel = kernel_disks(&self.machine.host.root);
        self.hangs(Task::Scan(kernel));
    }

    /// What was set aside at `place` ends so.
    fn ends(&mut self, place: usize, answer: Result<Output, ExecError>) {
        self.smart().aside[place].answer = Box::pin(async { answer });
    }

    async fn sample(&mut self, seconds: u64) -> Result<Vec<Reading>, CollectError> {
        tokio::time::advance(Duration::from_secs(seconds)).await;
        let mut smart = self.smart.take().unwrap();
        let sampled = tokio::task::spawn_blocking(move || (smart.sample(), smart));
        let (readings, smart) = sampled.await.unwrap();
        self.smart = Some(smart);
        readings
    }

    async fn ids(&mut self, seconds: u64) -> String {
        ids(&self.sample(seconds).await.unwrap()).join(" ")
    }

    /// How the disks are spoken to.
    fn ways(&mut self) -> Vec<String> {
        let disks = self.smart().disks.iter();
        disks
            .map(|disk| format!("{} {}", disk.found.name, disk.found.kind))
            .collect()
    }
}

fn found(name: &str, kind: &str) -> Found {
    Found {
        name: format!("/dev/{name}"),
        kind: kind.to_owned(),
        error: None,
    }
}

fn time_out(limit: Duration) -> Result<Output, ExecError> {
    let program = "smartctl".to_owned();
    Err(ExecError::TimeOut {
        program,
        limit,
        left: None,
    })
}

/// What was killed and is still there (this very test), or has ended.
fn left(is_there: bool) -> Remnant {
    let nobody = rustix::process::Pid::from_raw(i32::MAX).unwrap();
    Remnant::of(if is_there {
        rustix::process::getpgrp()
    } else {
        nobody
    })
}

/// The same, of one that waits in the kernel.
fn stuck() -> Result<Output, ExecError> {
    let (program, limit) = ("smartctl".to_owned(), LIMIT);
    let left = Some(left(true));
    Err(ExecError::TimeOut {
        program,
        limit,
        left,
    })
}

fn output(json: &Json) -> Output {
    Output {
        code: Some(0),
        stdout: json.to_string().into_bytes(),
        stderr: Vec::new(),
    }
}

fn well() -> Json {
    ata(7200, [0; 3])
}

#[tokio::test(start_paused = true)]
async fn a_disk_that_does_not_answer_is_told_so_with_what_to_do() {
    let mut disk = Watched::new(found("sda", "sat"), None, Instant::now());
    assert!(disk.told().is_none());
    let bench = Bench::new(&Host::real(), BTreeMap::new(), false);
    let again = disk.take(&time_out(LIMIT), &bench);
    assert_eq!(again, Some(RETRY), "it is made sure of soon");
    assert_eq!(disk.take(&time_out(LIMIT), &bench), None);
    let reading = disk.told().unwrap();
    assert_eq!(told(reading, "verdict"), "unreadable");
    assert_eq!(told(reading, "reason"), "it has not answered within 1 min");
    assert_eq!(told(reading, "hangs"), "1");
    let advice = &reading.detail.as_ref().unwrap()["advice"];
    assert!(advice.as_str().unwrap().contains("cable"), "{advice}");
    assert_eq!(reading.subject.id, "disk-dev-sda-sat");
    // It answers: that it may not be asked is something else.
    disk.refused("Permission denied", &bench);
    assert_eq!(told(disk.told().unwrap(), "hangs"), "0");
    let gone = Err(ExecError::Absent("smartctl".to_owned()));
    disk.take(&gone, &bench);
    assert_eq!(told(disk.told().unwrap(), "hangs"), "0");
    // What was bad before stays so, and so does the advice.
    disk.take(&Ok(output(&ata(7200, [160, 0, 0]))), &bench);
    disk.take(&time_out(LIMIT), &bench);
    let reading = disk.told().unwrap();
    assert_eq!(told(reading, "verdict"), "warning");
    let advice = &reading.detail.as_ref().unwrap()["advice"];
    assert!(advice.as_str().unwrap().contains("replace"), "{advice}");
}

#[tokio::test(start_paused = true)]
async fn a_disk_that_hangs_holds_up_no_other_and_is_not_asked_twice() {
    let names = ["sda", "sdb", "sdc", "sdd", "sde"];
    let disks = names.map(|name| (name, "sat", well()));
    let mut rig = Rig::new(Machine::new().with(&disks));
    // The scan was done before the first of them hung.
    let bench = Bench::new(&rig.machine.host, BTreeMap::new(), false);
    let all = names.map(|name| found(name, "sat")).to_vec();
    rig.smart().meet(all, Instant::now(), &bench);
    rig.smart().scanned = Some(kernel_disks(&rig.machine.host.root));
    rig.hangs(Task::Disk(found("sda", "sat")));
    let told = rig.ids(2).await;
    assert_eq!(told, "disk-s-sdb disk-s-sdc disk-s-sdd disk-s-sde");
    for name in ["sdb", "sdc"] {
        rig.hangs(Task::Disk(found(name, "sat")));
        rig.ids(2).await;
    }
    assert_eq!(rig.smart().aside.len(), ASIDE);
    // No more are left running beside each other.
    rig.hangs(Task::Disk(found("sdd", "sat")));
    rig.smart().set_aside(Instant::now() + SLOW);
    assert!(rig.smart().running.is_some());
    // What lists them opens none, and cannot hang.
    rig.hangs(Task::List(Vec::new()));
    rig.smart().set_aside(Instant::now() + SCAN_SLOW);
    assert!(rig.smart().running.is_some());
    rig.smart().running = None;
    // One that answers at last is taken in like any other.
    rig.ends(0, time_out(LIMIT));
    let told = rig.ids(2).await;
    assert!(told.starts_with("disk-s-sda "), "{told}");
    assert_eq!(rig.smart().aside.len(), ASIDE - 1);
    // And of one that was pulled out meanwhile nobody wants to know.
    let gone = Task::Disk(found("sdx", "sat"));
    rig.smart().hear(gone, time_out(LIMIT));
    assert!(rig.smart().failed.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_disk_whose_smartctl_cannot_be_ended_is_not_asked_before_it_has() {
    let machine = Machine::new().with(&[("sda", "sat", well()), ("sdb", "sat", well())]);
    let mut rig = Rig::new(machine);
    rig.ids(0).await;
    rig.smart().hear(Task::Disk(found("sda", "sat")), stuck());
    let hangs = async |rig: &mut Rig| {
        let readings = rig.sample(EVERY.as_secs()).await.unwrap();
        told(&readings[0], "hangs")
    };
    for _ in 0..3 {
        assert_eq!(hangs(&mut rig).await, "1");
    }
    let due: Vec<Instant> = rig.smart().disks.iter().map(|disk| disk.due).collect();
    assert!(due[0] < due[1], "the other one was asked");
    // Nor is it tested: neither as is due, nor by command.
    assert!(!rig.smart().disks[0].is_awake());
    rig.smart().schedule.by_command = true;
    let done = rig
        .machine
        .host
        .desk
        .ask("smart", "disk-s-sda", Some("short"));
    rig.ids(10).await;
    let refused = done.await.unwrap().unwrap_err();
    assert!(refused.contains("has not answered yet"), "{refused}");
    rig.smart().disks[0].leave(Some(left(false)));
    assert_eq!(hangs(&mut rig).await, "0", "asked at once");
}

#[tokio::test(start_paused = true)]
async fn no_scan_opens_the_disks_beside_one_that_cannot_be_ended() {
    let mut rig = Rig::new(mixed());
    rig.machine.answers(LIST, "0\nno JSON");
    rig.scan_hangs();
    assert_eq!(rig.ids(5).await, MIXED);
    // Set aside as well as ended in vain it is one too many.
    for more in ["sdd", "sde", "sdf"] {
        rig.machine.kernel(more);
        rig.machine
            .says(more, "scsi", 0, &super::scsi(0, 0).to_string());
        assert!(rig.ids(10).await.starts_with(MIXED));
        if more == "sdd" {
            rig.ends(0, stuck());
        }
    }
    rig.smart().scan_left = Some(left(false));
    rig.machine.kernel("sdg");
    rig.machine
        .scans(&json!([{"name": "/dev/sdd", "type": "scsi"}]));
    assert_eq!(rig.ids(10).await, "disk-s-sdd");
}

#[tokio::test(start_paused = true)]
async fn a_test_that_hangs_as_it_begins_holds_up_no_other_disk() {
    let machine = Machine::new().with(&[("sda", "sat", well()), ("sdb", "sat", well())]);
    let mut rig = Rig::new(machine);
    rig.ids(0).await;
    rig.smart().schedule.by_command = true;
    let ask = |rig: &Rig, disk: &str| rig.machine.host.desk.ask("smart", disk, Some("short"));
    let mut done = ask(&rig, "disk-s-sda");
    let begin = rig.smart().next_test().unwrap();
    rig.hangs(begin.task);
    rig.smart().disks[1].due = Instant::now();
    rig.ids(SLOW.as_secs()).await;
    assert_eq!(rig.smart().aside.len(), 1);
    assert!(rig.smart().disks[1].due > Instant::now(), "it was asked");
    // Meanwhile no other test begins.
    for (disk, says) in [
        ("disk-s-sda", "not answered yet"),
        ("disk-s-sdb", "still tests itself"),
    ] {
        let other = ask(&rig, disk);
        rig.ids(1).await;
        let refused = other.await.unwrap().unwrap_err();
        assert!(refused.contains(says), "{refused}");
    }
    assert!(done.try_recv().is_err());
    rig.ends(0, stuck());
    rig.ids(1).await;
    assert!(
        done.await
            .unwrap()
            .unwrap_err()
            .contains("no answer within")
    );
    assert!(rig.smart().disks[0].is_held());
}

/// A machine with a SATA disk, one behind a SCSI controller, one in a bridge on USB and one on NVMe.
fn mixed() -> Machine {
    let machine = Machine::new();
    for name in ["sda", "sdb", "nvme0n1", "loop0", "vda"] {
        machine.kernel(name);
    }
    let path = |path: &str| machine.dir.path().join("sys").join(path);
    std::fs::write(path("block/sda/device/vendor"), "ATA     \n").unwrap();
    std::fs::write(path("block/sdb/device/vendor"), "SEAGATE\n").unwrap();
    let bridge = path("devices/pci0000:00/usb2/2-1/host7/7:0:0:0");
    std::fs::create_dir_all(&bridge).unwrap();
    std::fs::write(bridge.join("vendor"), "ATA\n").unwrap();
    std::fs::write(bridge.join("serial"), "S-sdc").unwrap();
    std::fs::create_dir_all(path("block/sdc")).unwrap();
    std::os::unix::fs::symlink(bridge, path("block/sdc/device")).unwrap();
    machine.says("sda", "sat", 0, &well().to_string());
    machine.says("sdb", "scsi", 0, &super::scsi(0, 0).to_string());
    let bridged = answer(&json!({"device": {"type": "usbjmicron", "protocol": "ATA"},
        "smart_status": {"passed": true}}));
    machine.says("sdc", "auto", 0, &bridged.to_string());
    machine.says("nvme0", "nvme", 0, &nvme(&json!({})).to_string());
    machine
}

const MIXED: &str = "disk-s-nvme0n1 disk-s-sda disk-s-sdb disk-s-sdc";

#[tokio::test(start_paused = true)]
async fn a_scan_that_hangs_costs_no_disk_its_verdict() {
    let mut rig = Rig::new(mixed());
    rig.machine.answers(LIST, "0\nno JSON");
    rig.scan_hangs();
    rig.smart().set_aside(Instant::now() + SCAN_SLOW / 2);
    assert!(rig.smart().aside.is_empty(), "it may be slow only");
    // Nothing lists them but the kernel; each is asked by itself, never without a type.
    assert_eq!(rig.ids(5).await, MIXED);
    let ways = [
        "/dev/nvme0 nvme",
        "/dev/sda sat",
        "/dev/sdb scsi",
        "/dev/sdc usbjmicron",
    ];
    assert_eq!(rig.ways(), ways);
    // The scan may end at last in any way.
    rig.ends(0, time_out(LIMIT));
    assert_eq!(rig.ids(55).await, MIXED);
    assert_eq!(rig.smart().aside.len(), 0);
    // Another disk: everything is scanned anew.
    rig.machine.kernel("sdd");
    rig.machine
        .scans(&json!([{"name": "/dev/sdd", "type": "sat"}]));
    rig.machine.says("sdd", "sat", 0, &well().to_string());
    assert_eq!(rig.ids(10).await, "disk-s-sdd");
}

#[tokio::test(start_paused = true)]
async fn what_a_late_scan_tells_is_taken_in_and_nobody_is_asked_again() {
    let mut rig = Rig::new(mixed());
    let listed = json!([{"name": "/dev/sda", "type": "scsi"}, {"name": "/dev/sdb", "type": "scsi"},
        {"name": "/dev/sdc", "type": "usbcypress"}, {"name": "/dev/bus/0", "type": "megaraid,4"}]);
    let listed = answer(&json!({"devices": listed}));
    rig.machine.answers(LIST, &format!("0\n{listed}"));
    rig.machine
        .says("sdc", "usbcypress", 0, &well().to_string());
    rig.machine
        .says("bus_0", "megaraid,4", 0, &well().to_string());
    rig.machine.says("sdb", "sat,12", 0, &well().to_string());
    rig.scan_hangs();
    rig.ids(5).await;
    let mut ways = [
        "/dev/sda sat",
        "/dev/sdb scsi",
        "/dev/sdc usbcypress",
        "/dev/bus/0 megaraid,4",
    ];
    assert_eq!(rig.ways(), ways);
    let due: Vec<Instant> = rig.smart().disks.iter().map(|disk| disk.due).collect();
    let opened = json!([{"name": "/dev/sda", "type": "sat"}, {"name": "/dev/sdb", "type": "sat,12"},
        {"name": "/dev/sdc", "type": "sat"}, {"name": "/dev/bus/0", "type": "megaraid,4"}]);
    rig.ends(0, Ok(output(&answer(&json!({"devices": opened})))));
    rig.ids(20).await;
    (ways[1], ways[2]) = ("/dev/sdb sat,12", "/dev/sdc sat");
    assert_eq!(rig.ways(), ways);
    let again: Vec<Instant> = rig.smart().disks.iter().map(|disk| disk.due).collect();
    assert_eq!(again, due);
    // An answer to a question in the old way is an answer.
    let due = rig.smart().disks[2].due;
    let task = Task::Disk(found("sdc", "usbcypress"));
    tokio::time::advance(EVERY / 2).await;
    rig.smart().hear(task, Ok(output(&well())));
    assert!(rig.smart().disks[2].due > due);
    // A late scan that has come to nothing takes nothing away.
    let kernel = kernel_disks(&rig.machine.host.root);
    rig.smart().hear(Task::Scan(kernel), Ok(output(&json!({}))));
    assert!(rig.smart().failed.is_none());
}

#[tokio::test(start_paused = true)]
async fn how_a_disk_was_spoken_to_is_remembered_over_a_restart() {
    let mut rig = Rig::new(mixed());
    let opened = json!([{"name": "/dev/sda", "type": "sat"}, {"name": "/dev/sdb", "type": "sat+x"},
        {"name": "/dev/sdc", "type": "usbjmicron", "open_error": "no"},
        {"name": "/dev/bus/0", "type": "megaraid,4"}]);
    rig.machine.scans(&opened);
    for (name, kind) in [("sdb", "sat+x"), ("bus_0", "megaraid,4")] {
        rig.machine.says(name, kind, 0, &well().to_string());
    }
    rig.ids(0).await;
    // The disks are called otherwise now, and one of them hangs.
    let block = rig.machine.dir.path().join("sys/block");
    std::fs::rename(block.join("sda"), block.join("x")).unwrap();
    std::fs::rename(block.join("sdb"), block.join("sda")).unwrap();
    std::fs::rename(block.join("x"), block.join("sdb")).unwrap();
    rig.machine.answers(LIST, "0\n{}");
    let text = well().to_string();
    rig.machine.says("sda", "sat+x", 0, &text);
    rig.machine.says("sdb", "sat", 0, &text);
    rig.restart();
    rig.scan_hangs();
    rig.ids(5).await;
    let ways = [
        "/dev/nvme0 nvme",
        "/dev/sda sat+x",
        "/dev/sdb sat",
        "/dev/sdc usbjmicron",
        "/dev/bus/0 megaraid,4",
    ];
    assert_eq!(rig.ways(), ways);
}

#[test]
fn a_disk_s_way_is_learnt_only_where_smartctl_finds_it_out() {
    for (kind, told, want) in [
        ("auto", Some("sat"), "sat"),
        ("auto", None, "auto"),
        ("sat,12", Some("sat"), "sat,12"),
    ] {
        let mut found = found("sda", kind);
        way::learn(&mut found, told);
        assert_eq!(found.kind, want);
    }
}
