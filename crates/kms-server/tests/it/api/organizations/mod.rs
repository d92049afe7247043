mod invitations;
mod list;
mod members;
mod one;
