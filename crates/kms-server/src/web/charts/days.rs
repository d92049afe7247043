//! How much happened on each of the last days.

use std::fmt::Write as _;

/// A day and a count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::web) struct DayCount {
    /// `2026-01-31`, in UTC.
    pub(in crate::web) date: String,
    pub(in crate::web) count: u64,
}

const HEIGHT: f64 = 60.0;
const WIDTH: f64 = 740.0;

/// The picture: a bar for each day, the last one today's. `what` is counted.
#[expect(clippy::cast_precision_loss, reason = "pixels")]
pub(in crate::web) fn svg(days: &[DayCount], what: &str) -> String {
    let most = days.iter().map(|day| day.count).max().unwrap_or(0).max(1);
    let total: u64 = days.iter().map(|day| day.count).sum();
    let step = WIDTH / days.len().max(1) as f64;
    let mut svg = String::new();
    let mut draw = |text: std::fmt::Arguments<'_>| {
        let _always = svg.write_fmt(text);
    };
    draw(format_args!(
        "<svg class=\"chart days\" viewBox=\"0 0 {WIDTH:.0} {:.0}\" role=\"img\" aria-label=\"{total} {what} in {} days; the list below has the same facts\">",
        HEIGHT + 24.0,
        days.len()
    ));
    for (place, day) in days.iter().enumerate() {
        // A day on which anything happened has a bar that can be seen.
        let height = if day.count == 0 {
            1.0
        } else {
            (day.count as f64 / most as f64 * HEIGHT).max(3.0)
        };
        draw(format_args!(
            "<rect class=\"{}\" x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{height:.1}\" rx=\"2\"><title>{}: {}</title></rect>",
            if day.count == 0 { "none" } else { "some" },
            (place as f64).mul_add(step, 1.0),
            HEIGHT - height,
            step - 2.0,
            day.date,
            day.count
        ));
    }
    if let (Some(first), Some(last)) = (days.first(), days.last()) {
        draw(format_args!(
            "<text x=\"0\" y=\"{0:.0}\">{1}</text><text x=\"{WIDTH:.0}\" y=\"{0:.0}\" text-anchor=\"end\">{2}</text>",
            HEIGHT + 18.0,
            first.date,
            last.date
        ));
    }
    draw(format_args!("</svg>"));
    svg
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(date: &str, count: u64) -> DayCount {
        DayCount {
            date: date.to_owned(),
            count,
        }
    }

    #[test]
    fn the_highest_bar_is_the_busiest_day_and_little_is_still_seen() {
        let svg = svg(&[day("2026-03-01", 0), day("2026-03-02", 1), day("2026-03-03", 1000)], "entries");
        assert!(svg.contains("1001 entries in 3 days"), "{svg}");
        assert!(
            svg.contains("class=\"none\"") && svg.contains("height=\"3.0\"") && svg.contains("height=\"60.0\""),
            "{svg}"
        );
        assert!(svg.contains("<title>2026-03-03: 1000</title>"));
    }

    #[test]
    fn nothing_is_a_picture_too() {
        assert!(svg(&[], "entries").ends_with("</svg>"));
        assert!(!svg(&[day("2026-03-01", 0)], "entries").contains("NaN"));
    }
}
