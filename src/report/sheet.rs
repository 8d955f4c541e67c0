use std::fmt::{self, Write as _};

use super::document::harmless;

/// Markup that is being written; text gets into it only escaped.
#[derive(Debug, Default)]
pub(super) struct Sheet(String);

impl Sheet {
    /// Markup of our own, as it is.
    pub(super) fn put(&mut self, markup: fmt::Arguments<'_>) {
        let written = self.0.write_fmt(markup);
        debug_assert!(written.is_ok(), "writing to a String cannot fail");
    }

    /// What was written.
    pub(super) fn finish(self) -> String {
        self.0
    }
}

/// `text` as it may stand in markup, between tags or in a quoted attribute.
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in harmless(text).chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}
