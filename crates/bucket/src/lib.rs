//! Results shared through the API of S3, which AWS, MinIO, Ceph, Garage and others speak.
//!
//! A [`Location`] is what a person writes, `s3://BUCKET/PREFIX`, and what else belongs to it; [`settle`] adds what
//! the usual variables and files of AWS' own tools say. A [`Bucket`] then is a [`cache::Share`]: three kinds of
//! requests, each with a time limit. What results are, and whether their bytes are right, is `cache`'s business.
//!
//! [`settle`]: Location::settle

mod answer;
mod bucket;
mod credentials;
mod error;
mod location;

pub use bucket::{Bucket, Patience};
pub use error::BucketError;
pub use location::{Location, Settled};
