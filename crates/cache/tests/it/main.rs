//! Results of steps that are kept, found and put back, on a real file system.

mod collecting;
mod hostile;
mod keys;
mod restoring;
mod workspace;
