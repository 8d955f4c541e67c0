use super::*;
use crate::power::testing::{at, berlin};
use crate::power::{Given, Owner};

fn date(text: &str) -> Date {
    text.parse().unwrap()
}

fn close(left: f64, right: f64) {
    assert!((left - right).abs() < 1e-6, "{left} is not {right}");
}

fn given(power_w: f64, energy_kwh: f64) -> Given {
    Given {
        power_w,
        energy_kwh,
    }
}

/// A look over an hour at 60 W: 20 idle, 10 of graphics, 6 of nobody, and what services draw.
fn shares(services: &[(&str, f64)]) -> Shares {
    let services = services.iter();
    Shares {
        power_w: 60.0,
        seconds: 3600.0,
        energy_kwh: 0.06,
        idle: given(20.0, 0.02),
        gpu: given(10.0, 0.01),
        other: given(6.0, 0.006),
        services: services
            .map(|(name, watts)| ((*name).to_owned(), given(*watts, watts / 1000.0)))
            .collect(),
        processes: BTreeMap::from([(
            Owner::from("jellyfin/ffmpeg".to_owned()),
            given(15.0, 0.015),
        )]),
    }
}

fn add(book: &DayBook, from: &str, to: &str, shares: &Shares, price: f64) {
    let pieces: Vec<_> = pieces(at(from), at(to), &berlin())
        .into_iter()
        .map(|piece| (piece, shares.energy_kwh * piece.share * price))
        .collect();
    book.add(&pieces, shares, false, Some("EUR"));
}

fn whole(day: &Day) -> (f64, f64) {
    let mut all = vec![day.idle, day.gpu, day.other];
    all.extend(day.services.values());
    let energy = all.iter().map(|sum| sum.energy_kwh).sum();
    (energy, all.iter().map(|sum| sum.cost).sum())
}

#[test]
fn a_time_is_cut_at_every_midnight_also_on_days_of_23_and_25_hours() {
    for (from, to, want) in [
        ("2026-05-02T10:00", "2026-05-02T10:00:10", vec![1.0]),
        ("2026-05-02T10:00", "2026-05-02T10:00", vec![1.0]),
        ("2026-05-01T23:59:58", "2026-05-02T00:00:08", vec![0.2, 0.8]),
        (
            "2026-03-28T00:00",
            "2026-03-31T00:00",
            vec![24.0 / 71.0, 23.0 / 71.0, 24.0 / 71.0, 0.0],
        ),
        (
            "2026-10-25T00:00",
            "2026-10-26T12:00",
            vec![25.0 / 37.0, 12.0 / 37.0],
        ),
        // A clock that was set back, and one that came from 1970.
        ("2026-05-02T10:00", "2026-05-01T10:00", vec![1.0]),
        ("1970-01-02T00:00", "2026-05-02T10:00", vec![1.0]),
    ] {
        let found = pieces(at(from), at(to), &berlin());
        let told: Vec<_> = found.iter().map(|piece| piece.share).collect();
        assert_eq!(told.len(), want.len(), "{from} {told:?}");
        for (told, want) in told.iter().zip(&want) {
            close(*told, *want);
        }
        let local = at(to).to_zoned(berlin()).date();
        assert_eq!(found.last().map(|piece| piece.date), Some(local));
    }
}

#[test]
fn a_day_adds_up_and_knows_its_mean_its_least_and_its_most() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let book = DayBook::default();
    let services = [("jellyfin", 20.0), ("caddy", 4.0)];
    let day = "2026-05-02";
    add(
        &book,
        "2026-05-02T10:00",
        "2026-05-02T11:00",
        &shares(&services),
        0.3,
    );
    book.keep(&store, Vec::new()).unwrap();
    let calm = Shares {
        power_w: 30.0,
        energy_kwh: 0.03,
        idle: given(20.0, 0.02),
        other: given(10.0, 0.01),
        seconds: 3600.0,
        ..Shares::default()
    };
    let piece = pieces(
        at("2026-05-02T11:00"),
        at("2026-05-02T12:00"),
        &TimeZone::UTC,
    );
    book.add(&[(piece[0], 0.009)], &calm, true, Some("EUR"));
    let read = |book: &DayBook| book.days(&store, date(day), date(day)).unwrap();
    let days = read(&book);
    let one = &days[&date(day)];
    let host = one.host;
    close(host.energy_kwh, 0.09);
    close(host.cost, 0.027);
    close(host.mean_w, 45.0);
    close(host.watched_s, 7200.0);
    assert_eq!((host.min_w, host.peak_w), (Some(30.0), Some(60.0)));
    close(host.estimated_share().unwrap(), 1.0 / 3.0);
    close(one.idle.energy_kwh, 0.04);
    close(one.services["jellyfin"].energy_kwh, 0.02);
    close(one.services["jellyfin"].cost, 0.006);
    close(one.services["jellyfin"].peak_w, 20.0);
    let ffmpeg = Owner::from("jellyfin/ffmpeg".to_owned());
    close(one.processes[&ffmpeg].energy_kwh, 0.015);
    close(whole(one).0, host.energy_kwh);
    close(whole(one).1, host.cost);
    assert_eq!(one.currency.as_deref(), Some("EUR"));
    // The same when all of it is kept, and read by another run.
    book.keep(&store, Vec::new()).unwrap();
    assert_eq!(read(&DayBook::default()).len(), 1);
    close(
        read(&DayBook::default())[&date(day)].host.energy_kwh,
        one.host.energy_kwh,
    );
    assert_eq!(HostDay::default().estimated_share(), None);
}

#[test]
fn a_look_over_midnight_is_of_two_days_and_a_clock_set_back_adds_to_the_day_before() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let book = DayBook::default();
    add(
        &book,
        "2026-05-01T23:30",
        "2026-05-02T00:30",
        &shares(&[("a", 24.0)]),
        0.3,
    );
    book.keep(&store, Vec::new()).unwrap();
    add(
        &book,
        "2026-05-01T10:00",
        "2026-05-01T11:00",
        &shares(&[("a", 24.0)]),
        0.3,
    );
    let days = book
        .days(&store, date("2026-04-30"), date("2026-05-03"))
        .unwrap();
    let told: Vec<_> = days.keys().map(ToString::to_string).collect();
    assert_eq!(told, ["2026-05-01", "2026-05-02"]);
    close(days[&date("2026-05-01")].host.energy_kwh, 0.09);
    close(days[&date("2026-05-02")].host.energy_kwh, 0.03);
    close(days[&date("2026-05-02")].services["a"].cost, 0.0036);
    for day in days.values() {
        close(whole(day).0, day.host.energy_kwh);
    }
    let later = book.days(&store, date("2026-05-02"), date("2026-05-09"));
    assert_eq!(later.unwrap().len(), 1);
    let none = book.days(&store, date("2026-05-09"), date("2026-05-02"));
    assert!(none.unwrap().is_empty());
}

#[test]
fn a_day_that_cannot_be_read_loses_itself_only() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let none = DayBook::default().days(&store, date("2026-05-01"), date("2026-05-03"));
    assert!(none.unwrap().is_empty(), "there is no record yet");
    let book = DayBook::default();
    for day in ["2026-05-01", "2026-05-02", "2026-05-03"] {
        let (from, to) = (format!("{day}T10:00"), format!("{day}T11:00"));
        add(&book, &from, &to, &shares(&[("a", 24.0)]), 0.3);
    }
    book.keep(&store, Vec::new()).unwrap();
    for (key, record) in [
        ("2026-05-02", &b"{\"host\":"[..]),
        ("2026-05-02x", b"{}"),
        ("a", b"\xff"),
    ] {
        store.put(Collection::PowerDays, key, record).unwrap();
    }
    let days = book
        .days(&store, date("2026-05-01"), date("2026-05-03"))
        .unwrap();
    assert_eq!(days.len(), 2);
    assert_eq!(book.first(&store).unwrap(), Some(date("2026-05-01")));
    let none = tempfile::tempdir().unwrap();
    let none = Store::open(none.path()).unwrap();
    assert_eq!(DayBook::default().first(&none).unwrap(), None);
    // It begins anew.
    add(
        &book,
        "2026-05-02T10:00",
        "2026-05-02T11:00",
        &shares(&[]),
        0.3,
    );
    book.keep(&store, Vec::new()).unwrap();
    let days = book
        .days(&store, date("2026-05-01"), date("2026-05-03"))
        .unwrap();
    close(days[&date("2026-05-02")].host.energy_kwh, 0.06);
}

#[test]
fn of_a_thousand_names_the_least_are_told_together_and_a_day_stays_small() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let book = DayBook::default();
    for round in 0..10_u32 {
        let mut look = shares(&[]);
        look.energy_kwh = 0.036;
        for number in 0..100_u32 {
            let energy_kwh = 0.0001 * f64::from(number + 1);
            look.energy_kwh += energy_kwh;
            let name = format!("service-{}", round * 100 + number);
            look.services.insert(name.clone(), given(1.0, energy_kwh));
            let owner = Owner {
                service: name,
                command: "with/slash and \u{1f600}".to_owned(),
            };
            look.processes.insert(owner, given(1.0, energy_kwh));
        }
        add(&book, "2026-05-02T10:00", "2026-05-02T11:00", &look, 0.3);
        book.keep(&store, Vec::new()).unwrap();
    }
    let days = book
        .days(&store, date("2026-05-02"), date("2026-05-02"))
        .unwrap();
    let day = &days[&date("2026-05-02")];
    assert_eq!(
        (day.services.len(), day.processes.len()),
        (MOST_NAMES, MOST_NAMES)
    );
    assert!((whole(day).0 - day.host.energy_kwh).abs() < 1e-5);
    assert!(day.services.contains_key("service-99"), "the most stay");
    let processes: f64 = day.processes.values().map(|sum| sum.energy_kwh).sum();
    assert!((processes + day.rest.energy_kwh - 10.0 * 0.505 - 0.15).abs() < 1e-5);
    let kept = store.get(Collection::PowerDays, "2026-05-02").unwrap();
    assert!(kept.unwrap().len() < 32_000);
}

#[test]
fn the_least_and_the_most_are_measured_ones_where_most_of_a_day_was_measured() {
    let look = |power_w: f64, energy_kwh: f64, is_estimated: bool| {
        let book = DayBook::default();
        let shares = |power_w, energy_kwh| Shares {
            power_w,
            energy_kwh,
            ..shares(&[])
        };
        let pieces = |from: &str, to: &str| {
            let pieces = pieces(at(from), at(to), &berlin()).into_iter();
            pieces.map(|piece| (piece, 0.0)).collect::<Vec<_>>()
        };
        let measured = [(40.0, "08", "09"), (44.0, "09", "10")];
        for (watts, from, to) in measured {
            let (from, to) = (
                format!("2026-05-02T{from}:00"),
                format!("2026-05-02T{to}:00"),
            );
            let lap = pieces(&from, &to);
            book.add(&lap, &shares(watts, 0.04), false, None);
        }
        let lap = pieces("2026-05-02T10:00", "2026-05-02T11:00");
        book.add(&lap, &shares(power_w, energy_kwh), is_estimated, None);
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        book.keep(&store, Vec::new()).unwrap();
        let day = date("2026-05-02");
        let host = book.days(&store, day, day).unwrap()[&day].host;
        host.least_and_most()
    };
    assert_eq!(look(22.0, 0.01, true), (Some(40.0), Some(44.0)));
    assert_eq!(look(22.0, 0.01, false), (Some(22.0), Some(44.0)));
    assert_eq!(
        look(90.0, 0.2, true),
        (Some(40.0), Some(90.0)),
        "mostly estimated"
    );
}
