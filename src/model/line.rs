/// `text` as it may stand in one line of a terminal or a table: control characters (an escape
/// sequence, a line's end) and marks that turn the direction of writing become spaces, none at the
/// ends. Names come from devices, and those may hold anything.
///
/// ```
/// assert_eq!(homewatch::model::line("WD\u{1b}[31m Red\n"), "WD [31m Red");
/// ```
pub fn line(text: &str) -> String {
    let plain = |c: char| if is_hidden(c) { ' ' } else { c };
    let plain: String = text.chars().map(plain).collect();
    plain.trim().to_owned()
}

fn is_hidden(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::line;

    #[test]
    fn nothing_is_left_that_moves_a_cursor_or_ends_a_line() {
        for (text, want) in [
            ("Samsung SSD 870", "Samsung SSD 870"),
            ("Küche, 21 °C", "Küche, 21 °C"),
            ("WD\u{1b}[31mRed\u{7}", "WD [31mRed"),
            ("two\nlines\r\n", "two lines"),
            ("a\u{9b}2Jb", "a 2Jb"),
            ("a\u{202e}b\u{2028}c\u{2066}d", "a b c d"),
            ("\t", ""),
        ] {
            assert_eq!(line(text), want, "{text:?}");
        }
    }
}
