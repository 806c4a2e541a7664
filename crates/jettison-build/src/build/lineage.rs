//! What the last build from the same place did, so that a step that is executed can be explained.

use std::fmt::Write as _;

use jettison_oci::Digest;

use crate::build::BuildRequest;
use crate::build::schedule::Schedule;
use crate::cache::{Cache, KeyChange, KeyText, changed};
use crate::error::BuildError;
use crate::plan::{Plan, Step, StepId};

/// The steps of the last build of this context and target.
pub(crate) struct Lineage {
    name: String,
    steps: Vec<Ancestor>,
}

/// A step of an earlier build.
struct Ancestor {
    key: String,
    stage: usize,
    title: String,
}

impl Lineage {
    /// What is kept of the last build like `request`; nothing if there was none.
    pub(crate) fn open(cache: &Cache, request: &BuildRequest<'_>) -> Lineage {
        let target = request.lower.target.as_deref().unwrap_or_default();
        let place = match &request.place {
            Some(place) => format!("place {place}"),
            None => request.context.root().display().to_string(),
        };
        let name = Digest::of(format!("{place}\n{target}").as_bytes());
        let name = name.hex().clone();
        let text = cache.lineage(&name).unwrap_or_default();
        let steps = text.lines().filter_map(|line| {
            let mut words = line.splitn(3, ' ');
            Some(Ancestor {
                key: words.next()?.to_owned(),
                stage: words.next()?.parse().ok()?,
                title: words.next()?.to_owned(),
            })
        });
        Lineage {
            steps: steps.collect(),
            name,
        }
    }

    /// Why a step with this key's text has no result.
    pub(crate) fn explain(&self, cache: &Cache, step: &Step, text: &KeyText) -> KeyChange {
        if cache.text(&text.key().to_string()).is_some() {
            return KeyChange::Lost;
        }
        let title = instruction(step);
        let same_text = self.steps.iter().filter(|old| old.title == title);
        let nearest = same_text
            .min_by_key(|old| old.stage.abs_diff(step.hints.stage))
            .or_else(|| self.most_alike(step, &title));
        nearest
            .and_then(|old| cache.text(&old.key))
            .map_or(KeyChange::New, |old| changed(&old, text))
    }

    /// The step of the same stage and kind whose text begins with as many of the same characters as possible.
    fn most_alike(&self, step: &Step, title: &str) -> Option<&Ancestor> {
        let keyword = |title: &str| title.split(' ').next().map(str::to_owned);
        let alike = |old: &&Ancestor| {
            let pairs = old.title.bytes().zip(title.bytes());
            pairs.take_while(|(a, b)| a == b).count()
        };
        let same_kind = self
            .steps
            .iter()
            .filter(|old| old.stage == step.hints.stage && keyword(&old.title) == keyword(title));
        same_kind.max_by_key(alike)
    }

    /// Keeps what this build did.
    pub(crate) fn save(
        &self,
        cache: &Cache,
        plan: &Plan,
        schedule: &Schedule<'_>,
    ) -> Result<(), BuildError> {
        let mut text = String::new();
        for (index, step) in plan.steps.iter().enumerate() {
            if let Some(result) = schedule.found(StepId(index)) {
                let written = writeln!(
                    text,
                    "{} {} {}",
                    result.key,
                    step.hints.stage,
                    instruction(step)
                );
                debug_assert!(written.is_ok(), "a String takes everything");
            }
        }
        if cache.lineage(&self.name).as_deref() == Some(&text) {
            cache.touch_lineage(&self.name);
            return Ok(());
        }
        cache.put_lineage(&self.name, &text)
    }
}

/// A step's instruction: its title without the number in brackets.
fn instruction(step: &Step) -> String {
    let title = &step.hints.title;
    let text = title
        .split_once("] ")
        .map_or(title.as_str(), |(_, text)| text);
    text.replace('\n', " ")
}
