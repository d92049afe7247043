mod lockout;
mod login;
mod logout;
mod select_organization;
mod token;
