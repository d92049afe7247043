mod client_secrets;
mod lockout;
mod login;
mod settings;
