//! The locales of the databases that are made: their own, or one that was asked for.

use super::{RestoreRequest, restore_part::adds, server::ServerState};
use crate::{
    catalog::manifest::Manifest,
    postgres::{DatabaseInfo, locale_words},
};

/// Puts the locale that was asked for in the place of the backup's own; gives what should be known
/// of locales.
pub(super) fn choose(manifest: &mut Manifest, request: &RestoreRequest, state: &ServerState) -> Vec<String> {
    let template = state.databases.iter().find(|database| database.name == "template0");
    let mut remarks = Vec::new();
    for record in &mut manifest.databases {
        let is_meant = if request.databases.is_empty() {
            record.name != "template1"
        } else {
            request.databases.contains(&record.name)
        };
        if !is_meant {
            continue;
        }
        let before = locale_words(&record.properties);
        if let Some(locale) = &request.locale {
            locale.apply(&mut record.properties, template.map(|template| &template.properties));
        }
        let own = &record.properties;
        let will_be = locale_words(own);
        if will_be != before {
            remarks.push(format!(
                "`{}` was {before}, and is made as {will_be}: text is sorted as that says",
                record.name
            ));
        }
        let name = request.into.as_ref().unwrap_or(&record.name);
        let there = state.databases.iter().find(|it| it.name == *name && !adds(request, state, name));
        if let Some(there) = there.filter(|it| locale_words(&it.properties) != will_be) {
            let now = locale_words(&there.properties);
            remarks.push(format!("`{name}` is {now} now, and {will_be} after the restore"));
        }
        let alike = |database: &&DatabaseInfo| {
            let (here, there) = (&database.properties, own);
            (&here.locale_provider, &here.collate, &here.locale)
                == (&there.locale_provider, &there.collate, &there.locale)
        };
        let here = state.databases.iter().find(alike).and_then(|it| it.actual_collation_version.as_ref());
        if let (Some(here), Some(there)) = (here, &own.collation_version)
            && here != there
        {
            remarks.push(format!(
                "the locale of `{}` is version {here} here and was {there}: text may be sorted otherwise, and \
                 indexes are built for that",
                record.name
            ));
        }
    }
    remarks
}
