//! A page that is one form.

use askama::Template;

use super::form::Form;
use super::frame::Frame;

#[derive(Template)]
#[template(path = "form_page.html")]
pub(super) struct FormPage {
    pub(super) frame: Frame,
    /// A sentence or two before the form.
    pub(super) intro: String,
    pub(super) form: Form,
}
