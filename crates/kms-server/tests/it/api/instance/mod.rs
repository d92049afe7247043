mod bootstrap;
mod config;
mod signup;
