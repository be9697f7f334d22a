//! Statistics for the planner, so that a restored database is as fast as it was.

use super::{
    coordinator::run,
    load::LoadRequest,
    load_tables::{Loader, close_loaders, open_loaders},
    pool::work,
};
use crate::{error::Result, postgres::restore_sql};

/// Analyzes every table, several at once.
pub(super) fn analyze_all(request: &LoadRequest<'_, '_>) -> Result<()> {
    let mut session = request.open()?;
    let statements = restore_sql::analyze_statements(&mut session)?;
    session.close()?;
    let loaders = open_loaders(request, statements.len())?;
    let loaders =
        work(loaders, statements, request.cancel, &|loader: &mut Loader<'_>, statement: String| {
            run(&mut loader.0, &statement)
        })?;
    close_loaders(loaders)
}
