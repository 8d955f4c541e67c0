//! A chart as SVG that stands in a page: colours are classes of the page's style, so that it is
//! light or dark as the page is; each value's words are its `<title>`.

use super::document::{Chart, Series, Shape, number, place, quantity};
use super::period::Grain;
use super::sheet::{Sheet, escape};

/// How many colours the style has.
const COLOURS: usize = 8;

const WIDTH: f64 = 480.0;
const HEIGHT: f64 = 230.0;
const TOP: f64 = 10.0;
const BOTTOM: f64 = 206.0;
const RIGHT: f64 = 474.0;
/// No more than so many words stand below a chart.
const WORDS: usize = 6;

/// Where things are on the picture.
struct Field {
    left: f64,
    step: f64,
    low: f64,
    high: f64,
}

impl Field {
    fn x(&self, place: usize) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "no chart has 2^52 places")]
        let place = place as f64;
        self.left + self.step * place
    }

    fn y(&self, value: f64) -> f64 {
        BOTTOM - (value - self.low) / (self.high - self.low) * (BOTTOM - TOP)
    }
}

/// The chart as an `<svg>` element.
pub(super) fn svg(chart: &Chart) -> String {
    let mut out = Sheet::default();
    out.put(format_args!(
        "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\"><title>{}</title>\n",
        escape(&summary(chart))
    ));
    let (low, high) = range(chart);
    let (ticks, decimals) = ticks(low, high);
    let (low, high) = (
        ticks.first().copied().unwrap_or(0.0).min(low),
        ticks.last().copied().unwrap_or(1.0).max(high),
    );
    let words: Vec<_> = ticks.iter().map(|tick| number(*tick, decimals)).collect();
    let longest = words.iter().map(|word| word.chars().count()).max();
    #[expect(clippy::cast_precision_loss, reason = "a few characters and places")]
    let (left, count) = (
        12.0 + 9.0 * longest.unwrap_or(1) as f64,
        chart.at.len().max(1) as f64,
    );
    let field = Field {
        left,
        step: (RIGHT - left) / count,
        low,
        high,
    };
    for (tick, word) in ticks.iter().zip(&words) {
        let y = field.y(*tick);
        out.put(format_args!(
            "<path class=\"grid\" d=\"M{left:.1} {y:.1}H{RIGHT}\"/>\
             <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{word}</text>\n",
            left - 6.0,
            y + 4.0
        ));
    }
    gaps(chart, &field, &mut out);
    match chart.shape {
        Shape::Bars => bars(chart, &field, &mut out),
        Shape::Stack => stack(chart, &field, &mut out),
        Shape::Lines => {
            for (place, series) in chart.series.iter().enumerate() {
                line(series, place, &field, &mut out);
            }
        }
    }
    out.put(format_args!(
        "<path class=\"axis\" d=\"M{left:.1} {:.1}H{RIGHT}\"/>\n",
        field.y(low.max(0.0).min(high))
    ));
    below(chart, &field, &mut out);
    out.put(format_args!("</svg>\n"));
    out.finish()
}

/// What the picture shows, for those who do not see it.
fn summary(chart: &Chart) -> String {
    let series = chart.series.iter().filter_map(|series| {
        let known = || series.values.iter().flatten().copied();
        let (low, high) = (
            known().fold(f64::INFINITY, f64::min),
            known().fold(f64::NEG_INFINITY, f64::max),
        );
        (low <= high).then(|| {
            let (low, high) = (
                number(low, chart.decimals),
                quantity(high, &chart.unit, chart.decimals),
            );
            format!("{} {low} to {high}", series.label)
        })
    });
    let series: Vec<_> = series.collect();
    format!("{}: {}", chart.title, series.join("; "))
}

/// The least and the greatest value that must fit; zero always does.
fn range(chart: &Chart) -> (f64, f64) {
    let mut range = (0.0_f64, 0.0_f64);
    let mut take = |value: f64| range = (range.0.min(value), range.1.max(value));
    if chart.shape == Shape::Stack {
        for place in 0..chart.at.len() {
            let values = chart.series.iter().filter_map(|one| one.values.get(place));
            take(values.flatten().sum());
        }
    }
    for series in &chart.series {
        series
            .values
            .iter()
            .flatten()
            .for_each(|value| take(*value));
        for (low, high) in series.within.iter().flatten() {
            take(*low);
            take(*high);
        }
    }
    if range.0 < range.1 { range } else { (0.0, 1.0) }
}

/// Round numbers from below `low` to above `high`, and the decimals that they need.
fn ticks(low: f64, high: f64) -> (Vec<f64>, u8) {
    let raw = (high - low) / 4.0;
    let power = raw.log10().floor();
    let unit = 10_f64.powf(power);
    let wanted = [1.0, 2.0, 2.5, 5.0, 10.0];
    let factor = wanted
        .into_iter()
        .find(|factor| factor * unit >= raw * 0.999);
    let factor = factor.unwrap_or(10.0);
    let step = factor * unit;
    let needed = if (factor - 2.5).abs() < 1e-9 {
        1.0 - power
    } else {
        -power
    };
    let decimals = [0_u8, 1, 2, 3, 4, 5];
    let decimals = decimals.into_iter().find(|one| f64::from(*one) >= needed);
    let mut all = Vec::new();
    let mut tick = (low / step).floor();
    while all.len() < 12 {
        all.push(tick * step);
        if tick * step >= high - step * 1e-6 {
            break;
        }
        tick += 1.0;
    }
    (all, decimals.unwrap_or(6))
}

/// A shade where the first series of bars knows nothing.
fn gaps(chart: &Chart, field: &Field, out: &mut Sheet) {
    let first = chart.series.first();
    let values = first.map_or(&[][..], |series| series.values.as_slice());
    for (place, value) in values.iter().enumerate() {
        if value.is_none() && chart.shape != Shape::Lines {
            out.put(format_args!(
                "<rect class=\"gap\" x=\"{:.1}\" y=\"{TOP}\" width=\"{:.1}\" height=\"{:.1}\"/>\n",
                field.x(place),
                field.step,
                BOTTOM - TOP
            ));
        }
    }
}

fn bars(chart: &Chart, field: &Field, out: &mut Sheet) {
    for (number, series) in chart.series.iter().enumerate() {
        if number > 0 {
            line(series, number, field, out);
            continue;
        }
        for (place, value) in series.values.iter().enumerate() {
            if let Some(value) = value {
                bar(chart, series, 0, (place, 0.0, *value), field, out);
            }
        }
    }
}

fn stack(chart: &Chart, field: &Field, out: &mut Sheet) {
    let mut sums = vec![0.0; chart.at.len()];
    for (number, series) in chart.series.iter().enumerate() {
        for (place, (value, sum)) in series.values.iter().zip(&mut sums).enumerate() {
            if let Some(value) = value.filter(|value| *value > 0.0) {
                bar(chart, series, number, (place, *sum, value), field, out);
                *sum += value;
            }
        }
    }
}

/// A bar of `value` that begins at a height.
fn bar(
    chart: &Chart,
    series: &Series,
    colour: usize,
    (at, from, value): (usize, f64, f64),
    field: &Field,
    out: &mut Sheet,
) {
    let (one, other) = (field.y(from), field.y(from + value));
    let width = (field.step * 0.76).max(field.step - 6.0).max(1.0);
    let when = chart.at.get(at).map(|at| place(at, chart.grain));
    let name = if chart.series.len() > 1 {
        format!("{}, ", series.label)
    } else {
        String::new()
    };
    out.put(format_args!(
        "<rect class=\"{}\" x=\"{:.1}\" y=\"{:.1}\" width=\"{width:.1}\" height=\"{:.1}\" rx=\"1.5\">\
         <title>{}{}: {}</title></rect>\n",
        class(series, colour, chart.shape),
        field.x(at) + (field.step - width) / 2.0,
        one.min(other),
        (one - other).abs().max(0.5),
        escape(&name),
        escape(&when.unwrap_or_default()),
        escape(&quantity(value, &chart.unit, chart.decimals)),
    ));
}

/// The style's word for the colour of a series.
pub(super) fn class(series: &Series, number: usize, shape: Shape) -> String {
    match (series.faint, shape) {
        (true, Shape::Stack) => "c8".to_owned(),
        (true, Shape::Bars | Shape::Lines) => "faint".to_owned(),
        (false, _) => format!("c{}", number % COLOURS),
    }
}

/// A line through the middles of the places, broken where nothing is known, and what it lies
/// within.
fn line(series: &Series, number: usize, field: &Field, out: &mut Sheet) {
    let class = class(series, number, Shape::Lines);
    let middle = |place: usize| field.x(place) + field.step / 2.0;
    let band: Vec<_> = series
        .within
        .iter()
        .enumerate()
        .filter_map(|(place, within)| Some((middle(place), (*within)?)))
        .collect();
    if band.len() > 1 {
        let upper = band.iter().map(|(x, (_, high))| (*x, *high));
        let lower = band.iter().rev().map(|(x, (low, _))| (*x, *low));
        let points = upper.chain(lower);
        let points = points.map(|(x, value)| format!("{x:.1} {:.1}", field.y(value)));
        out.put(format_args!(
            "<path class=\"within {class}\" d=\"M{}Z\"/>\n",
            points.collect::<Vec<_>>().join("L")
        ));
    }
    let places: Vec<_> = series.values.iter().enumerate().collect();
    for stretch in places.split(|(_, value)| value.is_none()) {
        let points = stretch.iter().filter_map(|(place, value)| {
            Some(format!("{:.1} {:.1}", middle(*place), field.y((**value)?)))
        });
        let points: Vec<_> = points.collect();
        match points.as_slice() {
            [] => {}
            [one] => {
                let (x, y) = one.split_once(' ').unwrap_or_default();
                out.put(format_args!(
                    "<circle class=\"{class}\" cx=\"{x}\" cy=\"{y}\" r=\"2\"/>\n"
                ));
            }
            points => {
                let path = points.join("L");
                out.put(format_args!(
                    "<path class=\"line {class}\" d=\"M{path}\"/>\n"
                ));
            }
        }
    }
}

/// The words below the axis: as many as fit, evenly.
fn below(chart: &Chart, field: &Field, out: &mut Sheet) {
    let every = chart.at.len().div_ceil(WORDS).max(1);
    let form = match chart.grain {
        Grain::Hour => "%H:%M",
        Grain::Day => "%-d %b",
        Grain::Month => "%b %y",
    };
    for (place, at) in chart.at.iter().enumerate().step_by(every) {
        out.put(format_args!(
            "<text class=\"x\" x=\"{:.1}\" y=\"223\" text-anchor=\"middle\">{}</text>\n",
            (field.x(place) + field.step / 2.0).clamp(field.left + 4.0, RIGHT - 16.0),
            at.strftime(form)
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_axis_has_a_few_round_numbers_that_reach_around_all_values() {
        let want: [((f64, f64), &[f64], u8); 5] = [
            ((0.0, 1.0), &[0.0, 0.25, 0.5, 0.75, 1.0], 2),
            ((0.0, 93.0), &[0.0, 25.0, 50.0, 75.0, 100.0], 0),
            ((0.0, 0.012), &[0.0, 0.005, 0.01, 0.015], 3),
            ((-3.0, 5.0), &[-4.0, -2.0, 0.0, 2.0, 4.0, 6.0], 0),
            ((0.0, 4000.0), &[0.0, 1000.0, 2000.0, 3000.0, 4000.0], 0),
        ];
        for ((low, high), all, digits) in want {
            let (found, decimals) = ticks(low, high);
            assert_eq!(decimals, digits, "{low} to {high}: {found:?}");
            assert_eq!(found.len(), all.len(), "{found:?}");
            for (one, other) in found.iter().zip(all) {
                assert!((one - other).abs() < 1e-9, "{found:?}");
            }
        }
    }
}
