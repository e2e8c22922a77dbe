//! A real server, real git, real processes: what people and machines meet, from outside.
//!
//! [`house`] starts servers in folders of their own and asks them, [`repository`] pushes to them. Each
//! other module is about one subject.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod house;
mod repository;

mod api;
mod beside;
mod checkpoints;
mod components;
mod containers;
mod databases;
mod definitions;
mod depends;
mod deployments;
mod first_start;
mod full_disk;
mod hooks;
mod hostile;
mod kills;
mod kinds;
mod lists;
mod modules;
mod names;
mod notifications;
mod openapi;
mod packages;
mod pushes;
mod rebuilds;
mod registry;
mod remotes;
mod remotes_ssh;
mod retention;
mod roles;
mod runs;
mod search;
mod secrets;
mod statuses;
mod tags;
mod tls;
mod versions;
mod watch;
mod web;
