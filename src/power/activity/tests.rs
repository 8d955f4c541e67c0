use super::*;

fn services(list: &[(&str, f64)]) -> BTreeMap<String, f64> {
    list.iter()
        .map(|(name, spent)| ((*name).to_owned(), *spent))
        .collect()
}

/// Each service with one control group.
fn groups(list: &[(&str, f64)]) -> Vec<Counted> {
    list.iter()
        .map(|(name, used)| group(name, name, *used))
        .collect()
}

fn group(group: &str, service: &str, used: f64) -> Counted {
    Counted {
        group: group.into(),
        service: service.into(),
        used,
    }
}

fn tally(pid: u32, start: u64, owner: &str, used: f64) -> Tally {
    let owner = Owner::from(owner.to_owned());
    Tally {
        pid,
        start,
        service: owner.service.into(),
        command: owner.command.into(),
        used,
        weight: 1.0,
        is_apart: false,
    }
}

fn told(used: &Use) -> Vec<(String, f64)> {
    let all = used.processes.iter();
    all.map(|(owner, used)| (owner.clone().into(), (used * 1e6).round() / 1e6))
        .collect()
}

fn list(of: &[(&str, f64)]) -> Vec<(String, f64)> {
    of.iter()
        .map(|(name, used)| ((*name).to_owned(), *used))
        .collect()
}

#[test]
fn what_lies_between_two_looks_is_told_and_who_began_anew_counts_whole() {
    let mut counters = Counters::default();
    let first = groups(&[("a", 100.0), ("b", 7.0), ("gone", 3.0)]);
    assert_eq!(counters.look(500.0, first, &[]), None);
    // `b` was restarted, `new` is new, `gone` is gone.
    let now = groups(&[("a", 104.0), ("b", 2.0), ("new", 1.5)]);
    let spent = counters.look(520.0, now, &[]).unwrap();
    assert_eq!(
        spent.services,
        services(&[("a", 4.0), ("b", 2.0), ("new", 1.5)])
    );
    assert!((spent.total - 20.0).abs() < 1e-9);
    assert!(spent.processes.is_empty(), "none can be read");
}

#[test]
fn a_service_of_several_groups_is_not_charged_anew_when_one_of_them_ends() {
    let mut counters = Counters::default();
    let both = vec![
        group("g/a", "media", 5_000.0),
        group("g/b", "media", 3_000.0),
    ];
    counters.look(0.0, both, &[]);
    let left = vec![group("g/a", "media", 5_001.0)];
    let used = counters.look(20.0, left, &[]).unwrap();
    assert_eq!(used.services, services(&[("media", 1.0)]));
    let back = vec![group("g/a", "media", 5_002.0), group("g/b", "media", 0.5)];
    let used = counters.look(40.0, back, &[]).unwrap();
    assert_eq!(used.services, services(&[("media", 1.5)]));
}

#[test]
fn nobody_has_more_than_there_was_and_a_reboot_is_no_use_at_all() {
    let mut counters = Counters::default();
    counters.look(10.0, groups(&[("a", 0.0), ("b", 0.0)]), &[]);
    let now = groups(&[("a", 4.0), ("b", 2.0)]);
    let spent = counters.look(13.0, now, &[]).unwrap();
    assert_eq!(spent.services, services(&[("a", 2.0), ("b", 1.0)]));
    let spent = counters.look(1.0, groups(&[("a", 1.0)]), &[]).unwrap();
    assert_eq!(spent.services, services(&[("a", 0.0)]));
    assert!(spent.total.abs() < 1e-9);
}

#[test]
fn a_service_that_was_away_for_a_look_goes_on_where_it_was() {
    let mut counters = Counters::default();
    counters.look(0.0, groups(&[("a", 900.0)]), &[]);
    counters.look(10.0, Vec::new(), &[]);
    let spent = counters.look(20.0, groups(&[("a", 903.0)]), &[]).unwrap();
    assert_eq!(spent.services, services(&[("a", 3.0)]));
    let many = (0..=FORGET).map(|number| group(&number.to_string(), "a", 1.0));
    counters.look(30.0, many.collect(), &[]);
    counters.look(40.0, Vec::new(), &[]);
    assert!(counters.groups.is_empty(), "no more than is useful");
}

#[test]
fn processes_are_told_by_command_and_what_none_explains_is_short_lived() {
    let mut counters = Counters::default();
    let before = [
        tally(10, 100, "web/nginx", 50.0),
        tally(11, 101, "web/nginx", 5.0),
        tally(12, 102, "/backup", 9.0),
    ];
    assert_eq!(counters.look(0.0, groups(&[("web", 0.0)]), &before), None);
    let now = [
        tally(10, 100, "web/nginx", 52.0),
        tally(11, 101, "web/nginx", 5.5),
        // The number of one that has ended, used again; its service has ended meanwhile.
        tally(12, 300, "job/cp", 1.0),
        // One that was hidden until now, and one whose counter went back.
        tally(13, 50, "web/old", 700.0),
    ];
    let used = counters.look(10.0, groups(&[("web", 4.0)]), &now).unwrap();
    let want = list(&[("/cp", 1.0), ("web/nginx", 2.5), ("web/short-lived", 1.5)]);
    assert_eq!(told(&used), want);
    let back = [tally(10, 100, "web/nginx", 51.0)];
    let used = counters.look(20.0, groups(&[("web", 5.0)]), &back).unwrap();
    assert_eq!(told(&used), list(&[("web/short-lived", 1.0)]));
}

#[test]
fn processes_never_have_more_than_their_service_nor_than_nobody_else_used() {
    let mut counters = Counters::default();
    counters.look(0.0, groups(&[("web", 0.0)]), &[]);
    let now = [
        tally(1, 1, "web/a", 6.0),
        tally(2, 1, "web/b", 2.0),
        tally(3, 1, "/c", 10.0),
    ];
    let used = counters.look(9.0, groups(&[("web", 4.0)]), &now).unwrap();
    let want = list(&[("/c", 5.0), ("web/a", 3.0), ("web/b", 1.0)]);
    assert_eq!(told(&used), want);
}

#[test]
fn time_on_a_fast_core_counts_more_and_nothing_is_lost() {
    let mut counters = Counters::default();
    let fresh = groups(&[("a", 0.0), ("b", 0.0)]);
    counters.look(0.0, fresh, &[]);
    let weighted = |pid, owner, weight| Tally {
        weight,
        ..tally(pid, 1, owner, 4.0)
    };
    let now = [weighted(1, "a/fast", 1.5), weighted(2, "b/slow", 0.5)];
    let both = groups(&[("a", 4.0), ("b", 4.0)]);
    let used = counters.look(10.0, both, &now).unwrap();
    assert_eq!(used.services, services(&[("a", 6.0), ("b", 2.0)]));
    assert_eq!(told(&used), list(&[("a/fast", 6.0), ("b/slow", 2.0)]));
}

#[test]
fn a_service_without_a_counter_used_what_its_processes_did() {
    let mut counters = Counters::default();
    let apart = |pid, owner, used| Tally {
        is_apart: true,
        ..tally(pid, 1, owner, used)
    };
    let before = [apart(1, "ssh/sshd", 5.0), apart(2, "ssh/bash", 7.0)];
    counters.look(0.0, groups(&[("docker", 0.0)]), &before);
    // Half of it was done on slow cores.
    let slow = Tally {
        weight: 0.5,
        ..apart(2, "ssh/bash", 9.0)
    };
    let now = [apart(1, "ssh/sshd", 6.0), slow];
    let used = counters.look(10.0, groups(&[("docker", 4.0)]), &now);
    let used = used.unwrap();
    assert_eq!(used.services, services(&[("docker", 4.0), ("ssh", 2.0)]));
    let want = [
        ("docker/short-lived", 4.0),
        ("ssh/bash", 1.0),
        ("ssh/sshd", 1.0),
    ];
    assert_eq!(told(&used), list(&want));
    // One that has ended takes nothing back.
    let used = counters.look(12.0, Vec::new(), &now[..1]).unwrap();
    assert_eq!(used.services.get("ssh"), None);
}

#[test]
fn ten_thousand_processes_that_live_for_a_moment_are_not_lost() {
    let mut counters = Counters::default();
    let mut used_by = 0.0;
    counters.look(0.0, groups(&[("ci", 0.0)]), &[]);
    for look in 1..=20_u32 {
        // Each look sees but some of the five hundred that ran since the last.
        let alive: Vec<_> = (0..50)
            .map(|number| tally(number, u64::from(look), "ci/cc1", 0.01))
            .collect();
        used_by += 5.0;
        let now = groups(&[("ci", used_by)]);
        let used = counters.look(f64::from(look) * 8.0, now, &alive).unwrap();
        let whole: f64 = used.processes.values().sum();
        assert!((whole - 5.0).abs() < 1e-9);
        assert_eq!(
            told(&used),
            list(&[("ci/cc1", 0.5), ("ci/short-lived", 4.5)])
        );
    }
    assert_eq!(
        counters.processes.len(),
        50,
        "those that are gone are forgotten"
    );
}

#[test]
fn what_is_left_is_taken_once() {
    let activity = Activity::default();
    assert_eq!(activity.take(), None);
    activity.leave(Spent::default());
    let cpu = Use {
        total: 2.0,
        ..Use::default()
    };
    activity.leave(Spent {
        cpu,
        ..Spent::default()
    });
    assert!((activity.take().unwrap().cpu.total - 2.0).abs() < 1e-9);
    assert_eq!(activity.take(), None);
    activity.leave_clients(HashMap::from([(5, 30.0)]));
    assert_eq!(activity.clients().len(), 1, "stays until it is told anew");
}

#[test]
fn what_is_added_is_of_its_service_too() {
    let mut used = Use::default();
    for owner in ["a/x", "a/y", "/z"] {
        used.add(owner.to_owned().into(), 2.0);
    }
    assert_eq!(used.services, services(&[("a", 4.0)]));
    assert_eq!((used.total.round(), used.processes.len()), (6.0, 3));
}
