mod list;
mod members;
mod one;
