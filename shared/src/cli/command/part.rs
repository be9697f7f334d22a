//! Which part of a database is restored.

use crate::{
    cli::arguments::database_name,
    error::Result,
    postgres::{
        archive::{Content, Wanted},
        relation_name::{TypedName, TypedRelation},
    },
};
use clap::Args;

/// The arguments of a part, by their names. A part takes the place of nothing, so what is about
/// the replaced goes with none of them.
pub(super) const PART: [&str; 4] = ["tables", "schemas", "schema_only", "data_only"];

/// What the command line says about a part.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "A part of one database")]
pub(in crate::cli) struct PartArgs {
    /// Restore only this table, view or sequence with all that belongs to it (can be repeated)
    ///
    /// With its schema, shop.orders, or without, where only one schema has it. Names are looked for
    /// as they stand, then in lower case; '"shop"."Orders"' is looked for as it stands only. With
    /// --schema they are looked for in those schemas.
    #[arg(short, long = "table", value_name = "TABLE", value_parser = database_name())]
    pub tables: Vec<String>,

    /// Restore only what is in this schema (can be repeated)
    #[arg(short = 'n', long = "schema", value_name = "SCHEMA", value_parser = database_name())]
    pub schemas: Vec<String>,

    /// Restore definitions without rows
    #[arg(long, conflicts_with = "data_only")]
    pub schema_only: bool,

    /// Add rows to tables that are there, without definitions
    #[arg(long, conflicts_with = "into")]
    pub data_only: bool,
}

impl PartArgs {
    /// Whether anything was said.
    pub fn is_said(&self) -> bool {
        !self.tables.is_empty() || !self.schemas.is_empty() || self.schema_only || self.data_only
    }

    /// What was said, as the verb takes it.
    ///
    /// # Errors
    ///
    /// [`Kind::Usage`](crate::error::Kind) when a name is not understood.
    pub fn wanted(&self) -> Result<Wanted> {
        Ok(Wanted {
            tables: self.tables.iter().map(|name| TypedRelation::parse(name)).collect::<Result<_>>()?,
            schemas: self.schemas.iter().map(|name| TypedName::parse(name)).collect::<Result<_>>()?,
            content: match (self.schema_only, self.data_only) {
                (true, _) => Content::SchemaOnly,
                (_, true) => Content::DataOnly,
                _ => Content::All,
            },
        })
    }
}
