//! Runs the real app as a user does: what it prints, what it leaves on disk, how it exits.

mod app;
mod author;
mod decode;
mod dsp;
mod errors_doc;
mod interrupted;
mod plugins;
mod probe;
mod scarce;
mod usage;
mod wav;
