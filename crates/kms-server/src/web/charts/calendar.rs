//! What is due in the next weeks, day by day.

use std::fmt::Write as _;
use std::time::Duration;

use kms_core::time::Timestamp;

use super::escaped;

/// Weeks that are shown.
const WEEKS: usize = 5;
const DAY: Duration = Duration::from_secs(24 * 3600);
const CELL: (f64, f64) = (104.0, 52.0);
const TOP: f64 = 22.0;

/// Something that is due, by name.
#[derive(Debug, Clone)]
pub(in crate::web) struct Due {
    pub(in crate::web) name: String,
    pub(in crate::web) at: Timestamp,
    /// Until it is due again; none if that is not known.
    pub(in crate::web) every: Option<Duration>,
}

/// A day with what is due on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::web) struct Day {
    /// Its date in UTC, `2026-01-31`.
    pub(in crate::web) date: String,
    pub(in crate::web) names: Vec<String>,
    is_today: bool,
    is_past: bool,
}

/// The weeks from the one that `now` is in, Monday first. What should have been done before is due today.
pub(in crate::web) fn days(now: Timestamp, due: &[Due]) -> Vec<Day> {
    use chrono::Datelike as _;
    let today = now.utc().date_naive();
    let monday = today - chrono::Days::new(today.weekday().num_days_from_monday().into());
    let mut days: Vec<Day> = (0..u64::try_from(WEEKS * 7).unwrap_or(0))
        .map(|offset| {
            let date = monday + chrono::Days::new(offset);
            Day {
                date: date.to_string(),
                names: Vec::new(),
                is_today: date == today,
                is_past: date < today,
            }
        })
        .collect();
    for one in due {
        let mut at = one.at.max(now);
        loop {
            let offset = usize::try_from((at.utc().date_naive() - monday).num_days()).unwrap_or(usize::MAX);
            let Some(day) = days.get_mut(offset) else {
                break;
            };
            // A short interval (development) would fill the day with one name.
            if day.names.last() != Some(&one.name) {
                day.names.push(one.name.clone());
            }
            match one.every {
                Some(every) if every >= DAY => at = at + every,
                _ => break,
            }
        }
    }
    days
}

/// The picture.
#[expect(clippy::cast_precision_loss, reason = "pixels")]
pub(in crate::web) fn svg(days: &[Day]) -> String {
    let (width, height) = CELL;
    let total: usize = days.iter().map(|day| day.names.len()).sum();
    let mut svg = String::new();
    let mut draw = |text: std::fmt::Arguments<'_>| {
        let _always = svg.write_fmt(text);
    };
    draw(format_args!(
        "<svg class=\"chart calendar\" viewBox=\"0 0 {:.0} {:.0}\" role=\"img\" aria-label=\"{total} runs due in {WEEKS} weeks; the list below has the same facts\">",
        width * 7.0,
        height.mul_add(WEEKS as f64, TOP) + 2.0
    ));
    for (column, name) in ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"].iter().enumerate() {
        draw(format_args!(
            "<text x=\"{:.0}\" y=\"14\">{name}</text>",
            width.mul_add(column as f64, 6.0)
        ));
    }
    for (place, day) in days.iter().enumerate() {
        let (x, y) = (width * (place % 7) as f64, height.mul_add((place / 7) as f64, TOP));
        let class = match (day.names.is_empty(), day.is_past) {
            (false, _) => "due",
            (true, true) => "past",
            (true, false) => "free",
        };
        let today = if day.is_today { " today" } else { "" };
        draw(format_args!(
            "<rect class=\"{class}{today}\" x=\"{:.0}\" y=\"{:.0}\" width=\"{:.0}\" height=\"{:.0}\" rx=\"4\"></rect>",
            x + 1.0,
            y + 1.0,
            width - 3.0,
            height - 3.0
        ));
        draw(format_args!(
            "<text x=\"{:.0}\" y=\"{:.0}\">{}</text>",
            x + 8.0,
            y + 17.0,
            day.date.get(5..).unwrap_or_default()
        ));
        if let Some(first) = day.names.first() {
            let short: String = first.chars().take(13).collect();
            let more = if first.chars().count() > 13 { "…" } else { "" };
            let text = if day.names.len() > 1 {
                format!("{} due", day.names.len())
            } else {
                format!("{short}{more}")
            };
            draw(format_args!(
                "<text class=\"strong\" x=\"{:.0}\" y=\"{:.0}\">{}<title>{}</title></text>",
                x + 8.0,
                y + 36.0,
                escaped(&text),
                escaped(&day.names.join(", "))
            ));
        }
    }
    draw(format_args!("</svg>"));
    svg
}

#[cfg(test)]
mod tests {
    use super::*;

    fn due(name: &str, at: &str, days: u64) -> Due {
        Due {
            name: name.to_owned(),
            at: at.parse().unwrap(),
            every: Some(DAY * u32::try_from(days).unwrap()),
        }
    }

    #[test]
    fn what_is_due_stands_on_its_days_and_comes_again() {
        // A Wednesday.
        let now: Timestamp = "2026-03-04T12:00:00Z".parse().unwrap();
        let due = [
            due("weekly <b>", "2026-03-05T00:00:00Z", 7),
            due("late", "2026-02-01T00:00:00Z", 30),
            due("far", "2027-01-01T00:00:00Z", 1),
        ];
        let days = days(now, &due);
        assert_eq!((days.len(), days[0].date.as_str()), (35, "2026-03-02"));
        let busy: Vec<(&str, usize)> = days
            .iter()
            .filter(|day| !day.names.is_empty())
            .map(|day| (day.date.as_str(), day.names.len()))
            .collect();
        assert_eq!(
            busy,
            [
                ("2026-03-04", 1),
                ("2026-03-05", 1),
                ("2026-03-12", 1),
                ("2026-03-19", 1),
                ("2026-03-26", 1),
                ("2026-04-02", 1),
                ("2026-04-03", 1)
            ]
        );
        let svg = svg(&days);
        assert!(
            svg.contains("7 runs due in 5 weeks") && svg.contains("class=\"due today\""),
            "{svg}"
        );
        assert!(!svg.contains("<b>") && svg.contains("weekly &#60;b&#62;"), "{svg}");
        assert_eq!(svg.matches("<rect").count(), 35);
    }

    #[test]
    fn two_on_a_day_are_counted() {
        let now: Timestamp = "2026-03-04T12:00:00Z".parse().unwrap();
        let due = [due("a", "2026-03-05T01:00:00Z", 90), due("b", "2026-03-05T02:00:00Z", 90)];
        let picture = svg(&days(now, &due));
        assert!(picture.contains(">2 due<title>a, b</title>"), "{picture}");
        let short = Due {
            every: Some(Duration::from_secs(60)),
            ..due[0].clone()
        };
        assert_eq!(days(now, &[short]).iter().filter(|day| !day.names.is_empty()).count(), 1);
    }
}
