//! `.env` files: reading what people paste, writing what they download.
//!
//! One assignment a line: `NAME=value`, with `export` before it if somebody likes. A line that begins with `#` is a comment, and so is
//! what follows ` #` behind an unquoted value. Single quotes keep everything as it is; double quotes know `\n`, `\r`, `\t`, `\"`, `\\` and
//! `\$`. Both may span lines. Nothing is expanded: a `$` stays a `$`.

use std::fmt::Write as _;

/// Why a text is no `.env` file. Says nothing of the values.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DotenvError {
    /// There is no `=`.
    #[error("line {line}: expected NAME=value")]
    NoAssignment {
        /// Counted from 1.
        line: usize,
    },
    /// The name is empty or has blanks in it.
    #[error("line {line}: the name must not be empty or contain blanks")]
    BadName {
        /// Counted from 1.
        line: usize,
    },
    /// A quote was opened and not closed.
    #[error("line {line}: the quote that begins here is not closed")]
    OpenQuote {
        /// Counted from 1.
        line: usize,
    },
    /// Something follows the closing quote.
    #[error("line {line}: nothing but a comment may follow the closing quote")]
    AfterQuote {
        /// Counted from 1, where the value begins.
        line: usize,
    },
}

/// Reads a `.env` text: names and values in their order. Of a repeated name, both are given.
///
/// # Errors
/// The first thing that is wrong, with its line.
pub fn parse(text: &str) -> Result<Vec<(String, String)>, DotenvError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut found = Vec::new();
    let mut rest = text;
    let mut line = 0;
    while !rest.is_empty() {
        line += 1;
        let (this, after) = rest.split_once('\n').unwrap_or((rest, ""));
        let trimmed = this.trim();
        if trimmed.is_empty() || trimmed.starts_with('#') {
            rest = after;
            continue;
        }
        let Some((name, value)) = this.split_once('=') else {
            return Err(DotenvError::NoAssignment { line });
        };
        let name = name.trim();
        let name = name.strip_prefix("export ").map_or(name, str::trim);
        if name.is_empty() || name.contains(char::is_whitespace) {
            return Err(DotenvError::BadName { line });
        }
        let begun = value.trim_start();
        let quote = begun.chars().next().filter(|first| matches!(first, '"' | '\''));
        let Some(quote) = quote else {
            let value = begun.split_once(" #").map_or(begun, |(value, _comment)| value);
            found.push((name.to_owned(), value.trim().to_owned()));
            rest = after;
            continue;
        };
        // From behind the quote to the end of the text: a quoted value may span lines.
        let offset = rest.len() - after.len() - usize::from(this.len() < rest.len()) - begun.len() + 1;
        let quoted = rest.get(offset..).unwrap_or_default();
        let (value, behind) = unquote(quoted, quote).ok_or(DotenvError::OpenQuote { line })?;
        let (tail, after) = behind.split_once('\n').unwrap_or((behind, ""));
        if !tail.trim().is_empty() && !tail.trim_start().starts_with('#') {
            return Err(DotenvError::AfterQuote { line });
        }
        let taken = quoted.len() - behind.len();
        line += quoted.get(..taken).unwrap_or_default().matches('\n').count();
        found.push((name.to_owned(), value));
        rest = after;
    }
    Ok(found)
}

/// The value up to the closing quote, and what follows it.
fn unquote(text: &str, quote: char) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut letters = text.char_indices();
    while let Some((at, letter)) = letters.next() {
        if letter == quote {
            return Some((value, text.get(at + letter.len_utf8()..).unwrap_or_default()));
        }
        if letter != '\\' || quote == '\'' {
            if letter != '\r' {
                value.push(letter);
            }
            continue;
        }
        match letters.next()?.1 {
            'n' => value.push('\n'),
            'r' => value.push('\r'),
            't' => value.push('\t'),
            kept @ ('"' | '\\' | '$') => value.push(kept),
            other => value.extend(['\\', other]),
        }
    }
    None
}

/// Writes a `.env` text that [`parse`] reads back.
pub fn write<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let mut text = String::new();
    for (name, value) in pairs {
        let plain = !value.is_empty()
            && value
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_./:@+,=".contains(&byte));
        if plain {
            let _always = writeln!(text, "{name}={value}");
            continue;
        }
        let mut quoted = String::with_capacity(value.len());
        for letter in value.chars() {
            match letter {
                '\n' => quoted.push_str("\\n"),
                '\r' => quoted.push_str("\\r"),
                '\t' => quoted.push_str("\\t"),
                '"' | '\\' | '$' => quoted.extend(['\\', letter]),
                other => quoted.push(other),
            }
        }
        let _always = writeln!(text, "{name}=\"{quoted}\"");
    }
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn one(text: &str) -> (String, String) {
        let mut found = parse(text).unwrap();
        assert_eq!(found.len(), 1, "{text:?}");
        found.remove(0)
    }

    fn pair(name: &str, value: &str) -> (String, String) {
        (name.to_owned(), value.to_owned())
    }

    #[test]
    fn reads_the_forms_that_people_write() {
        for (text, value) in [
            ("A=b", "b"),
            ("  export A = b  ", "b"),
            ("A=b # why", "b"),
            ("A=b#c", "b#c"),
            ("A=", ""),
            ("A=''", ""),
            ("A='$x \\n'", "$x \\n"),
            (r#"A="x\ny\t\"\\\$z\q""#, "x\ny\t\"\\$z\\q"),
            ("A=\"two\nlines\" # and a comment", "two\nlines"),
            ("A=\"two\r\nlines\"\r\n", "two\nlines"),
            ("A=b=c", "b=c"),
            ("\u{feff}A=b\r\n", "b"),
            ("A='ä' # ö", "ä"),
        ] {
            assert_eq!(one(text), pair("A", value), "{text:?}");
        }
        assert_eq!(
            parse("# a comment\n\nA=1\nB='x\ny'\nC=3").unwrap(),
            [pair("A", "1"), pair("B", "x\ny"), pair("C", "3")]
        );
    }

    #[test]
    fn says_which_line_is_wrong() {
        assert_eq!(parse("A=1\nnonsense"), Err(DotenvError::NoAssignment { line: 2 }));
        assert_eq!(parse("=1"), Err(DotenvError::BadName { line: 1 }));
        assert_eq!(parse("A B=1"), Err(DotenvError::BadName { line: 1 }));
        assert_eq!(parse("A='x\ny'\nB=\"x"), Err(DotenvError::OpenQuote { line: 3 }));
        assert_eq!(parse("A='x' y"), Err(DotenvError::AfterQuote { line: 1 }));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(values in prop::collection::vec("\\PC*|[\n\r\t\"'\\\\$# =a-z]*", 0..6)) {
            let pairs: Vec<(String, String)> = values.into_iter().enumerate().map(|(i, value)| (format!("NAME_{i}"), value)).collect();
            let text = write(pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())));
            prop_assert_eq!(parse(&text).unwrap(), pairs);
        }

        #[test]
        fn no_text_makes_it_panic(text in "(\\PC|[\n\r\t\"'\\\\$# =])*") {
            let _result = parse(&text);
        }
    }
}
