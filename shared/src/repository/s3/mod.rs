//! A repository in a bucket: restic's files and our own small ones, over the S3 protocol.
//!
//! A place names endpoint, bucket and prefix ([`address`]); who we are comes from where AWS's own
//! tools look ([`identity`]). Requests are signed by `rusty_s3` and sent by `ureq`, both
//! synchronous, and tried again while the server is away ([`client`]). On top stand the two doors
//! that the rest of the repository knows: [`files`] for restic's files, [`door`] for ours.
//!
//! What is asked of a server: signature version 4, and listings that show what was written before
//! (S3 itself, MinIO, Ceph, Versity ...). Every object is written by one request, so that none is
//! ever seen half-written and no unfinished upload is left.
//!
//! Start with [`client`].

mod address;
mod answer;
mod client;
mod door;
mod files;
mod identity;
mod patience;
mod variables;

pub(super) use client::Client;
pub(super) use door::S3Door;
pub(super) use files::S3Files;
pub use variables::S3Variables;
