//! What the watts go with.

use super::*;

#[test]
fn what_the_watts_go_with_is_told_in_every_form() {
    let house = House::new();
    house.book("2026-05-01", "2026-05-04", |_| 1.2);
    let subject = Subject::of_host(Area::Power, "correlation", "Correlation");
    let mut at: Timestamp = "2026-05-01T00:00:00Z".parse().unwrap();
    for step in 0..40 {
        let closely = 0.8 + f64::from(step % 5) * 0.04;
        let reading = Reading::new(&subject)
            .with(&TIES[0], closely)
            .with(&TIES[1], 10.0)
            .with(&TIES[2], -0.5)
            .with(&TIES[3], 0.05);
        let outcomes = vec![Outcome {
            collector: "power",
            result: Ok(vec![reading]),
        }];
        house.store.append(&Batch { at, outcomes }).unwrap();
        at = at.checked_add(10.minutes()).unwrap();
    }
    house.store.sync().unwrap();
    let told = house.told("2026-05-04T10:00:00Z", "2026-05", "");
    let rows = told["tables"]["correlation"].as_array().unwrap();
    assert_eq!(rows.len(), 3);
    assert_eq!(
        (&rows[0]["activity"], &rows[0]["strength"]),
        (&"Processor".into(), &"close".into())
    );
    close(&rows[0]["coefficient"], 0.88);
    close(&rows[0]["low"], 0.8);
    close(&rows[0]["lag_s"], 10.0);
    assert_eq!(
        (&rows[1]["strength"], &rows[2]["strength"]),
        (&"against it".into(), &"none".into())
    );
    let document = house.reports("2026-05-04T10:00:00Z", "");
    let document = document
        .make("power", &"2026-05".parse::<Period>().unwrap().into())
        .unwrap();
    for format in [Format::Text, Format::Csv, Format::Html] {
        let told = format.render(&document);
        assert!(
            told.contains("0.88") && told.contains("Processor"),
            "{told}"
        );
    }
}
