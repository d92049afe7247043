//! What keys have spent, against their limits.

use std::fmt::Write as _;

use super::escaped;

/// A key with what it has spent.
#[derive(Debug, Clone)]
pub(in crate::web) struct Spent {
    pub(in crate::web) label: String,
    pub(in crate::web) spent: f64,
    pub(in crate::web) limit: Option<f64>,
}

const LEFT: f64 = 130.0;
const WIDTH: f64 = 480.0;
const ROW: f64 = 30.0;

impl Spent {
    /// From 0 to 1; none without a limit.
    fn share(&self) -> Option<f64> {
        self.limit
            .map(|limit| if limit > 0.0 { (self.spent / limit).clamp(0.0, 1.0) } else { 1.0 })
    }
}

/// An amount of US dollars.
pub(in crate::web) fn dollars(amount: f64) -> String {
    // Small amounts are what keys spend first.
    if amount != 0.0 && amount.abs() < 0.01 {
        format!("${amount:.4}")
    } else {
        format!("${amount:.2}")
    }
}

/// The picture: a bar for each key, full at its limit.
#[expect(clippy::cast_precision_loss, reason = "pixels")]
pub(in crate::web) fn svg(keys: &[Spent]) -> String {
    let mut svg = String::new();
    let mut draw = |text: std::fmt::Arguments<'_>| {
        let _always = svg.write_fmt(text);
    };
    draw(format_args!(
        "<svg class=\"chart spending\" viewBox=\"0 0 {:.0} {:.0}\" role=\"img\" aria-label=\"What {} keys have spent against their limits; the table below has the same facts\">",
        LEFT + WIDTH + 130.0,
        ROW.mul_add(keys.len().max(1) as f64, 6.0),
        keys.len()
    ));
    for (row, key) in keys.iter().enumerate() {
        let y = ROW.mul_add(row as f64, 6.0);
        draw(format_args!(
            "<text class=\"strong\" x=\"0\" y=\"{:.0}\">{}</text>",
            y + 13.0,
            escaped(&key.label)
        ));
        if let Some(share) = key.share() {
            let class = if share >= 0.9 { "much" } else { "some" };
            draw(format_args!(
                "<rect class=\"none\" x=\"{LEFT}\" y=\"{y:.0}\" width=\"{WIDTH}\" height=\"16\" rx=\"3\"></rect><rect class=\"{class}\" x=\"{LEFT}\" y=\"{y:.0}\" width=\"{:.1}\" height=\"16\" rx=\"3\"></rect>",
                share * WIDTH
            ));
        }
        let of = key
            .limit
            .map_or_else(|| " (no limit)".to_owned(), |limit| format!(" of {}", dollars(limit)));
        let x = if key.limit.is_some() { LEFT + WIDTH + 8.0 } else { LEFT };
        draw(format_args!(
            "<text x=\"{x:.0}\" y=\"{:.0}\">{}{of}</text>",
            y + 13.0,
            dollars(key.spent)
        ));
    }
    draw(format_args!("</svg>"));
    svg
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spent(spent: f64, limit: Option<f64>) -> Spent {
        Spent {
            label: "<i>".to_owned(),
            spent,
            limit,
        }
    }

    #[test]
    fn a_bar_is_full_at_the_limit_and_never_fuller() {
        let picture = svg(&[
            spent(5.0, Some(20.0)),
            spent(30.0, Some(20.0)),
            spent(0.004, None),
            spent(0.0, Some(0.0)),
        ]);
        assert!(picture.contains("class=\"some\" x=\"130\" y=\"6\" width=\"120.0\""), "{picture}");
        assert!(picture.contains("class=\"much\" x=\"130\" y=\"36\" width=\"480.0\""), "{picture}");
        assert!(
            picture.contains("$0.0040 (no limit)") && picture.contains("$30.00 of $20.00"),
            "{picture}"
        );
        assert!(!picture.contains("<i>") && !picture.contains("NaN"));
    }
}
