mod boundary;
mod create;
mod delete;
mod details;
mod get;
mod list;
mod update;
