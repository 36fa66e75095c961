//! Two sessions in one process, wired to each other over the loopback interface.

mod connect;
mod pair;
