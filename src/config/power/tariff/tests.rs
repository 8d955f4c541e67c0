use super::*;
use crate::config::Problems;
use config::{File, FileFormat, Source as _, Value};

fn read(text: &str) -> (Option<TariffConfig>, String) {
    let table = File::from_str(text, FileFormat::Toml).collect().unwrap();
    let problems = Problems::default();
    let section = Section::new("power.tariff".to_owned(), Value::from(table), &problems);
    let tariff = TariffConfig::read(section);
    let told: Vec<_> = problems
        .into_vec()
        .iter()
        .map(ToString::to_string)
        .collect();
    (tariff, told.join("\n"))
}

fn fine(text: &str) -> TariffConfig {
    let (tariff, told) = read(text);
    assert_eq!(told, "", "{text}");
    tariff.unwrap()
}

const HEAD: &str = "currency = \"EUR\"\ntime_zone = \"Europe/Berlin\"\n";

#[test]
fn prices_are_found_by_day_and_minute_over_midnight_too() {
    let text = format!(
        "{HEAD}price = 0.3\n[windows.night]\nprice = 0.2\nfrom = \"22:00\"\nto = \"06:00\"\n\
         days = [\"mon\", \"sun\"]\n[windows.noon]\nprice = -0.01\nfrom = \"12:00\"\nto = \"14:30\"\n"
    );
    let tariff = fine(&text);
    let terms = &tariff.terms[0];
    for (day, minute, price) in [
        (0, 0, 0.2),
        (0, 359, 0.2),
        (0, 360, 0.3),
        (0, 1319, 0.3),
        (0, 1320, 0.2),
        (1, 359, 0.2),
        (1, 1320, 0.3),
        (2, 0, 0.3),
        (6, 1439, 0.2),
        (3, 720, -0.01),
        (3, 869, -0.01),
        (3, 870, 0.3),
    ] {
        assert_eq!(
            terms.rates.price_at((day + 6) % 7, day, minute),
            Some(price),
            "{day} {minute}"
        );
    }
}

#[test]
fn windows_alone_must_cover_the_week() {
    let day = "[windows.day]\nprice = 0.3\nfrom = \"06:00\"\nto = \"22:00\"\n";
    let night = "[windows.night]\nprice = 0.2\nfrom = \"22:00\"\nto = \"06:00\"\n";
    assert_eq!(
        fine(&format!("{HEAD}{day}{night}")).terms[0]
            .rates
            .windows
            .len(),
        2
    );
    let all = "[windows.all]\nprice = 0.3\nfrom = \"00:00\"\nto = \"24:00\"\n";
    fine(&format!("{HEAD}{all}"));
    let told = read(&format!("{HEAD}{day}")).1;
    assert!(
        told.contains("power.tariff.windows: leave a gap on Monday at 00:00"),
        "{told}"
    );
    let early = night.replace("\"06:00\"", "\"05:00\"");
    let told = read(&format!("{HEAD}{day}{early}")).1;
    assert!(told.contains("a gap on Monday at 05:00"), "{told}");
    let late = night.replace("\"06:00\"", "\"07:00\"");
    let told = read(&format!("{HEAD}{day}{late}")).1;
    assert!(
        told.contains("\"day\" and \"night\" overlap on Monday at 06:00"),
        "{told}"
    );
}

#[test]
fn changes_hold_from_their_date_on_in_order() {
    let text = format!(
        "{HEAD}price = 0.3\n[changes.later]\nsince = \"2028-01-01\"\nprice = 0.4\n\
         [changes.sooner]\nsince = \"2027-01-01\"\nprice = 0.35\n"
    );
    let prices: Vec<_> = fine(&text)
        .terms
        .iter()
        .map(|terms| terms.rates.price)
        .collect();
    assert_eq!(prices, [Some(0.3), Some(0.35), Some(0.4)]);
}

#[test]
fn every_fault_is_told_with_what_would_be_right() {
    assert_eq!(read(""), (None, String::new()));
    for (text, words) in [
        ("price = 0.3", "power.tariff.currency: is missing"),
        ("currency = \"euro\"\nprice = 0.3", "three capital letters"),
        ("currency = \"EUR\"", "power.tariff.price: is missing"),
        ("currency = \"EUR\"\nprice = 2000", "from -1000 to 1000"),
        (
            "currency = \"EUR\"\nprice = 1\ntime_zone = \"Mars\"",
            "a time zone such as",
        ),
        (
            "currency = \"EUR\"\nprice = 1\nprise = 2",
            "power.tariff.prise: is not a known key",
        ),
        (
            "currency = \"EUR\"\nprice = 1\n[windows.a]\nfrom = \"24:00\"\nto = \"00:00\"\ndays = [\"mo\"]",
            "power.tariff.windows.a.from: (\"24:00\")",
        ),
        (
            "currency = \"EUR\"\nprice = 1\n[windows.a]",
            "power.tariff.windows.a.to: is missing",
        ),
        (
            "currency = \"EUR\"\nprice = 1\n[windows.a]\nfrom = \"1:00\"\nto = \"02:60\"\nprice = 1\ndays = []",
            "windows.a.days: must list days",
        ),
        (
            "currency = \"EUR\"\nprice = 1\n[changes.a]\nprice = 2",
            "changes.a.since: is missing",
        ),
        (
            "currency = \"EUR\"\nprice = 1\n[changes.a]\nsince = \"2027-13-01\"\nprice = 2",
            "a date such as",
        ),
        (
            "currency = \"EUR\"\nprice = 1\n[changes.a]\nsince = \"2027-01-01\"\nprice = 2\n\
             [changes.b]\nsince = \"2027-01-01\"\nprice = 3",
            "another change",
        ),
    ] {
        let told = read(text).1;
        assert!(told.contains(words), "{text}: {told}");
    }
}

fn date(text: &str) -> jiff::civil::Date {
    text.parse().unwrap()
}

#[test]
fn seasons_have_prices_of_their_own_from_midnight_on() {
    let text = format!(
        "{HEAD}price = 0.3\n[seasons.winter]\nfrom = \"11-01\"\nto = \"02-29\"\nprice = 0.4\n\
         [seasons.winter.windows.night]\nprice = 0.1\nfrom = \"22:00\"\nto = \"06:00\"\n"
    );
    let tariff = fine(&text);
    let terms = &tariff.terms[0];
    for (day, minute, price) in [
        ("2026-10-31", 1380, 0.3),
        ("2026-11-01", 0, 0.1),
        ("2026-11-01", 720, 0.4),
        ("2026-12-31", 1439, 0.1),
        ("2027-02-28", 720, 0.4),
        ("2028-02-29", 720, 0.4),
        ("2027-03-01", 0, 0.3),
    ] {
        assert_eq!(
            tariff.listed(terms, date(day), minute),
            Some(price),
            "{day}"
        );
    }
    // Seasons alone must fill the year, and share no day.
    let half = |name: &str, from: &str, to: &str| {
        format!("[seasons.{name}]\nfrom = \"{from}\"\nto = \"{to}\"\nprice = 0.4\n")
    };
    let winter = half("winter", "10-01", "03-31");
    fine(&format!(
        "{HEAD}{winter}{}",
        half("summer", "04-01", "09-30")
    ));
    for (other, words) in [
        (
            half("summer", "04-02", "09-30"),
            "seasons: leave days of the year out",
        ),
        (
            half("summer", "03-31", "09-30"),
            "\"summer\" and \"winter\" share 03-31",
        ),
        (
            half("summer", "31-03", "09-30"),
            "seasons.summer.from: (\"31-03\")",
        ),
        (
            "[seasons.summer]\nprice = 1".to_owned(),
            "seasons.summer.to: is missing",
        ),
        (
            "[seasons.summer]\nfrom = \"04-01\"\nto = \"09-30\"\n".to_owned(),
            "seasons.summer.price: is missing",
        ),
        (
            "[seasons.summer]\nfrom = \"04-01\"\nto = \"09-30\"\nprice = \"x\"".to_owned(),
            "seasons.summer.price: (\"x\")",
        ),
    ] {
        let told = read(&format!("{HEAD}{winter}{other}")).1;
        assert!(told.contains(words), "{told}");
    }
}

#[test]
fn holidays_count_as_another_weekday_before_and_after_too() {
    let text = format!(
        "{HEAD}price = 0.3\nholidays = [\"12-25\", \"easter+1\"]\n[windows.weekend]\nprice = 0.1\n\
         from = \"20:00\"\nto = \"08:00\"\ndays = [\"sun\"]\n"
    );
    let tariff = fine(&text);
    let terms = &tariff.terms[0];
    for (day, minute, price) in [
        // A Friday, and the Saturday's morning after it.
        ("2026-12-25", 1300, 0.1),
        ("2026-12-26", 479, 0.1),
        ("2026-12-26", 480, 0.3),
        ("2026-12-24", 1300, 0.3),
        // Easter Monday.
        ("2026-04-06", 1300, 0.1),
    ] {
        assert_eq!(
            tariff.listed(terms, date(day), minute),
            Some(price),
            "{day}"
        );
    }
    assert_eq!(
        fine(&format!("{HEAD}price = 1\nholidays_as = \"sat\"")).holidays_as,
        5
    );
    // Around a holiday a night may be missing that a plain week has.
    let windows = "[windows.day]\nprice = 0.3\nfrom = \"06:00\"\nto = \"22:00\"\n\
        [windows.night]\nprice = 0.2\nfrom = \"22:00\"\nto = \"06:00\"\ndays = [\"mon\", \"tue\", \"wed\", \"thu\", \"fri\", \"sat\"]\n\
        [windows.late]\nprice = 0.1\nfrom = \"22:00\"\nto = \"24:00\"\ndays = [\"sun\"]\n\
        [windows.early]\nprice = 0.1\nfrom = \"00:00\"\nto = \"06:00\"\ndays = [\"mon\"]\n";
    fine(&format!("{HEAD}{windows}"));
    let told = read(&format!("{HEAD}holidays = [\"12-25\"]\n{windows}")).1;
    assert!(
        told.contains("leave a gap on Tuesday after a day that counts as Sunday at 00:00"),
        "{told}"
    );
    let told = read(&format!(
        "{HEAD}price = 1\nholidays = [\"xmas\"]\nholidays_as = \"x\""
    ))
    .1;
    assert!(
        told.contains("holidays: (\"xmas\") must be days such as"),
        "{told}"
    );
    assert!(told.contains("holidays_as: (\"x\")"), "{told}");
}

#[test]
fn steps_tax_standing_charge_and_export_are_read() {
    let text = format!(
        "{HEAD}price = 0.3\ntax_pct = 19\nstanding = 12\nstanding_share_pct = 50\nexport_price = 0.08\n\
         tiers_per = \"day\"\n[tiers.b]\nabove_kwh = 10\nadd = 0.1\n[tiers.a]\nabove_kwh = 5\nprice = 0.5\n"
    );
    let tariff = fine(&text);
    let terms = &tariff.terms[0];
    let tiers = terms.tiers.as_ref().unwrap();
    assert_eq!(tiers.per, Period::Day);
    assert_eq!(tiers.price(0.3, 0.0), (0.3, Some(5.0)));
    assert_eq!(tiers.price(0.3, 5.0), (0.5, Some(10.0)));
    assert_eq!(tiers.price(0.3, 10.0), (0.4, None));
    assert_eq!((terms.export_price, terms.taxed(1.0)), (Some(0.08), 1.19));
    assert!((terms.standing_on(date("2026-11-07")) - 6.0 * 1.19 / 30.0).abs() < 1e-12);
    let daily = fine(&format!(
        "{HEAD}price = 1\nstanding = 0.5\nstanding_per = \"day\""
    ));
    assert!((daily.terms[0].standing_on(date("2026-11-07")) - 0.5).abs() < 1e-12);
    for (tiers, words) in [
        ("[tiers.a]\nabove_kwh = 1", "tiers.a: needs one of"),
        (
            "[tiers.a]\nabove_kwh = 1\nprice = 1\nadd = 1",
            "tiers.a: has both",
        ),
        ("[tiers.a]\nprice = 1", "tiers.a.above_kwh: is missing"),
        (
            "[tiers.a]\nabove_kwh = 1\nprice = 1\n[tiers.b]\nabove_kwh = 1\nadd = 1",
            "begin at the same amount",
        ),
        ("tiers_per = \"year\"", "tiers_per: (\"year\")"),
    ] {
        let told = read(&format!("{HEAD}price = 0.3\n{tiers}")).1;
        assert!(told.contains(words), "{told}");
    }
    assert_eq!((Period::Day.word(), Period::Month.word()), ("day", "month"));
}

#[test]
fn a_dynamic_price_has_topics_a_unit_and_something_to_fall_back_to() {
    let text = format!(
        "{HEAD}price = 0.3\n[dynamic]\ntopics = [\"prices/now\", \"prices/list\"]\n\
         statestream = \"ha/sensor/nordpool\"\nunit = \"EUR/MWh\"\nfactor = 1.03\nadd = 0.15\nstale_after = \"20m\"\n"
    );
    let tariff = fine(&text);
    let dynamic = tariff.terms[0].dynamic.as_ref().unwrap();
    assert!((dynamic.price(100.0) - (0.1 * 1.03 + 0.15)).abs() < 1e-12);
    let filters = dynamic.feed.filters();
    assert_eq!(
        filters,
        ["prices/now", "prices/list", "ha/sensor/nordpool/+"]
    );
    assert_eq!(dynamic.feed.stale_after.as_secs(), 1200);
    let plain = fine(&format!(
        "{HEAD}price = 0.3\n[dynamic]\ntopics = \"p\"\nunit = \"ct/kWh\""
    ));
    let dynamic = plain.terms[0].dynamic.as_ref().unwrap();
    assert!((dynamic.price(31.0) - 0.31).abs() < 1e-12);
    assert_eq!(plain.terms[0].export, None);
    // What is fed in may have a price of its own, which needs no other beside it.
    let export = fine(&format!(
        "{HEAD}price = 0.3\n[export]\ntopics = \"p\"\nunit = \"EUR/MWh\"\nfactor = 0.9"
    ));
    let export = export.terms[0].export.as_ref().unwrap();
    assert!((export.price(50.0) - 0.045).abs() < 1e-12);
    for (text, words) in [
        (
            "[dynamic]\ntopics = \"p\"",
            "power.tariff.price: is missing",
        ),
        (
            "price = 1\n[dynamic]\nadd = 1",
            "dynamic.topics: is missing",
        ),
        (
            "price = 1\n[export]\nfactor = 1",
            "export.topics: is missing",
        ),
        (
            "price = 1\n[dynamic]\ntopics = [\"p/+\"]",
            "topics: must list topics without",
        ),
        (
            "price = 1\n[dynamic]\ntopics = []",
            "topics: must list topics without",
        ),
        (
            "price = 1\n[dynamic]\nstatestream = \"x/\"",
            "dynamic.statestream",
        ),
        (
            "price = 1\n[dynamic]\ntopics = \"p\"\nunit = \"USD/kWh\"",
            "\"EUR/kWh\", \"ct/kWh\" or",
        ),
        (
            "price = 1\n[dynamic]\ntopics = \"p\"\nunit = \"EUR/Wh\"",
            "dynamic.unit: (\"EUR/Wh\")",
        ),
        (
            "price = 1\n[dynamic]\ntopics = \"p\"\nunit = \"EUR\"",
            "dynamic.unit: (\"EUR\")",
        ),
    ] {
        let told = read(&format!("{HEAD}{text}")).1;
        assert!(told.contains(words), "{told}");
    }
    let told = read("price = 1\n[dynamic]\ntopics = \"p\"\nunit = \"Wh\"").1;
    assert!(told.contains("such as \"EUR/kWh\""), "{told}");
}
