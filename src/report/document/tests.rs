use super::number::exact;
use super::*;

#[test]
fn numbers_are_written_as_people_write_them() {
    let written = [(-0.001, 1), (-2.5, 1), (1234.0, 0), (0.5, 9)];
    let written = written.map(|(value, decimals)| number(value, decimals));
    assert_eq!(written, ["−0.0010", "−2.5", "1234", "0.500000"]);
    let small = [
        (0.0, 2),
        (0.0048, 2),
        (0.049, 1),
        (1e-15, 2),
        (-1e-7, 0),
        (2e-8, 2),
    ];
    let small = small.map(|(value, decimals)| number(value, decimals));
    let want = ["0.00", "0.0048", "0.049", "0.00", ">−0.000001", "<0.000001"];
    assert_eq!(small, want, "nothing is only what is nothing");
    let cases = [
        (0.004_8, 2, 0.004_8),
        (0.000_123_456, 2, 0.000_123_5),
        (12.345_678_9, 2, 12.345_68),
        (33.333_333, 0, 33.333),
        (1_234_567.0, 0, 1_234_567.0),
        (-0.0, 2, 0.0),
    ];
    for (value, decimals, want) in cases {
        assert!((exact(value, decimals) - want).abs() < 1e-12, "{value}");
    }
    assert_eq!(quantity(2.0, "", 0), "2");
    assert_eq!(quantity(2.0, "kWh", 1), "2.0 kWh");
    assert_eq!(harmless("a\u{1b}[2J\u{202e}b\nü"), "a�[2J�b�ü");
}

#[test]
fn what_is_not_known_is_no_figure_and_no_change() {
    let figure = Figure::new("energy_kwh", "Energy", "kWh", 1);
    let figure = figure.with(Some(3.0), Some(2.0), Some(f64::NAN));
    assert_eq!(figure.change(figure.before), Some(50.0));
    assert_eq!(figure.change(figure.last_year), None);
    assert_eq!(figure.change(Some(0.0)), None, "out of nothing");
    assert_eq!(figure.change(Some(-2.0)), None, "earned then, paid now");
    let moment = "2026-01-01T00:00[UTC]".parse::<jiff::Zoned>().unwrap();
    let mut before = Against {
        key: "before",
        label: "the period before",
        from: moment.clone(),
        to: moment,
        is_whole: true,
    };
    let told = |unit: &str, value: f64| {
        let figure = Figure::new("one", "One", unit, 1);
        let figure = figure.with(Some(value), Some(100.0), None);
        figure.changed(&before).unwrap()
    };
    assert_eq!(
        [100.4, 99.6, 107.2, 87.4].map(|value| told("kWh", value)),
        ["±0 %", "±0 %", "+7 %", "−13 %"]
    );
    // Three per cent more of a share might be taken for a third more.
    assert_eq!(told("%", 97.0), "−3 points");
    // Of a span that is known in part, watts can be compared, and sums cannot.
    before.is_whole = false;
    assert_eq!(figure.changed(&before).unwrap(), "+50 %");
    assert_eq!(figure.sum().changed(&before), None);
    assert_eq!(Cell::from(f64::INFINITY), Cell::Unknown);
}
