//! Rules: a name, a page and a check.

use crate::page::{PageError, RulePage};
use crate::prelude::{Facts, Report, RuleInfo, RuleResult, Severity};

/// One check, with the page that describes it.
pub struct Rule<P> {
    name: &'static str,
    page: &'static str,
    check: Check<P>,
}

/// Judges facts and says so in a report.
pub type Check<P> = fn(&Facts, &P, &mut Report);

impl<P> Rule<P> {
    /// A rule.
    ///
    /// `name` is kebab-case and unique in the plugin, `page` is the text of a [`RulePage`], usually of a file beside
    /// the code that `include_str!` takes in.
    pub const fn new(name: &'static str, page: &'static str, check: Check<P>) -> Self {
        Self { name, page, check }
    }

    /// The name of the rule within its plugin.
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// The page of the rule.
    pub fn page(&self) -> Result<RulePage, PageError> {
        RulePage::parse(self.page)
    }

    /// The rule as the contract describes it. A page that cannot be read is described as such.
    pub(crate) fn describe(&self) -> RuleInfo {
        let page = self.page().unwrap_or_else(|error| RulePage::unreadable(&error));
        RuleInfo {
            name: self.name.to_owned(),
            title: page.title,
            description: page.description,
            rationale: page.rationale,
            remediation: page.remediation,
            severity: page.severity,
            references: page.references,
            needs: page.needs,
        }
    }

    /// Judges the facts. A rule whose page cannot be read does not know what it needs, so it never passes.
    pub(crate) fn evaluate(&self, facts: &Facts, parameters: &P) -> RuleResult {
        let mut report = Report::default();
        (self.check)(facts, parameters, &mut report);
        let missing = match self.page() {
            Ok(page) => page.needs.iter().flat_map(|area| facts.gaps_in(area)).map(ToString::to_string).collect(),
            Err(error) => vec![format!("the page of the rule cannot be read: {error}")],
        };
        report.result(self.name, missing)
    }
}

impl RulePage {
    fn unreadable(error: &PageError) -> Self {
        Self {
            title: "The page of this rule cannot be read".to_owned(),
            severity: Severity::Medium,
            needs: Vec::new(),
            description: error.to_string(),
            rationale: String::new(),
            remediation: String::new(),
            references: Vec::new(),
            examples: Vec::new(),
        }
    }
}
