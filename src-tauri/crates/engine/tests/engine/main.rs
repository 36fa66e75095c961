//! Two sessions in one process, wired to each other over the loopback interface.

mod channels;
mod connect;
mod descriptions;
mod life;
mod media;
mod negotiation;
mod pair;
mod path;
