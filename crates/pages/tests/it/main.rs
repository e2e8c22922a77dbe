//! The pages' tests in one binary: what comes out as text, and what a browser makes of it.

mod browser;
mod chromium;
mod parts;
mod payloads;
mod site;
