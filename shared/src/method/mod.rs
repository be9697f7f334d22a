//! How a server becomes entries, and entries become a server again.
//!
//! A method reads one database of a running server and hands its content, chunk by chunk, to a
//! [`Store`](logical::Store); its other half takes the same content from a
//! [`Stored`](logical::Stored) and fills a new database. The two halves live side by side so
//! that every change to one is made in view of the other.
//!
//! Absent on purpose: this room does not know where content is kept, holds no SQL of its own,
//! and decides nothing about names, swaps and commits: that is the work of the operations.
//!
//! Start with [`logical`].

pub mod logical;
