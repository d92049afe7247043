//! Amounts in US dollars, exact.
//!
//! Kept as whole picodollars (millionths of a micro-dollar), so that sums do not drift. JSON numbers are
//! made only at the edge.

use std::fmt;
use std::iter::Sum;
use std::ops::{Add, AddAssign, Neg, Sub, SubAssign};
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

const PICO: i128 = 1_000_000_000_000;
/// Up to here picodollars and their quotient by 10^12 are exact or correctly rounded as `f64`.
const EXACT_F64: i128 = 1 << 53;

/// An amount in US dollars, exact to 10^-12.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Usd(i128);

/// The text or number is no amount the simulator can keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an amount in US dollars")]
pub struct NotAnAmount;

impl Usd {
    /// No money.
    pub const ZERO: Self = Self(0);

    /// Whole dollars.
    pub const fn dollars(dollars: i64) -> Self {
        Self(dollars as i128 * PICO)
    }

    /// Picodollars, 10^-12 USD.
    pub(crate) const fn pico(pico: i64) -> Self {
        Self(pico as i128)
    }

    /// The nearest amount to a JSON number, read by its shortest decimal form.
    ///
    /// # Errors
    /// Not finite, or beyond 10^18 dollars.
    pub fn from_number(number: &serde_json::Number) -> Result<Self, NotAnAmount> {
        if let Some(whole) = number.as_i64() {
            return Ok(Self(i128::from(whole) * PICO));
        }
        let float = number.as_f64().filter(|float| float.is_finite()).ok_or(NotAnAmount)?;
        format!("{float}").parse()
    }

    pub(crate) fn is_negative(self) -> bool {
        self.0 < 0
    }

    pub(crate) fn is_zero(self) -> bool {
        self.0 == 0
    }

    pub(crate) fn times(self, count: u64) -> Self {
        Self(self.0.saturating_mul(i128::from(count)))
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "the quotient is correctly rounded below 2^53, and parsed from text above"
    )]
    fn to_f64(self) -> f64 {
        if self.0.abs() < EXACT_F64 {
            self.0 as f64 / PICO as f64
        } else {
            self.to_string().parse().unwrap_or(f64::MAX)
        }
    }
}

impl FromStr for Usd {
    type Err = NotAnAmount;

    /// Plain decimal text such as `0.25` or `-3`; digits beyond the twelfth decimal are cut off.
    fn from_str(text: &str) -> Result<Self, NotAnAmount> {
        let (negative, digits) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
        let all_digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        if !all_digits(whole) || !all_digits(fraction) || whole.len() > 18 {
            return Err(NotAnAmount);
        }
        let whole: i128 = whole.parse().map_err(|_not_digits| NotAnAmount)?;
        let mut pico: i128 = 0;
        for place in 0..12 {
            let digit = fraction.as_bytes().get(place).map_or(0, |byte| byte - b'0');
            pico = pico * 10 + i128::from(digit);
        }
        let amount = whole * PICO + pico;
        Ok(Self(if negative { -amount } else { amount }))
    }
}

impl fmt::Display for Usd {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let magnitude = self.0.unsigned_abs();
        let pico = PICO.unsigned_abs();
        let sign = if self.0 < 0 { "-" } else { "" };
        let fraction = format!("{:012}", magnitude % pico);
        let fraction = fraction.trim_end_matches('0');
        if fraction.is_empty() {
            write!(out, "{sign}{}", magnitude / pico)
        } else {
            write!(out, "{sign}{}.{fraction}", magnitude / pico)
        }
    }
}

impl fmt::Debug for Usd {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "${self}")
    }
}

impl Serialize for Usd {
    /// A JSON number: an integer where the amount is whole, as the service does.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match i64::try_from(self.0 / PICO) {
            Ok(whole) if self.0 % PICO == 0 => serializer.serialize_i64(whole),
            _ => serializer.serialize_f64(self.to_f64()),
        }
    }
}

impl<'de> Deserialize<'de> for Usd {
    /// A JSON or TOML number.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = serde_json::Number::deserialize(deserializer)?;
        Self::from_number(&number).map_err(serde::de::Error::custom)
    }
}

/// Serialises as decimal text, for places where no digit may be lost.
pub(crate) mod exact {
    use super::{Deserialize, Deserializer, Serializer, Usd};

    pub(crate) fn serialize<S: Serializer>(amount: &Usd, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(amount)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Usd, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }

    pub(crate) mod option {
        use super::{Deserialize, Deserializer, Serializer, Usd};

        #[expect(clippy::ref_option, reason = "the signature serde's `with` asks for")]
        pub(crate) fn serialize<S: Serializer>(amount: &Option<Usd>, serializer: S) -> Result<S::Ok, S::Error> {
            match amount {
                Some(amount) => serializer.collect_str(amount),
                None => serializer.serialize_none(),
            }
        }

        pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Usd>, D::Error> {
            Option::<String>::deserialize(deserializer)?
                .map(|text| text.parse().map_err(serde::de::Error::custom))
                .transpose()
        }
    }
}

impl Add for Usd {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl AddAssign for Usd {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl Sub for Usd {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl SubAssign for Usd {
    fn sub_assign(&mut self, other: Self) {
        *self = *self - other;
    }
}

impl Neg for Usd {
    type Output = Self;
    fn neg(self) -> Self {
        Self(-self.0)
    }
}

impl Sum for Usd {
    fn sum<I: Iterator<Item = Self>>(amounts: I) -> Self {
        amounts.fold(Self::ZERO, Add::add)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests fail by panicking")]
    use super::*;

    fn json(text: &str) -> String {
        serde_json::to_string(&text.parse::<Usd>().unwrap()).unwrap()
    }

    #[test]
    fn whole_amounts_are_integers_and_others_are_shortest_decimals() {
        assert_eq!(json("50"), "50");
        assert_eq!(json("25.5"), "25.5");
        assert_eq!(json("0.3"), "0.3");
        assert_eq!(json("-0.000000000001"), "-1e-12");
        assert_eq!(json("123456789.123456789"), "123456789.12345679");
    }

    #[test]
    fn a_million_small_costs_add_up_exactly() {
        let cost: Usd = "0.000001234567".parse().unwrap();
        let sum: Usd = (0..1_000_000).map(|_| cost).sum();
        assert_eq!(sum.to_string(), "1.234567");
    }

    #[test]
    fn text_that_is_no_amount_is_refused() {
        for text in ["", "-", ".", "1.", ".5", "1e3", "NaN", "inf", "+1", "1,5", "12345678901234567890"] {
            assert_eq!(text.parse::<Usd>(), Err(NotAnAmount), "{text}");
        }
    }

    #[test]
    fn numbers_are_read_by_their_decimal_form() {
        let number: serde_json::Number = serde_json::from_str("0.1").unwrap();
        assert_eq!(Usd::from_number(&number).unwrap().to_string(), "0.1");
        let huge: serde_json::Number = serde_json::from_str("1e300").unwrap();
        assert_eq!(Usd::from_number(&huge), Err(NotAnAmount));
    }
}
