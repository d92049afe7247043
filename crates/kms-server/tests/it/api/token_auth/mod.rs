mod settings;
mod tokens;
