use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::*;

/// A document with one of everything, and names as hostile as they come.
fn sample() -> Document {
    let zone = TimeZone::get("Europe/Berlin").unwrap();
    let now: Timestamp = "2026-05-04T10:00:00Z".parse().unwrap();
    let frame = Period::Running(Length::Month).place(now, &zone).unwrap();
    let at: Vec<_> = frame
        .bins(frame.span, frame.grain())
        .iter()
        .map(|bin| frame.local(bin.from))
        .collect();
    let mut document =
        Document::new("power", "Power", "nas", frame.local(now), &frame).against(&frame);
    document.figures(
        "totals",
        "",
        vec![
            Figure::new("energy_kwh", "Energy", "kWh", 2)
                .with(Some(12.345), Some(10.0), Some(15.0))
                .within(Some((11.0, 14.0)))
                .remark("1 h without data"),
            Figure::new("cost_eur", "Cost", "EUR", 2),
        ],
    );
    document.figures("none", "Nothing", Vec::new());
    let hostile = "<script>alert('x')</script>\u{1b}[31m\u{202e}";
    document.table(Table {
        id: "services",
        title: "Services".to_owned(),
        columns: vec![
            Column::text("service", "Service"),
            Column::number("energy_kwh", "Energy", "kWh", 2),
            Column::text("since", "Since"),
        ],
        rows: vec![
            vec![hostile.into(), 3.0.into(), "=1+1".into()],
            vec!["caddy, the \"proxy\"".into(), Cell::Unknown, "May".into()],
        ],
        bar: Some("energy_kwh"),
        remark: "shares".to_owned(),
    });
    document.table(Table::default());
    wordy(&mut document);
    for (shape, id) in [
        (Shape::Bars, "days"),
        (Shape::Stack, "stack"),
        (Shape::Lines, "lines"),
    ] {
        document.chart(Chart {
            id,
            title: format!("By day & <{id}>"),
            unit: "kWh".to_owned(),
            decimals: 1,
            shape,
            grain: Grain::Day,
            at: at.clone(),
            series: vec![
                Series {
                    label: "May".to_owned(),
                    values: vec![Some(1.0), None, Some(3.0), Some(4.0)],
                    within: vec![Some((0.5, 1.5)), None, None, Some((3.0, 5.0))],
                    ..Series::default()
                },
                Series {
                    label: "April".to_owned(),
                    values: vec![Some(2.0), None, Some(2.0), None],
                    faint: true,
                    ..Series::default()
                },
            ],
            remark: "a day is missing".to_owned(),
        });
    }
    document.note("All is well.");
    document.warning("An estimate.");
    document
}

/// Tables with more words than a terminal is wide.
fn wordy(document: &mut Document) {
    document.table(Table {
        id: "words",
        title: "Words".to_owned(),
        columns: vec![
            Column::text("part", "Part"),
            Column::text("what", "What"),
            Column::text("why", "Why"),
            Column::text("todo", "To do"),
            Column::number("worth_pct", "Worth", "%", 0),
        ],
        rows: vec![
            vec![
                "Disk".into(),
                "it ".repeat(30).into(),
                "as ".repeat(30).into(),
                "do ".repeat(30).into(),
                7.0.into(),
            ],
            vec![
                "Fan".into(),
                "".into(),
                "dust".into(),
                "clean it".into(),
                Cell::Unknown,
            ],
        ],
        bar: Some("worth_pct"),
        ..Table::default()
    });
    document.table(Table {
        id: "names",
        columns: vec![
            Column::text("name", "Name"),
            Column::text("of", "Of"),
            Column::number("w", "Power", "W", 1),
        ],
        rows: vec![vec![
            "n".repeat(60).into(),
            "o".repeat(60).into(),
            7.0.into(),
        ]],
        ..Table::default()
    });
}

#[test]
fn as_json_everything_is_found_by_its_key_and_what_is_not_known_is_left_out() {
    let told: serde_json::Value = serde_json::from_str(&Format::Json.render(&sample())).unwrap();
    assert_eq!(told["period"]["from"], "2026-05-01T00:00:00+02:00");
    assert_eq!(told["period"]["before"]["to"], "2026-04-04T12:00:00+02:00");
    let energy = &told["figures"]["energy_kwh"];
    assert_eq!(energy["value"], 12.345, "programs round for themselves");
    assert_eq!(
        (&energy["low"], &energy["before"]),
        (&11.0.into(), &10.0.into())
    );
    assert!(told["figures"]["cost_eur"].get("value").is_none());
    assert_eq!(told["tables"]["services"][0]["energy_kwh"], 3.0);
    assert!(told["tables"]["services"][1].get("energy_kwh").is_none());
    let days = &told["charts"]["days"];
    assert_eq!(days["at"][1], "2026-05-02T00:00:00+02:00");
    assert_eq!(days["series"][0]["values"][1], serde_json::Value::Null);
    assert_eq!(days["series"][0]["high"][3], 5.0);
    assert_eq!(told["notes"][1]["warns"], true);
}

#[test]
fn as_csv_every_line_has_the_same_columns_and_no_formula() {
    let told = Format::Csv.render(&sample());
    for line in [
        "part,item,figure,value,unit",
        "figure,energy_kwh,before,10,kWh",
        "services,\"caddy, the \"\"proxy\"\"\",since,May,",
        "chart days,2026-05-03T00:00:00+02:00,May,3,kWh",
        "note,,text,An estimate.,",
    ] {
        assert!(told.lines().any(|found| found == line), "{line}: {told}");
    }
    assert!(told.contains(",'=1+1,"), "{told}");
    assert!(!told.contains("cost_eur"), "unknown is left out");
}

#[test]
fn as_text_it_fits_a_terminal_and_steers_none() {
    let told = Format::Text.render(&sample());
    for line in told.lines() {
        assert!(line.chars().count() <= 80, "{line}");
        assert!(!line.contains(['\u{1b}', '\u{202e}']), "{line}");
    }
    for part in [
        "Power — nas",
        "12.35 kWh",
        "\n                      11.00 to 14.00\n",
        "10.00 kWh  +23 %",
        "Cost                  unknown",
        "Services\n────────",
        "! An estimate.",
        "• All is well.",
        "\nDisk\n  What   it it",
        "\n         it it",
        "\n  Worth  7 %\nFan\n  Why    dust\n  To do  clean it\n",
        "…  ooo",
    ] {
        assert!(told.contains(part), "{part}: {told}");
    }
}

#[test]
fn as_a_page_it_needs_nothing_from_elsewhere_and_names_stay_names() {
    let told = Format::Html.render(&sample());
    for never in [
        "<script", "http://", "https://", "url(", "@import", "\u{1b}", "<days>",
    ] {
        assert!(!told.contains(never), "{never}");
    }
    for part in [
        "&lt;script&gt;alert(&#39;x&#39;)",
        "prefers-color-scheme: dark",
        "default-src 'none'",
        "<html lang=\"en\">",
        "<th scope=\"row\">",
        "role=\"img\"",
        "class=\"note warns\"",
        "<b class=\"unknown\">unknown</b>",
        "<td class=\"number\" data-label=\"Worth %\">7<span class=\"bar\" style=\"width:7.0%\">",
        "<td class=\"unknown\" data-label=\"What\">",
    ] {
        assert!(told.contains(part), "{part}");
    }
    assert_eq!(told.matches("<svg").count(), 3);
    // The markup is well-formed as far as its boxes go.
    for tag in [
        "div", "section", "figure", "table", "svg", "rect", "dd", "p", "li",
    ] {
        let opened =
            told.matches(&format!("<{tag}>")).count() + told.matches(&format!("<{tag} ")).count();
        let closed = told.matches(&format!("</{tag}>")).count();
        let alone = told.matches("<rect class=\"gap\"").count();
        let alone = if tag == "rect" { alone } else { 0 };
        assert_eq!(opened, closed + alone, "{tag}");
    }
}

#[test]
fn what_there_is_not_is_told_with_what_there_is() {
    let error = ReportError::Unknown("ddns".to_owned()).to_string();
    assert!(
        error.starts_with("there is no report \"ddns\"; there are: "),
        "{error}"
    );
}
