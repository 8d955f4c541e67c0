//! A table for a terminal: columns where they fit, else a block of lines for each row.

use super::super::document::{Cell, Column, Table, number, quantity};
use super::{WIDTH, clip, pad, right, width, wrap};

/// The widest name of a row.
const NAME: usize = 34;
/// The widest other cell of text.
const TEXT: usize = 44;
/// A column of text that is cut further tells nothing.
const LEAST: usize = 20;

/// The table as lines.
pub(super) fn table(table: &Table, lines: &mut Vec<String>) {
    match widths(table) {
        Some(widths) => columns(table, &widths, lines),
        None => blocks(table, lines),
    }
    if !table.remark.is_empty() {
        wrap("", &table.remark, lines);
    }
}

/// How wide each column is; `None` if they do not fit side by side, or sentences would be cut.
fn widths(table: &Table) -> Option<Vec<usize>> {
    let natural = |(place, column): (usize, &Column)| {
        let cells = table.rows.iter().filter_map(|row| row.get(place));
        let cells = cells.map(|one| width(&cell(column, one, usize::MAX)));
        let words = [width(&column.label), width(&column.unit)];
        cells.chain(words).max().unwrap_or(0)
    };
    let natural: Vec<usize> = table.columns.iter().enumerate().map(natural).collect();
    let most = |place: usize| if place == 0 { NAME } else { TEXT };
    let wanted = natural.iter().enumerate();
    let mut widths: Vec<usize> = wanted
        .map(|(place, width)| *width.min(&most(place)))
        .collect();
    let between = 2 * table.columns.len().saturating_sub(1);
    while widths.iter().sum::<usize>() + between > WIDTH {
        let texts = widths.iter_mut().enumerate();
        let texts = texts.filter(|(place, _)| !table.is_number(*place));
        let (_, widest) = texts.max_by_key(|(_, width)| **width)?;
        *widest = widest.checked_sub(1).filter(|width| *width >= LEAST)?;
    }
    let cut = natural
        .iter()
        .zip(&widths)
        .skip(1)
        .filter(|(all, kept)| kept < all);
    (cut.count() < 2).then_some(widths)
}

fn cell(column: &Column, cell: &Cell, limit: usize) -> String {
    match cell {
        Cell::Text(text) => clip(text, limit),
        Cell::Number(value) => number(*value, column.decimals),
        Cell::Unknown => "–".to_owned(),
    }
}

fn columns(table: &Table, widths: &[usize], lines: &mut Vec<String>) {
    let of = |word: fn(&Column) -> &String| table.columns.iter().map(word).cloned().collect();
    let mut rows: Vec<Vec<String>> = vec![of(|column| &column.label)];
    if table.columns.iter().any(|column| !column.unit.is_empty()) {
        rows.push(of(|column| &column.unit));
    }
    rows.extend(table.rows.iter().map(|row| {
        let cells = table.columns.iter().zip(row).zip(widths);
        cells
            .map(|((column, one), width)| cell(column, one, *width))
            .collect()
    }));
    for row in rows {
        let cells = row.iter().zip(widths).enumerate();
        let padded = cells.map(|(place, (cell, width))| {
            if table.is_number(place) {
                right(cell, *width)
            } else {
                pad(cell, *width)
            }
        });
        lines.push(padded.collect::<Vec<_>>().join("  "));
    }
}

/// Each row as its name and a line for each thing that is known.
fn blocks(table: &Table, lines: &mut Vec<String>) {
    let labels = table
        .columns
        .iter()
        .skip(1)
        .map(|column| width(&column.label));
    let widest = labels.max().unwrap_or(0);
    for row in &table.rows {
        let mut cells = table.columns.iter().zip(row);
        if let Some((column, name)) = cells.next() {
            wrap("", &cell(column, name, usize::MAX), lines);
        }
        for (column, one) in cells {
            let text = match one {
                Cell::Unknown => continue,
                Cell::Number(value) => quantity(*value, &column.unit, column.decimals),
                Cell::Text(text) if text.is_empty() => continue,
                Cell::Text(text) => text.clone(),
            };
            wrap(&format!("  {}  ", pad(&column.label, widest)), &text, lines);
        }
    }
}
