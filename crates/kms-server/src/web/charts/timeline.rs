//! The lives of a rotation's keys over time.

use std::fmt::Write as _;

use kms_core::time::Timestamp;

use super::escaped;

/// A part of a key's life.
#[derive(Debug, Clone, Copy)]
pub(in crate::web) struct Span {
    /// Class of its colour: the state's word.
    pub(in crate::web) state: &'static str,
    pub(in crate::web) from: Timestamp,
    pub(in crate::web) to: Timestamp,
}

/// A key's life.
#[derive(Debug, Clone)]
pub(in crate::web) struct Life {
    pub(in crate::web) label: String,
    pub(in crate::web) spans: Vec<Span>,
}

/// A rotation's keys over time.
#[derive(Debug)]
pub(in crate::web) struct Timeline {
    pub(in crate::web) now: Timestamp,
    pub(in crate::web) next: Option<Timestamp>,
    /// Newest first.
    pub(in crate::web) lives: Vec<Life>,
    pub(in crate::web) failures: Vec<Timestamp>,
}

const LEFT: f64 = 110.0;
const WIDTH: f64 = 640.0;
const ROW: f64 = 26.0;

impl Timeline {
    /// The picture.
    #[expect(clippy::cast_precision_loss, reason = "pixels")]
    pub(in crate::web) fn svg(&self) -> String {
        let starts = self.lives.iter().flat_map(|life| &life.spans).map(|span| span.from);
        let start = starts.chain(self.failures.iter().copied()).min().unwrap_or(self.now);
        // What was is the larger part of the picture, however far away the next run is.
        let past = (self.now.unix_millis() - start.unix_millis()).max(60_000);
        let ahead = std::time::Duration::from_millis(u64::try_from(past / 2).unwrap_or(0));
        let end = self.next.map_or(self.now, |next| next.clamp(self.now, self.now + ahead));
        let whole = (end.unix_millis() - start.unix_millis()).max(60_000) as f64 * 1.04;
        let x = |at: Timestamp| LEFT + ((at.unix_millis() - start.unix_millis()).max(0) as f64 / whole * WIDTH).min(WIDTH);
        let height = ROW.mul_add(self.lives.len().max(1) as f64, 46.0);
        let mut svg = String::new();
        let mut draw = |text: std::fmt::Arguments<'_>| {
            let _always = svg.write_fmt(text);
        };
        draw(format_args!(
            "<svg class=\"chart\" viewBox=\"0 0 {:.0} {height:.0}\" role=\"img\" aria-label=\"{} keys over time; the table below has the same facts\">",
            LEFT + WIDTH + 20.0,
            self.lives.len()
        ));
        for (row, life) in self.lives.iter().enumerate() {
            let y = ROW.mul_add(row as f64, 8.0);
            draw(format_args!(
                "<text class=\"strong\" x=\"0\" y=\"{:.0}\">{}</text>",
                y + 13.0,
                escaped(&life.label)
            ));
            for span in &life.spans {
                let (from, to) = (x(span.from), x(span.to));
                draw(format_args!(
                    "<rect class=\"{}\" x=\"{from:.1}\" y=\"{y:.0}\" width=\"{:.1}\" height=\"16\" rx=\"3\"></rect>",
                    span.state,
                    (to - from).max(2.0)
                ));
            }
        }
        let bottom = height - 34.0;
        draw(format_args!(
            "<line class=\"axis\" x1=\"{LEFT}\" y1=\"{bottom:.0}\" x2=\"{:.0}\" y2=\"{bottom:.0}\"></line>",
            LEFT + WIDTH
        ));
        for failure in &self.failures {
            let (at, y) = (x(*failure), bottom - 5.0);
            draw(format_args!(
                "<path class=\"failed\" d=\"M{:.1} {y:.0}l10 10m0 -10l-10 10\"><title>failed run</title></path>",
                at - 5.0
            ));
        }
        let now = x(self.now);
        draw(format_args!(
            "<line class=\"now\" x1=\"{now:.1}\" y1=\"0\" x2=\"{now:.1}\" y2=\"{bottom:.0}\"></line>"
        ));
        if let Some(next) = self.next.filter(|next| *next > self.now) {
            let at = x(next.min(end));
            draw(format_args!(
                "<line class=\"planned\" x1=\"{at:.1}\" y1=\"0\" x2=\"{at:.1}\" y2=\"{bottom:.0}\"><title>next run</title></line>"
            ));
        }
        draw(format_args!(
            "<text x=\"{LEFT}\" y=\"{:.0}\">{}</text><text x=\"{:.0}\" y=\"{:.0}\" text-anchor=\"end\">{}</text></svg>",
            height - 12.0,
            start.utc().format("%Y-%m-%d %H:%M UTC"),
            LEFT + WIDTH,
            height - 12.0,
            self.next.map_or_else(
                || end.utc().format("%Y-%m-%d %H:%M UTC").to_string(),
                |next| next.utc().format("next run %Y-%m-%d %H:%M UTC").to_string()
            )
        ));
        svg
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minutes: i64) -> Timestamp {
        Timestamp::from_unix_seconds(1_780_000_000 + minutes * 60)
    }

    #[test]
    fn a_timeline_has_a_bar_for_each_part_of_a_life_and_escapes_labels() {
        let timeline = Timeline {
            now: at(60),
            next: Some(at(120)),
            lives: vec![Life {
                label: "<b>".to_owned(),
                spans: vec![
                    Span {
                        state: "active",
                        from: at(0),
                        to: at(30),
                    },
                    Span {
                        state: "still-valid",
                        from: at(30),
                        to: at(60),
                    },
                ],
            }],
            failures: vec![at(10)],
        };
        let svg = timeline.svg();
        assert!(svg.contains("<rect class=\"active\" x=\"110.0\""), "{svg}");
        assert!(svg.contains("<rect class=\"still-valid\" x=\"315.1\""), "{svg}");
        assert!(svg.contains("class=\"failed\"") && svg.contains("class=\"planned\"") && svg.contains("class=\"now\""));
        assert!(!svg.contains("<b>"), "{svg}");
    }

    #[test]
    fn a_timeline_without_keys_is_a_picture_too() {
        let empty = Timeline {
            now: at(0),
            next: None,
            lives: Vec::new(),
            failures: Vec::new(),
        };
        assert!(empty.svg().ends_with("</svg>"));
    }
}
