//! A report for programs: figures, tables and charts by their keys; what is not known is left out.

use serde_json::{Map, Value as Json, json};

use super::document::{Cell, Chart, Document, Figure, Part, Table, exact};

/// The document as one object.
pub(super) fn json(document: &Document) -> Json {
    let (mut figures, mut tables, mut charts) = (Map::new(), Map::new(), Map::new());
    let mut notes = Vec::new();
    for part in &document.parts {
        match part {
            Part::Figures(group) => {
                let all = group.figures.iter();
                figures.extend(all.map(|one| (one.key.clone(), figure(one))));
            }
            Part::Table(one) => drop(tables.insert(one.id.to_owned(), table(one))),
            Part::Chart(one) => drop(charts.insert(one.id.to_owned(), chart(one))),
            Part::Note(note) => notes.push(json!({ "warns": note.warns, "text": note.text })),
        }
    }
    let mut period = json!({
        "name": document.period,
        "from": moment(&document.from),
        "to": moment(&document.to),
    });
    for one in &document.against {
        let span = json!({ "from": moment(&one.from), "to": moment(&one.to) });
        put(&mut period, one.key, span);
    }
    json!({
        "report": document.report,
        "node": document.node,
        "made_at": moment(&document.made_at),
        "period": period,
        "figures": figures,
        "tables": tables,
        "charts": charts,
        "notes": notes,
    })
}

fn put(object: &mut Json, key: &str, value: Json) {
    if let Some(object) = object.as_object_mut() {
        object.insert(key.to_owned(), value);
    }
}

/// A local moment with its distance from UTC.
pub(super) fn moment(at: &jiff::Zoned) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string()
}

/// A number for programs.
fn rounded(value: f64, decimals: u8) -> Json {
    json!(exact(value, decimals))
}

fn figure(figure: &Figure) -> Json {
    let mut out = json!({ "label": figure.label });
    for (key, value) in figure.values() {
        put(&mut out, key, rounded(value, figure.decimals));
    }
    for (key, text) in [("unit", &figure.unit), ("remark", &figure.remark)] {
        if !text.is_empty() {
            put(&mut out, key, text.as_str().into());
        }
    }
    out
}

fn table(table: &Table) -> Json {
    let row = |row: &Vec<Cell>| {
        let cells = table.columns.iter().zip(row);
        let known = cells.filter_map(|(column, cell)| {
            let value = match cell {
                Cell::Text(text) => text.as_str().into(),
                Cell::Number(value) => rounded(*value, column.decimals),
                Cell::Unknown => return None,
            };
            Some((column.key.clone(), value))
        });
        Json::Object(known.collect())
    };
    table.rows.iter().map(row).collect()
}

fn chart(chart: &Chart) -> Json {
    let value = |value: &Option<f64>| value.map(|value| rounded(value, chart.decimals));
    let series = chart.series.iter().map(|series| {
        let values: Vec<_> = series.values.iter().map(value).collect();
        let mut out = json!({ "label": series.label, "values": values });
        if series.within.iter().any(Option::is_some) {
            let side = |pick: fn((f64, f64)) -> f64| -> Json {
                let all = series.within.iter();
                all.map(|within| value(&within.map(pick))).collect()
            };
            put(&mut out, "low", side(|within| within.0));
            put(&mut out, "high", side(|within| within.1));
        }
        out
    });
    json!({
        "unit": chart.unit,
        "at": chart.at.iter().map(moment).collect::<Vec<_>>(),
        "series": series.collect::<Vec<_>>(),
    })
}
