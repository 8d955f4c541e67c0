use super::number::known;

/// A table; the first column names the row.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Table {
    /// Its key.
    pub id: &'static str,
    /// Its heading.
    pub title: String,
    /// The columns.
    pub columns: Vec<Column>,
    /// The rows, each a cell a column.
    pub rows: Vec<Vec<Cell>>,
    /// The key of the column that is drawn as a bar, if any.
    pub bar: Option<&'static str>,
    /// What has to be known to read it.
    pub remark: String,
}

impl Table {
    /// Whether a column has numbers.
    pub(in crate::report) fn is_number(&self, place: usize) -> bool {
        let mut cells = self.rows.iter().filter_map(|row| row.get(place));
        cells.any(|cell| matches!(cell, Cell::Number(_)))
    }

    /// The same without columns in which nothing is known.
    #[must_use]
    pub(in crate::report) fn without_empty(mut self) -> Self {
        for place in (1..self.columns.len()).rev() {
            let mut cells = self.rows.iter().filter_map(|row| row.get(place));
            if cells.all(|cell| *cell == Cell::Unknown) {
                self.columns.remove(place);
                for row in &mut self.rows {
                    row.remove(place);
                }
            }
        }
        self
    }
}

/// A column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Its key, ending in the unit.
    pub key: String,
    /// Its name for people.
    pub label: String,
    /// The unit's symbol; empty has none.
    pub unit: String,
    /// Decimals of its numbers.
    pub decimals: u8,
}

impl Column {
    /// A column of text.
    pub fn text(key: &str, label: &str) -> Self {
        Self::number(key, label, "", 0)
    }

    /// A column of numbers.
    pub fn number(key: &str, label: &str, unit: &str, decimals: u8) -> Self {
        Self {
            key: key.to_owned(),
            label: label.to_owned(),
            unit: unit.to_owned(),
            decimals,
        }
    }
}

/// What stands in one row of one column.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    /// Text.
    Text(String),
    /// A number in the column's unit.
    Number(f64),
    /// Nothing is known.
    Unknown,
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<f64> for Cell {
    fn from(value: f64) -> Self {
        Some(value).into()
    }
}

impl From<Option<f64>> for Cell {
    fn from(value: Option<f64>) -> Self {
        known(value).map_or(Self::Unknown, Self::Number)
    }
}
