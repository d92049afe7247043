//! Pictures as SVG, from pure functions. A table or list with the same facts stands beside each.

pub(super) mod calendar;
pub(super) mod days;
pub(super) mod spending;
pub(super) mod timeline;

/// Text that may stand in a picture.
fn escaped(text: &str) -> String {
    askama::filters::escape(text, askama::filters::Html).map_or_else(|_never| String::new(), |safe| safe.to_string())
}
