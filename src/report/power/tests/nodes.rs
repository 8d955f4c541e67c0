//! Other nodes, by the meters that feed them.

use super::*;

#[test]
fn other_nodes_are_told_by_the_meters_that_feed_them() {
    let house = House::new();
    house.history("2026-04-28T00:00:00Z", "2026-05-04T12:00:00Z", 50.0);
    house.book("2026-05-01", "2026-05-05", |_| 1.2);
    let now = "2026-05-04T10:00:00Z";
    let told = house.told(now, "2026-05-01..2026-05-03", OTHERS);
    let nodes = told["tables"]["nodes"].as_array().unwrap();
    assert_eq!((nodes.len(), &nodes[0]["node"]), (2, &"pc".into()));
    // The plug counts twice what the machine has: 100 W for three days.
    close(&nodes[0]["energy_kwh"], 7.2);
    close(&nodes[0]["cost_eur"], 2.16);
    close(&nodes[0]["before_kwh"], 7.0);
    assert_eq!(
        (&nodes[1]["node"], &nodes[1]["share_pct"]),
        (&"nas".into(), &33.333.into())
    );
    let told = house.told_of(Some("pc"), now, "2026-05-01..2026-05-03", OTHERS);
    assert_eq!(told["node"], "pc");
    close(&told["figures"]["energy_kwh"]["value"], 7.2);
    close(&told["figures"]["cost_eur"]["value"], 2.16);
    close(&told["figures"]["mean_w"]["value"], 100.0);
    close(&told["figures"]["peak_w"]["value"], 100.0);
    assert_eq!(
        told["charts"]["energy"]["series"][0]["values"]
            .as_array()
            .unwrap()
            .len(),
        72
    );
    let typical = &told["charts"]["typical_day"]["series"][0]["values"];
    close(&typical[5], 100.0);
    assert!(!texts(&told).contains("without data"), "{told}");
    let told = house.told_of(Some("pc"), now, "2026", OTHERS);
    close(&told["figures"]["energy_kwh"]["value"], 15.4);
    assert!(texts(&told).contains("h are without data"), "{told}");
    // Of this very node it is the whole report; of one whose meter is silent, nothing.
    let told = house.told_of(Some("nas"), now, "2026-05-01..2026-05-03", OTHERS);
    assert!(told["tables"].get("services").is_some());
    let told = house.told_of(Some("pi"), now, "2026-05", OTHERS);
    assert!(
        texts(&told).contains("the meter of pi told no energy"),
        "{told}"
    );
    assert!(
        house.told(now, "2026-05", "")["tables"]
            .get("nodes")
            .is_none(),
        "there is but one"
    );
    let asked = Asked {
        node: Some("tv".to_owned()),
        ..Asked::default()
    };
    let nobody = Asked {
        node: Some(String::new()),
        ..Asked::default()
    };
    let error = house.reports(now, OTHERS).make("power", &nobody);
    let error = error.unwrap_err().to_string();
    assert_eq!(error, "the node's name is empty; there is: nas, pc, pi");
    let error = house
        .reports(now, OTHERS)
        .make("power", &asked)
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("there is: nas, pc, pi") && error.contains("feeds = \"node-tv\""),
        "{error}"
    );
}

#[test]
fn a_node_with_two_meters_has_no_least_or_peak_but_all_their_energy() {
    let house = House::new();
    house.history("2026-05-01T00:00:00Z", "2026-05-04T12:00:00Z", 50.0);
    let more = "[power.meters.plug]\ntasmota = \"plug\"\nfeeds = \"node-pc\"\n\
        [power.meters.second]\ntasmota = \"two\"\nfeeds = \"node-pc\"\n";
    let told = house.told_of(Some("pc"), "2026-05-04T10:00:00Z", "2026-05-02", more);
    close(&told["figures"]["energy_kwh"]["value"], 3.6);
    for figure in ["mean_w", "min_w", "peak_w"] {
        assert!(told["figures"][figure].get("value").is_none(), "{told}");
    }
}
