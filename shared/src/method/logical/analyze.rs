//! Statistics for the planner, so that a restored database is as fast as it was.

//!
//! Most tables get them as soon as they are loaded, from sessions that have nothing more to load
//! while others still do, and while the rows are in the server's memory. What needs more than rows
//! waits for the end.

use super::{
    coordinator::run,
    load::LoadRequest,
    load_tables::{Loader, close_loaders, open_loaders},
    pool::work,
};
use crate::{
    error::Result,
    postgres::restore_sql::{AnalyzeStage, AnalyzeStatement, analyze_statements},
};

/// Analyzes what could not be analyzed before indexes and views were there, several at once.
pub(super) fn analyze_finished(request: &LoadRequest<'_, '_>) -> Result<()> {
    let mut session = request.open()?;
    let statements = analyze_statements(&mut session, AnalyzeStage::Finished)?;
    session.close()?;
    let loaders = open_loaders(request, statements.len())?;
    let loaders = work(
        loaders,
        statements,
        request.cancel,
        &|loader: &mut Loader<'_>, statement: AnalyzeStatement| run(&mut loader.0, &statement.sql),
    )?;
    close_loaders(loaders)
}
