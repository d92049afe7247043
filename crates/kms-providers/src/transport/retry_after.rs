//! `Retry-After`: how long a server asks to be left alone.

use std::time::Duration;

use chrono::{DateTime, NaiveDateTime, Utc};
use http::HeaderMap;
use http::header::{DATE, RETRY_AFTER};

/// Longest wish that is taken at its word. A longer one comes from a confused server or a wrong clock.
pub const LONGEST: Duration = Duration::from_hours(1);

/// The wish in the header `Retry-After`, at most [`LONGEST`]; `None` if there is none that can be read.
///
/// It is given in seconds or as a date. A date is compared with the answer's own `Date`, so that a difference between the two
/// clocks does not matter; without `Date` it is not understood.
pub fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let wish = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let pause = if !wish.is_empty() && wish.bytes().all(|byte| byte.is_ascii_digit()) {
        // More digits than fit is more than the longest pause.
        wish.parse().map_or(LONGEST, Duration::from_secs)
    } else {
        let until = http_date(wish)?;
        let now = http_date(headers.get(DATE)?.to_str().ok()?)?;
        (until - now).to_std().unwrap_or(Duration::ZERO)
    };
    Some(pause.min(LONGEST))
}

/// Reads the three forms of date that HTTP knows (RFC 9110 §5.6.7): the usual one, and those of RFC 850 and of `asctime`.
fn http_date(text: &str) -> Option<DateTime<Utc>> {
    let text = text.trim();
    if let Ok(date) = DateTime::parse_from_rfc2822(text) {
        return Some(date.to_utc());
    }
    ["%A, %d-%b-%y %H:%M:%S GMT", "%a %b %e %H:%M:%S %Y"]
        .iter()
        .find_map(|form| NaiveDateTime::parse_from_str(text, form).ok())
        .map(|date| date.and_utc())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pause(wish: &str, date: Option<&str>) -> Option<Duration> {
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, wish.parse().unwrap());
        if let Some(date) = date {
            headers.insert(DATE, date.parse().unwrap());
        }
        retry_after(&headers)
    }

    #[test]
    fn seconds_are_read() {
        assert_eq!(pause("0", None), Some(Duration::ZERO));
        assert_eq!(pause(" 17 ", None), Some(Duration::from_secs(17)));
        assert_eq!(pause("86400", None), Some(LONGEST));
        assert_eq!(pause("99999999999999999999999999", None), Some(LONGEST));
    }

    #[test]
    fn dates_are_measured_from_the_answers_own_date() {
        let date = Some("Mon, 12 Jan 2026 08:00:00 GMT");
        for until in [
            "Mon, 12 Jan 2026 08:00:30 GMT",
            "Monday, 12-Jan-26 08:00:30 GMT",
            "Mon Jan 12 08:00:30 2026",
        ] {
            assert_eq!(pause(until, date), Some(Duration::from_secs(30)), "{until}");
        }
        assert_eq!(pause("Mon, 12 Jan 2026 07:59:00 GMT", date), Some(Duration::ZERO));
        assert_eq!(pause("Mon, 12 Jan 2099 08:00:00 GMT", date), Some(LONGEST));
        assert_eq!(pause("Mon, 12 Jan 2026 08:00:30 GMT", None), None);
    }

    #[test]
    fn nonsense_is_no_wish() {
        for wish in ["", "-1", "1.5", "soon", "2026-01-12T08:00:00Z"] {
            assert_eq!(pause(wish, Some("Mon, 12 Jan 2026 08:00:00 GMT")), None, "{wish}");
        }
        assert_eq!(retry_after(&HeaderMap::new()), None);
    }
}
