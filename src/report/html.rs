//! A report as one HTML file: no script, nothing from elsewhere, light or dark as the reader's
//! system is, for a screen, a phone or paper.

use super::document::number;
use super::document::{Cell, Chart, Column, Document, Figure, Figures, Part, Table};
use super::draw;
use super::sheet::{Sheet, escape};

const STYLE: &str = include_str!("html/style.css");

/// The document as a page.
pub(super) fn html(document: &Document) -> String {
    let mut page = Sheet::default();
    let title = format!(
        "{} · {} · {}",
        document.title, document.node, document.period
    );
    // Names in a report come from all over the network: should one ever get past the escaping, the
    // policy lets it do nothing.
    page.put(format_args!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <title>{}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n",
        escape(&title)
    ));
    header(document, &mut page);
    page.put(format_args!("<main>\n"));
    let mut charts = false;
    for part in &document.parts {
        let is_chart = matches!(part, Part::Chart(_));
        if is_chart != charts {
            page.put(format_args!(
                "{}",
                if is_chart {
                    "<div class=\"charts\">\n"
                } else {
                    "</div>\n"
                }
            ));
            charts = is_chart;
        }
        match part {
            Part::Figures(group) => figures(group, document, &mut page),
            Part::Table(one) => table(one, &mut page),
            Part::Chart(one) => chart(one, &mut page),
            Part::Note(note) => {
                let class = if note.warns { "note warns" } else { "note" };
                page.put(format_args!(
                    "<p class=\"{class}\">{}</p>\n",
                    escape(&note.text)
                ));
            }
        }
    }
    if charts {
        page.put(format_args!("</div>\n"));
    }
    page.put(format_args!(
        "</main>\n<footer>Made by homewatch {} on {}.</footer>\n</body>\n</html>\n",
        env!("CARGO_PKG_VERSION"),
        document.made_at.strftime("%-d %b %Y at %H:%M %Z")
    ));
    page.finish()
}

fn header(document: &Document, page: &mut Sheet) {
    let form = "%a %-d %b %Y, %H:%M";
    page.put(format_args!(
        "<header>\n<p class=\"node\">{}</p>\n<h1>{} <span>{}</span></h1>\n<p class=\"when\">{} to {}</p>\n",
        escape(&document.node),
        escape(&document.title),
        escape(&document.period),
        document.from.strftime(form),
        document.to.strftime(form)
    ));
    if !document.against.is_empty() {
        let spans = document.against.iter().map(|one| {
            let (from, to) = (
                one.from.strftime("%-d %b %Y"),
                one.to.strftime("%-d %b %Y, %H:%M"),
            );
            format!("{} ({from} to {to})", one.label)
        });
        let spans: Vec<_> = spans.collect();
        page.put(format_args!(
            "<p class=\"when\">Held against {}</p>\n",
            escape(&spans.join(" and "))
        ));
    }
    page.put(format_args!("</header>\n"));
}

fn heading(title: &str, page: &mut Sheet) {
    if !title.is_empty() {
        page.put(format_args!("<h2>{}</h2>\n", escape(title)));
    }
}

fn figures(group: &Figures, document: &Document, page: &mut Sheet) {
    page.put(format_args!("<section>\n"));
    heading(&group.title, page);
    page.put(format_args!("<dl class=\"figures\">\n"));
    for figure in &group.figures {
        page.put(format_args!(
            "<div><dt>{}</dt>\n<dd>",
            escape(&figure.label)
        ));
        match figure.value {
            Some(value) => page.put(format_args!(
                "<b>{}</b> <i>{}</i>",
                number(value, figure.decimals),
                escape(&figure.unit)
            )),
            None => page.put(format_args!("<b class=\"unknown\">unknown</b>")),
        }
        page.put(format_args!("</dd>\n"));
        if let Some((low, high)) = figure.within {
            let (low, high) = (number(low, figure.decimals), number(high, figure.decimals));
            page.put(format_args!("<dd class=\"small\">{low} to {high}</dd>\n"));
        }
        compared(figure, document, page);
        if !figure.remark.is_empty() {
            page.put(format_args!(
                "<dd class=\"small\">{}</dd>\n",
                escape(&figure.remark)
            ));
        }
        page.put(format_args!("</div>\n"));
    }
    page.put(format_args!("</dl>\n</section>\n"));
}

/// What the figure was before and a year earlier.
fn compared(figure: &Figure, document: &Document, page: &mut Sheet) {
    for one in &document.against {
        let Some(then) = figure.then(one) else {
            continue;
        };
        let class = match figure.since(one) {
            Some(change) if change >= 0.5 => "more",
            Some(change) if change <= -0.5 => "less",
            _ => "same",
        };
        page.put(format_args!(
            "<dd class=\"small\"><span class=\"{class}\">{}</span> {}: {}</dd>\n",
            figure.changed(one).unwrap_or_default(),
            if one.key == "before" {
                "before"
            } else {
                "last year"
            },
            number(then, figure.decimals)
        ));
    }
}

fn table(table: &Table, page: &mut Sheet) {
    page.put(format_args!("<section>\n"));
    heading(&table.title, page);
    page.put(format_args!("<div class=\"wide\"><table>\n<thead><tr>"));
    let numbers: Vec<bool> = (0..table.columns.len())
        .map(|place| table.is_number(place))
        .collect();
    let class = |is_number: bool| if is_number { " class=\"number\"" } else { "" };
    for (column, is_number) in table.columns.iter().zip(&numbers) {
        let unit = if column.unit.is_empty() {
            String::new()
        } else {
            format!(" <i>{}</i>", escape(&column.unit))
        };
        page.put(format_args!(
            "<th scope=\"col\"{}>{}{unit}</th>",
            class(*is_number),
            escape(&column.label)
        ));
    }
    page.put(format_args!("</tr></thead>\n<tbody>\n"));
    for row in &table.rows {
        page.put(format_args!("<tr>"));
        let mut cells = table.columns.iter().zip(row).zip(&numbers);
        if let Some(((column, one), _)) = cells.next() {
            page.put(format_args!("<th scope=\"row\">{}</th>", text(column, one)));
        }
        for ((column, one), is_number) in cells {
            let class = if *one == Cell::Unknown || *one == Cell::from("") {
                " class=\"unknown\""
            } else {
                class(*is_number)
            };
            // A phone has no room for columns: there each cell carries the name of its own.
            let label = format!("{} {}", column.label, column.unit);
            page.put(format_args!(
                "<td{class} data-label=\"{}\">{}{}</td>",
                escape(label.trim_end()),
                text(column, one),
                bar(table, column, one)
            ));
        }
        page.put(format_args!("</tr>\n"));
    }
    page.put(format_args!("</tbody>\n</table></div>\n"));
    remark(&table.remark, page);
    page.put(format_args!("</section>\n"));
}

/// A number of the column that is drawn, as a bar.
fn bar(table: &Table, column: &Column, cell: &Cell) -> String {
    let Cell::Number(value) = cell else {
        return String::new();
    };
    // A share of a whole is drawn as one.
    let most = match &*column.unit {
        "%" => 100.0,
        _ => longest(table),
    };
    let share = value / most * 100.0;
    if table.bar != Some(&column.key) || !share.is_finite() {
        return String::new();
    }
    format!(
        "<span class=\"bar\" style=\"width:{:.1}%\"></span>",
        share.clamp(0.0, 100.0)
    )
}

/// The greatest number of the column that is drawn.
fn longest(table: &Table) -> f64 {
    let place = table
        .columns
        .iter()
        .position(|column| table.bar == Some(&column.key));
    let cells = table.rows.iter().filter_map(|row| row.get(place?));
    cells.fold(0.0, |most, cell| match cell {
        Cell::Number(value) => value.max(most),
        Cell::Text(_) | Cell::Unknown => most,
    })
}

fn text(column: &Column, cell: &Cell) -> String {
    match cell {
        Cell::Text(text) => escape(text),
        Cell::Number(value) => number(*value, column.decimals),
        Cell::Unknown => "–".to_owned(),
    }
}

fn chart(chart: &Chart, page: &mut Sheet) {
    page.put(format_args!(
        "<figure>\n<figcaption>{}",
        escape(&chart.title)
    ));
    if !chart.unit.is_empty() {
        page.put(format_args!(" <i>{}</i>", escape(&chart.unit)));
    }
    page.put(format_args!("</figcaption>\n{}", draw::svg(chart)));
    if chart.series.len() > 1 {
        page.put(format_args!("<ul class=\"legend\">"));
        for (place, series) in chart.series.iter().enumerate() {
            let class = draw::class(series, place, chart.shape);
            page.put(format_args!(
                "<li><span class=\"key {class}\"></span>{}</li>",
                escape(&series.label)
            ));
        }
        page.put(format_args!("</ul>\n"));
    }
    remark(&chart.remark, page);
    page.put(format_args!("</figure>\n"));
}

fn remark(text: &str, page: &mut Sheet) {
    if !text.is_empty() {
        page.put(format_args!("<p class=\"small\">{}</p>\n", escape(text)));
    }
}
