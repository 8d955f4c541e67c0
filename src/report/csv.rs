//! A report for a spreadsheet: one flat table `part,item,figure,value,unit`, so that every line has
//! the same columns whatever the report is about.

use super::document::{Cell, Chart, Document, Figure, Part, Table, exact};
use super::json::moment;
use crate::model::line;

/// The document as CSV with a line of names first.
pub(super) fn csv(document: &Document) -> String {
    let mut out = "part,item,figure,value,unit\n".to_owned();
    let mut put = |fields: [&str; 5]| {
        let fields = fields.map(field);
        out.push_str(&fields.join(","));
        out.push('\n');
    };
    for (figure, value) in [
        ("node", document.node.clone()),
        ("made_at", moment(&document.made_at)),
        ("from", moment(&document.from)),
        ("to", moment(&document.to)),
    ] {
        put(["report", document.report, figure, &value, ""]);
    }
    for part in &document.parts {
        match part {
            Part::Figures(group) => {
                for one in &group.figures {
                    figure(one, &mut put);
                }
            }
            Part::Table(one) => table(one, &mut put),
            Part::Chart(one) => chart(one, &mut put),
            Part::Note(note) => put(["note", "", "text", &note.text, ""]),
        }
    }
    out
}

fn figure(figure: &Figure, put: &mut impl FnMut([&str; 5])) {
    for (name, value) in figure.values() {
        let value = plain(value, figure.decimals);
        put(["figure", &figure.key, name, &value, &figure.unit]);
    }
}

fn table(table: &Table, put: &mut impl FnMut([&str; 5])) {
    for row in &table.rows {
        let name = match row.first() {
            Some(Cell::Text(name)) => name.as_str(),
            _ => "",
        };
        for (column, cell) in table.columns.iter().zip(row).skip(1) {
            let value = match cell {
                Cell::Text(text) => text.clone(),
                Cell::Number(value) => plain(*value, column.decimals),
                Cell::Unknown => continue,
            };
            put([table.id, name, &column.key, &value, &column.unit]);
        }
    }
}

fn chart(chart: &Chart, put: &mut impl FnMut([&str; 5])) {
    for series in &chart.series {
        for (at, value) in chart.at.iter().zip(&series.values) {
            if let Some(value) = value {
                let value = plain(*value, chart.decimals);
                let id = format!("chart {}", chart.id);
                put([&id, &moment(at), &series.label, &value, &chart.unit]);
            }
        }
    }
}

fn plain(value: f64, decimals: u8) -> String {
    exact(value, decimals).to_string()
}

/// A field as spreadsheets read it back, in one line. A text that a spreadsheet would take for a
/// formula is marked as text; numbers are not touched.
fn field(text: &str) -> String {
    let text = line(text);
    let is_formula = text.starts_with(['=', '+', '-', '@']);
    let marked = if is_formula && text.parse::<f64>().is_err() {
        format!("'{text}")
    } else {
        text
    };
    if marked.contains(['"', ',']) {
        format!("\"{}\"", marked.replace('"', "\"\""))
    } else {
        marked
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_quoted_where_it_must_be_and_never_a_formula() {
        let fields = [
            "plain",
            "-2.5",
            "=HYPERLINK(\"x\")",
            "a,b",
            "-rf",
            "\t=1\u{1b}[2J\n2",
        ]
        .map(field);
        let want = [
            "plain",
            "-2.5",
            "\"'=HYPERLINK(\"\"x\"\")\"",
            "\"a,b\"",
            "'-rf",
            "'=1 [2J 2",
        ];
        assert_eq!(fields, want);
    }
}
