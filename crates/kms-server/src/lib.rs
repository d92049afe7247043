//! HTTP: the API's wire shapes and the screens.
