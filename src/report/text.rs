//! A report for a terminal, 80 columns wide.

mod table;

use super::document::{Chart, Document, Figure, Part, Shape};
use super::document::{harmless, number, place, quantity};

/// Columns of a terminal.
const WIDTH: usize = 80;
/// The document as text; what could steer a terminal is taken out of it.
pub(super) fn text(document: &Document) -> String {
    let form = "%-d %b %Y %H:%M";
    let mut lines = vec![
        format!("{} — {}", document.title, document.node),
        format!(
            "{} ({} to {})",
            document.period,
            document.from.strftime(form),
            document.to.strftime(form)
        ),
    ];
    for part in &document.parts {
        match part {
            Part::Figures(group) => {
                heading(&group.title, &mut lines);
                figures(&group.figures, document, &mut lines);
            }
            Part::Table(one) => {
                heading(&one.title, &mut lines);
                table::table(one, &mut lines);
            }
            Part::Chart(one) => {
                heading(&one.title, &mut lines);
                chart(one, &mut lines);
            }
            Part::Note(note) => {
                if !matches!(lines.last(), Some(line) if line.starts_with(['•', '!', ' '])) {
                    lines.push(String::new());
                }
                let mark = if note.warns { "! " } else { "• " };
                wrap(mark, &note.text, &mut lines);
            }
        }
    }
    let mut out = String::new();
    for line in lines {
        out.push_str(harmless(&line).trim_end());
        out.push('\n');
    }
    out
}

fn heading(title: &str, lines: &mut Vec<String>) {
    lines.push(String::new());
    if !title.is_empty() {
        lines.push(title.to_owned());
        lines.push("─".repeat(width(title).min(WIDTH)));
    }
}

fn figures(figures: &[Figure], document: &Document, lines: &mut Vec<String>) {
    let has = |key| document.against.iter().any(|one| one.key == key);
    let compared = figures.iter().any(|figure| {
        (has("before") && figure.before.is_some())
            || (has("last_year") && figure.last_year.is_some())
    });
    if compared {
        let labels = document.against.iter().map(|one| one.label);
        let labels = labels.map(|label| format!("{label:>20}"));
        lines.push(format!("{:40}{}", "", labels.collect::<String>()));
    }
    for figure in figures {
        let value = figure.value.map_or("unknown".to_owned(), |value| {
            quantity(value, &figure.unit, figure.decimals)
        });
        let mut line = format!("{}{value}", pad(&format!("{}  ", figure.label), 22));
        for one in &document.against {
            let Some(then) = figure.then(one) else {
                continue;
            };
            let column = if one.key == "before" { 40 } else { 60 };
            line = pad(&line, column);
            let changed = figure.changed(one);
            let then = quantity(then, &figure.unit, figure.decimals);
            let cell = format!("{then} {:>6}", changed.unwrap_or_default());
            line.push_str(&right(&cell, 20));
        }
        lines.push(line);
        if let Some((low, high)) = figure.within {
            let (low, high) = (number(low, figure.decimals), number(high, figure.decimals));
            lines.push(format!("{:22}{low} to {high}", ""));
        }
        if !figure.remark.is_empty() {
            wrap(&" ".repeat(22), &figure.remark, lines);
        }
    }
}

/// Each series as a row of blocks; of a stack and of what is only compared the first is enough.
fn chart(chart: &Chart, lines: &mut Vec<String>) {
    let shown = match chart.shape {
        Shape::Bars => 1,
        Shape::Stack | Shape::Lines => chart.series.len().min(4),
    };
    for series in chart.series.iter().take(shown) {
        let known = || series.values.iter().flatten().copied();
        let high = known().fold(f64::NEG_INFINITY, f64::max);
        let low = known().fold(f64::INFINITY, f64::min);
        if low > high {
            continue;
        }
        let blocks: String = series
            .values
            .iter()
            .map(|value| block(*value, high))
            .collect();
        let name = if shown > 1 { series.label.as_str() } else { "" };
        let range = format!(
            "{} to {}",
            number(low, chart.decimals),
            quantity(high, &chart.unit, chart.decimals)
        );
        for (line, row) in blocks
            .chars()
            .collect::<Vec<_>>()
            .chunks(WIDTH - 30)
            .enumerate()
        {
            let row: String = row.iter().collect();
            let (name, range) = if line == 0 {
                (name, range.as_str())
            } else {
                ("", "")
            };
            let row = if name.is_empty() {
                row
            } else {
                format!("{} {row}", pad(&clip(name, 14), 14))
            };
            lines.push(format!("{row}  {range}"));
        }
    }
    if let (Some(first), Some(last)) = (chart.at.first(), chart.at.last()) {
        let (first, last) = if first.date() == last.date() {
            // Of one day, or of a typical one: the hours alone.
            let clock = |at: &jiff::Zoned| at.strftime("%H:%M").to_string();
            (clock(first), clock(last))
        } else {
            (place(first, chart.grain), place(last, chart.grain))
        };
        lines.push(format!("{first} … {last}"));
    }
    if !chart.remark.is_empty() {
        wrap("", &chart.remark, lines);
    }
}

/// A block whose height is the value's share of `high`; a blank where nothing is known.
fn block(value: Option<f64>, high: f64) -> char {
    const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let Some(value) = value else {
        return ' ';
    };
    let share = if high > 0.0 { value / high } else { 0.0 };
    let steps = [0.125, 0.25, 0.375, 0.5, 0.625, 0.75, 0.875];
    let place = steps.iter().filter(|step| share > **step).count();
    BLOCKS.get(place).copied().unwrap_or('█')
}

fn width(text: &str) -> usize {
    text.chars().count()
}

fn clip(text: &str, limit: usize) -> String {
    if width(text) <= limit {
        return text.to_owned();
    }
    let kept: String = text.chars().take(limit.saturating_sub(1)).collect();
    format!("{kept}…")
}

fn pad(text: &str, to: usize) -> String {
    format!("{text}{}", " ".repeat(to.saturating_sub(width(text))))
}

fn right(text: &str, to: usize) -> String {
    format!("{}{text}", " ".repeat(to.saturating_sub(width(text))))
}

/// `text` after `mark`, broken between words so that it fits.
fn wrap(mark: &str, text: &str, lines: &mut Vec<String>) {
    let indent = " ".repeat(width(mark));
    let mut line = mark.to_owned();
    let mut empty = true;
    for word in text.split_whitespace() {
        if !empty && width(&line) + 1 + width(word) > WIDTH {
            lines.push(std::mem::replace(&mut line, indent.clone()));
            empty = true;
        }
        if !empty {
            line.push(' ');
        }
        line.push_str(word);
        empty = false;
    }
    lines.push(line);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_sentences_are_broken_and_long_names_cut() {
        let mut lines = Vec::new();
        wrap("! ", &"word ".repeat(30), &mut lines);
        assert!(lines.len() == 2 && lines.iter().all(|line| width(line) <= WIDTH));
        assert!(lines[1].starts_with("  word"));
        assert_eq!(clip("abcdef", 4), "abc…");
    }

    #[test]
    fn a_block_is_as_high_as_its_share() {
        let values = [None, Some(0.0), Some(5.0), Some(10.0), Some(-3.0)];
        let row: String = values.map(|value| block(value, 10.0)).iter().collect();
        assert_eq!(row, " ▁▄█▁");
        assert_eq!(block(Some(0.0), 0.0), '▁');
    }
}
