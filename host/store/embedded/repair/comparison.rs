//! Whether a new database is sounder than the damaged one.

use std::collections::BTreeSet;
use std::path::Path;

use crate::list::name::ListName;
use crate::store::embedded::verify::{Finding, Verification};
use crate::store::embedded::{record_check, recording, schema};
use crate::store::error::StoreError;

/// The damage of a database without that of its small records. A repair leaves those as they are, because a start knows what
/// to do with a damaged one.
pub(super) struct Damage {
    findings: Vec<Finding>,
    more: u64,
}

impl Damage {
    /// The damage that a check found in a directory.
    pub(super) fn of(dir: &Path, found: &Verification) -> Result<Self, StoreError> {
        let db = schema::open_observer(dir, recording::CACHE_BYTES)?;
        let mut records = BTreeSet::new();
        record_check::check(&db, &mut |what| {
            records.insert(what);
        });
        let is_of_record = |finding: &Finding| finding.list.is_none() && records.contains(&finding.what);
        let findings = found.findings.iter().filter(|finding| !is_of_record(finding)).cloned().collect();
        Ok(Self { findings, more: found.more_findings })
    }

    /// The number of findings.
    pub(super) fn count(&self) -> u64 {
        self.findings.len() as u64 + self.more
    }

    /// A finding that damage before does not explain. The damage of a list may have another text than before, because a repair
    /// changes its rows.
    pub(super) fn new_since<'a>(&'a self, before: &Damage) -> Option<&'a Finding> {
        let lists: BTreeSet<&ListName> = before.findings.iter().filter_map(|finding| finding.list.as_ref()).collect();
        self.findings.iter().find(|finding| match &finding.list {
            // Beyond their limit the findings before do not name their lists.
            Some(list) => before.more == 0 && !lists.contains(list),
            None => !before.findings.contains(finding),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::fixtures::name;

    fn damage(findings: &[(Option<&str>, &str)], more: u64) -> Damage {
        let finding = |(list, what): &(Option<&str>, &str)| Finding { list: list.map(name), what: (*what).to_owned() };
        Damage { findings: findings.iter().map(finding).collect(), more }
    }

    #[test]
    fn damage_of_a_list_that_was_damaged_before_is_not_new_and_other_damage_is() {
        let before = damage(&[(Some("ann"), "a page"), (None, "a table")], 0);
        let new = |list, what| damage(&[(list, what)], 0).new_since(&before).is_some();
        assert!(!new(Some("ann"), "a row") && !new(None, "a table"));
        assert!(new(Some("bob"), "a row") && new(None, "another table"));
    }

    #[test]
    fn findings_beyond_the_limit_count() {
        assert_eq!(damage(&[(Some("ann"), "a page")], 3).count(), 4);
        let before = damage(&[(Some("ann"), "a page")], 3);
        assert!(damage(&[(Some("bob"), "a row")], 0).new_since(&before).is_none());
    }
}
