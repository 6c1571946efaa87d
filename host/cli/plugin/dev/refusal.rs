//! What a session says about a component that no server accepts, and what its author can do.

use std::path::Path;

use crate::authoring::cases::{FILE_SUFFIX, FOLDER};
use crate::cli::plugin::check::case_of;
use crate::list::printable::printable;
use crate::rollout::PublishError;
use crate::rollout::conformance::SCHEMA_KIND;

/// The lines about a refused component: why, the failed probe as a case, and what to do.
pub(super) fn lines(error: &PublishError, project: &Path) -> Vec<String> {
    let mut lines = vec![format!("no server accepts it: {}", printable(&error.to_string()))];
    let PublishError::Gates(failed) = error else { return lines };
    lines.extend(case_of(&failed.first));
    let cases = project.join(FOLDER).join(format!("NAME{FILE_SUFFIX}"));
    lines.push(match failed.first.kind {
        SCHEMA_KIND => "have `migrate` convert or take away what this version does not declare, or type r and Enter to begin anew without the lists of this session".into(),
        _ => format!("to ask it again after each edit, paste the case into {}", cases.display()),
    });
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rollout::FailedGates;
    use crate::rollout::conformance::Failure;

    fn refusal(kind: &'static str, case: Option<&str>) -> String {
        let (name, probe, list, why) = ("migrate".into(), "migrate = \"a@1.0.0\"".into(), "[]".into(), "no".into());
        let first = Failure { name, probe, list, kind, why, case: case.map(str::to_owned) };
        let error = PublishError::Gates(Box::new(FailedGates { failed: 1, probes: 2, first }));
        lines(&error, Path::new("mine")).join("\n")
    }

    #[test]
    fn a_refusal_ends_with_what_to_do() {
        assert!(
            refusal(SCHEMA_KIND, None).ends_with("or type r and Enter to begin anew without the lists of this session")
        );
        let trap = refusal("trap", Some("[[case]]\nname = \"it\""));
        assert!(trap.contains("\n[[case]]\nname = \"it\"\n"), "{trap}");
        assert!(trap.ends_with("paste the case into mine/cases/NAME.cases.toml"), "{trap}");
    }
}
