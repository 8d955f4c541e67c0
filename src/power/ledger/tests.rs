use super::super::roll::ACCOUNTS;
use super::*;
use crate::model::Source;
use crate::power::testing::close;
use crate::power::{DiskUse, Use};

fn at(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn draw(power_w: f64, idle_w: f64, energy_kwh: f64) -> Draw {
    Draw {
        power_w,
        band_w: (0.0, 0.0),
        idle_w,
        idle_band_w: (0.0, idle_w),
        never_below_pct: None,
        source: Source::Meter,
        basis: None,
        doubt: None,
        dispute: None,
        energy_kwh,
    }
}

fn used(total: f64, services: &[(&str, f64)]) -> Use {
    let services = services
        .iter()
        .map(|(name, own)| ((*name).to_owned(), *own));
    Use {
        total,
        services: services.collect(),
        processes: BTreeMap::new(),
    }
}

fn spent(total_s: f64, services: &[(&str, f64)]) -> Spent {
    Spent {
        cpu: used(total_s, services),
        ..Spent::default()
    }
}

/// A ledger that tells `services` services.
fn ledger(services: usize) -> Ledger {
    Ledger::new(terms(services), Accounts::default())
}

fn terms(services: usize) -> Terms {
    Terms {
        services,
        ..Terms::default()
    }
}

/// The watts and the kWh of all parts.
fn sums(parts: &Parts) -> (f64, f64) {
    let mut all = vec![parts.idle, parts.other];
    all.extend(parts.gpu);
    all.extend(parts.services.iter().map(|(_, part)| *part));
    let watts = all.iter().map(|part| part.power_w).sum();
    (watts, all.iter().map(|part| part.account.energy_kwh).sum())
}

fn of<'a>(parts: &'a Parts, name: &str) -> Option<&'a Part> {
    let found = parts.services.iter().find(|(own, _)| own == name);
    found.map(|(_, part)| part)
}

#[test]
fn what_is_drawn_above_idle_is_shared_by_processor_time_and_nothing_is_lost() {
    let mut ledger = self::ledger(10);
    ledger.step(at(0), &draw(30.0, 20.0, 5.0), None, None, |_| 0.0);
    let used = spent(10.0, &[("a", 6.0), ("b", 2.0)]);
    let kwh = 5.0 + 60.0 * 10.0 / 3.6e6;
    ledger.step(at(10), &draw(60.0, 20.0, kwh), Some(&used), None, |_| 0.0);
    // Both are told from their second look on.
    let parts = ledger.step(at(20), &draw(60.0, 20.0, kwh), Some(&used), None, |_| 0.0);
    close(parts.idle.power_w, 20.0);
    close(of(&parts, "a").unwrap().power_w, 24.0);
    close(of(&parts, "b").unwrap().power_w, 8.0);
    close(parts.other.power_w, 8.0);
    assert_eq!(parts.gpu, None);
    close(sums(&parts).0, 60.0);
}

#[test]
fn energy_and_money_go_where_the_watts_went_also_when_a_counter_moves_in_steps() {
    let mut ledger = self::ledger(10);
    let (used, idle) = (spent(10.0, &[("a", 10.0)]), spent(10.0, &[]));
    ledger.step(at(0), &draw(20.0, 20.0, 1.0), Some(&idle), None, |_| 0.0);
    // 100 s at 20 W, then 100 s at 60 W of which 40 W are a's; the counter moves at the end.
    for look in 1..=10 {
        ledger.step(
            at(look * 10),
            &draw(20.0, 20.0, 1.0),
            Some(&idle),
            None,
            |_| 0.0,
        );
    }
    for look in 11..20 {
        ledger.step(
            at(look * 10),
            &draw(60.0, 20.0, 1.0),
            Some(&used),
            None,
            |_| 0.0,
        );
    }
    let whole = draw(60.0, 20.0, 1.008);
    let parts = ledger.step(at(200), &whole, Some(&used), None, |kwh| kwh * 100.0);
    let a = of(&parts, "a").unwrap().account;
    close(a.energy_kwh, 0.004);
    close(a.cost, 0.4);
    close(parts.idle.account.energy_kwh, 0.004);
    close(parts.idle.account.cost, 0.4);
    close(sums(&parts).1, 0.008);
}

#[test]
fn of_a_gap_it_is_not_known_who_it_was_for() {
    let mut ledger = self::ledger(10);
    let used = spent(10.0, &[("a", 10.0)]);
    ledger.step(at(0), &draw(60.0, 20.0, 1.0), Some(&used), None, |_| 0.0);
    let parts = ledger.step(at(9_000), &draw(60.0, 20.0, 2.0), Some(&used), None, |_| {
        0.3
    });
    close(parts.other.account.energy_kwh, 1.0);
    close(parts.other.account.cost, 0.3);
    close(parts.idle.account.energy_kwh, 0.0);
    // A counter that went back (it cannot) books nothing.
    let parts = ledger.step(at(9_010), &draw(60.0, 20.0, 1.5), Some(&used), None, |_| {
        9.0
    });
    close(sums(&parts).1, 1.0);
    // Energy of a moment in which nothing was drawn is nobody's.
    let mut ledger = self::ledger(10);
    ledger.step(at(0), &draw(0.0, 0.0, 1.0), None, None, |_| 0.0);
    let parts = ledger.step(at(10), &draw(0.0, 0.0, 1.25), None, None, |_| 0.0);
    close(parts.other.account.energy_kwh, 0.25);
}

#[test]
fn graphics_cards_have_a_part_of_their_own() {
    let mut ledger = self::ledger(10);
    let used = spent(10.0, &[("a", 5.0)]);
    let mut at_work = |seconds, power_w, graphics_w| {
        let draw = draw(power_w, 50.0, 0.0);
        ledger.step(at(seconds), &draw, Some(&used), Some(graphics_w), |_| 0.0)
    };
    at_work(0, 80.0, 0.0);
    let parts = at_work(10, 200.0, 100.0);
    close(parts.gpu.unwrap().power_w, 100.0);
    close(of(&parts, "a").unwrap().power_w, 25.0);
    close(sums(&parts).0, 200.0);
    // It never says more than the machine draws.
    let parts = at_work(20, 60.0, 885.0);
    close(parts.gpu.unwrap().power_w, 10.0);
    close(sums(&parts).0, 60.0);
}

#[test]
fn idle_above_the_whole_and_a_machine_that_did_nothing_are_all_idle() {
    let mut ledger = self::ledger(10);
    let used = spent(10.0, &[("a", 5.0)]);
    let parts = ledger.step(at(0), &draw(15.0, 20.0, 0.0), Some(&used), None, |_| 0.0);
    close(parts.idle.power_w, 15.0);
    let nothing = spent(0.0, &[("a", 0.0)]);
    let parts = ledger.step(at(10), &draw(25.0, 20.0, 0.0), Some(&nothing), None, |_| {
        0.0
    });
    close(parts.idle.power_w, 25.0);
    close(sums(&parts).0, 25.0);
}

#[test]
fn the_busiest_are_told_one_by_one_and_the_set_is_steady() {
    let mut ledger = self::ledger(2);
    let names = |parts: &Parts| -> Vec<String> {
        parts
            .services
            .iter()
            .map(|(name, _)| name.clone())
            .collect()
    };
    let mut look = 0;
    let mut run = |ledger: &mut Ledger, looks: u64, used: &[(&str, f64)]| {
        let mut parts = Parts::default();
        for _ in 0..looks {
            look += 1;
            let now = draw(60.0, 20.0, 0.0001 * f64::from(u32::try_from(look).unwrap()));
            parts = ledger.step(at(look * 10), &now, Some(&spent(10.0, used)), None, |_| 0.0);
        }
        parts
    };
    let parts = run(&mut ledger, 200, &[("a", 5.0), ("b", 3.0), ("c", 1.0)]);
    assert_eq!(names(&parts), ["a", "b"]);
    close(parts.other.power_w, 8.0);
    // A little more is no reason, much more is.
    assert_eq!(
        names(&run(
            &mut ledger,
            500,
            &[("a", 5.0), ("b", 2.0), ("c", 2.2)]
        )),
        ["a", "b"]
    );
    let parts = run(&mut ledger, 500, &[("a", 5.0), ("b", 0.5), ("c", 4.0)]);
    assert_eq!(names(&parts), ["a", "c"]);
    assert!(of(&parts, "c").unwrap().account.energy_kwh > 0.0);
    // One that is told stays so while it rests.
    assert_eq!(names(&run(&mut ledger, 10, &[("a", 5.0)])), ["a", "c"]);
    let kept = ledger.accounts();
    let again = Ledger::new(terms(2), kept.clone());
    assert_eq!(again.accounts(), kept);
    assert_eq!(Ledger::new(terms(1), kept).services.told.len(), 1);
}

#[test]
fn accounts_are_limited_and_odd_ones_are_not_taken_up() {
    let mut ledger = self::ledger(1);
    for round in 0..4_u32 {
        let names: Vec<String> = (0..50).map(|number| format!("s{round}-{number}")).collect();
        let list: Vec<_> = names.iter().map(|name| (name.as_str(), 0.1)).collect();
        for look in 0..3 {
            let up = at(u64::from(round * 3 + look) * 10);
            ledger.step(
                up,
                &draw(60.0, 20.0, 0.0),
                Some(&spent(10.0, &list)),
                None,
                |_| 0.0,
            );
        }
    }
    assert_eq!(ledger.services.accounts.len(), ACCOUNTS);
    let text = r#"{"idle":{"energy_kwh":-1,"cost":0},
        "services":{"a":{"energy_kwh":2,"cost":1,"rank_w":-3},"b":{"energy_kwh":2,"cost":1,"rank_w":3}},
        "told":["a","b","z"]}"#;
    let ledger = Ledger::new(terms(5), serde_json::from_str(text).unwrap());
    let names: Vec<_> = ledger.services.told.iter().collect();
    assert_eq!(names, ["b"]);
    assert_eq!(ledger.idle, Account::default());
    close(ledger.services.accounts["b"].account.energy_kwh, 2.0);
}

#[test]
fn a_day_of_anything_adds_up_to_the_machine() {
    let mut seed = 17_u64;
    let mut roll = || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        f64::from(u32::try_from(seed >> 32).unwrap()) / f64::from(u32::MAX)
    };
    let mut ledger = self::ledger(3);
    let (mut energy, mut first) = (10.0, Vec::new());
    for look in 0..8640_u64 {
        let watts = 20.0 + 80.0 * roll();
        energy += if look % 7 == 0 {
            watts * 70.0 / 3.6e6
        } else {
            0.0
        };
        let used = spent(
            20.0,
            &[
                ("a", 4.0 * roll()),
                ("b", 3.0 * roll()),
                ("c", 2.0 * roll()),
                ("d", roll()),
            ],
        );
        let parts = ledger.step(
            at(look * 10),
            &draw(watts, 20.0, energy),
            Some(&used),
            None,
            |_| 0.0,
        );
        let (sum_w, sum_kwh) = sums(&parts);
        assert!((sum_w / watts - 1.0).abs() < 1e-9);
        assert!(parts.services.iter().all(|(_, part)| part.power_w >= 0.0));
        // From when the set has settled.
        if look == 700 {
            first = vec![sum_kwh, energy];
        }
    }
    let parts = ledger.step(at(86_400), &draw(20.0, 20.0, energy), None, None, |_| 0.0);
    let grown = sums(&parts).1 - first[0];
    assert!((grown / (energy - first[1]) - 1.0).abs() < 1e-3, "{grown}");
}

#[test]
fn where_no_service_is_to_be_told_all_of_it_is_the_others() {
    let mut ledger = self::ledger(0);
    let used = spent(10.0, &[("a", 10.0)]);
    ledger.step(at(0), &draw(60.0, 20.0, 1.0), Some(&used), None, |_| 0.0);
    ledger.step(at(10), &draw(60.0, 20.0, 1.0), Some(&used), None, |_| 0.0);
    let parts = ledger.step(at(20), &draw(60.0, 20.0, 1.0), Some(&used), None, |_| 0.0);
    assert_eq!(parts.services, vec![]);
    close(parts.other.power_w, 40.0);
}

fn processes(total: f64, of: &[(&str, f64)]) -> Use {
    let mut services = BTreeMap::new();
    let mut processes = BTreeMap::new();
    for (owner, own) in of {
        let owner = Owner::from((*owner).to_owned());
        if !owner.service.is_empty() {
            *services.entry(owner.service.clone()).or_insert(0.0) += own;
        }
        processes.insert(owner, *own);
    }
    Use {
        total,
        services,
        processes,
    }
}

#[test]
fn processes_have_what_their_service_has_and_the_busiest_are_told() {
    let terms = Terms {
        services: 5,
        processes: 2,
        disk_w: None,
        ..Terms::default()
    };
    let mut ledger = Ledger::new(terms, Accounts::default());
    let cpu = processes(
        20.0,
        &[
            ("jellyfin/ffmpeg", 9.0),
            ("jellyfin/jellyfin", 1.0),
            ("jellyfin/short-lived", 2.0),
            ("/backup", 4.0),
        ],
    );
    let spent = Spent {
        cpu,
        ..Spent::default()
    };
    let mut parts = Parts::default();
    for look in 0..10_u32 {
        let kwh = f64::from(look) * 0.001;
        let up = at(u64::from(look) * 10);
        parts = ledger.step(up, &draw(60.0, 20.0, kwh), Some(&spent), None, |kwh| kwh);
    }
    let told: Vec<_> = parts
        .processes
        .iter()
        .map(|(owner, part)| (String::from(owner.clone()), part.power_w))
        .collect();
    let want = [("/backup", 8.0), ("jellyfin/ffmpeg", 18.0)];
    assert_eq!(told, want.map(|(name, watts)| (name.to_owned(), watts)));
    let shares = ledger.shares();
    let of_service: Vec<_> = shares
        .processes
        .iter()
        .filter(|(owner, _)| owner.service == "jellyfin")
        .map(|(_, given)| *given)
        .collect();
    close(of_service.iter().map(|one| one.power_w).sum(), 24.0);
    let jellyfin = shares.services["jellyfin"];
    close(jellyfin.power_w, 24.0);
    let energy = of_service.iter().map(|one| one.energy_kwh).sum();
    close(energy, jellyfin.energy_kwh);
    let ffmpeg = parts.processes[1].1.account;
    assert!(ffmpeg.energy_kwh > 0.0 && (ffmpeg.cost - ffmpeg.energy_kwh).abs() < 1e-12);
    let kept: Accounts =
        serde_json::from_str(&serde_json::to_string(&ledger.accounts()).unwrap()).unwrap();
    assert_eq!(Ledger::new(terms, kept).accounts().processes.told.len(), 2);
}

#[test]
fn graphics_and_disks_go_to_who_used_them_and_the_sum_stays() {
    let terms = Terms {
        services: 5,
        processes: 5,
        disk_w: Some(8.0),
        ..Terms::default()
    };
    let mut ledger = Ledger::new(terms, Accounts::default());
    let spent = Spent {
        cpu: processes(10.0, &[("a/x", 5.0)]),
        gpu: Some(processes(100.0, &[("ai/ollama", 80.0)])),
        disk: Some(DiskUse {
            busy: Some(0.5),
            bytes: processes(1000.0, &[("nas/smbd", 750.0)]),
        }),
    };
    ledger.step(
        at(0),
        &draw(50.0, 50.0, 0.0),
        Some(&spent),
        Some(0.0),
        |_| 0.0,
    );
    for look in 1..3 {
        let whole = draw(174.0, 50.0, 0.0);
        let parts = ledger.step(at(look * 10), &whole, Some(&spent), Some(100.0), |_| 0.0);
        close(sums(&parts).0, 174.0);
    }
    let whole = draw(174.0, 50.0, 0.0);
    let parts = ledger.step(at(30), &whole, Some(&spent), Some(100.0), |_| 0.0);
    // 124 W above idle: 100 of graphics, 4 of disks, 20 of the processor.
    close(of(&parts, "ai").unwrap().power_w, 80.0);
    close(parts.gpu.unwrap().power_w, 20.0);
    close(of(&parts, "nas").unwrap().power_w, 3.0);
    close(of(&parts, "a").unwrap().power_w, 10.0);
    close(parts.other.power_w, 11.0);
    // Where nobody is known for graphics they stay a part of their own.
    let nobody = Spent {
        gpu: Some(Use::default()),
        ..spent
    };
    let parts = ledger.step(at(40), &whole, Some(&nobody), Some(100.0), |_| 0.0);
    close(parts.gpu.unwrap().power_w, 100.0);
    close(sums(&parts).0, 174.0);
}

#[test]
fn what_a_meter_has_taught_of_disks_holds_where_nothing_is_configured() {
    let spent = Spent {
        cpu: processes(10.0, &[("a/x", 10.0)]),
        disk: Some(DiskUse {
            busy: Some(0.5),
            bytes: processes(1000.0, &[("nas/smbd", 1000.0)]),
        }),
        ..Spent::default()
    };
    for (configured, learned, want) in [
        (None, None, 0.0),
        (None, Some(6.0), 3.0),
        (Some(8.0), Some(6.0), 4.0),
    ] {
        let terms = Terms {
            services: 5,
            processes: 0,
            disk_w: configured,
            ..Terms::default()
        };
        let mut ledger = Ledger::new(terms, Accounts::default());
        ledger.learn_disk_w(learned);
        assert_eq!(ledger.has_disks(), configured.or(learned).is_some());
        let mut parts = Parts::default();
        for look in 0..3 {
            parts = ledger.step(
                at(look * 10),
                &draw(40.0, 20.0, 0.0),
                Some(&spent),
                None,
                |_| 0.0,
            );
        }
        let nas = of(&parts, "nas").map_or(0.0, |nas| nas.power_w);
        close(nas, want);
        close(sums(&parts).0, 40.0);
    }
}
