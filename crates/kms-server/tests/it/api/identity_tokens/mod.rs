mod renew;
mod revoke;
