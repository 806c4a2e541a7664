//! Times in configurations that must not be later than an epoch.

use crate::config::ImageConfig;
use crate::time;

/// Makes the times in `config` not later than `epoch`, where they are not the base's.
///
/// BuildKit: `patchImageConfig`, exporter/containerimage/writer.go.
pub(super) fn clamp_config(config: &mut ImageConfig, base: Option<&ImageConfig>, epoch: i64) {
    let base_history = base.map_or(&[][..], |base| &base.history);
    let pairs = base_history.iter().zip(&config.history);
    let shared = pairs.take_while(|(below, own)| below == own).count();
    for entry in &mut config.history[shared..] {
        if entry
            .created
            .as_deref()
            .is_none_or(|created| is_after(created, epoch))
        {
            entry.created = Some(time::format(epoch));
        }
    }
    match &config.created {
        Some(created) if is_after(created, epoch) => config.created = Some(time::format(epoch)),
        Some(_) => {}
        None => {
            let mut last = config.history.iter().rev();
            config.created = last.find_map(|entry| entry.created.clone());
        }
    }
}

/// Whether a time is later than `epoch`. What is no time is replaced too.
fn is_after(created: &str, epoch: i64) -> bool {
    time::parse(created).is_none_or(|(seconds, nanos)| (seconds, nanos) > (epoch, 0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::HistoryEntry;

    fn entry(created: Option<&str>) -> HistoryEntry {
        HistoryEntry {
            created: created.map(str::to_owned),
            ..HistoryEntry::default()
        }
    }

    fn config(created: Option<&str>, history: &[Option<&str>]) -> ImageConfig {
        ImageConfig {
            created: created.map(str::to_owned),
            history: history.iter().map(|created| entry(*created)).collect(),
            ..ImageConfig::default()
        }
    }

    #[test]
    fn times_of_the_base_stay_and_later_ones_become_the_epoch() {
        let (late, early) = ("2030-01-01T00:00:00Z", "1999-01-01T00:00:00Z");
        let base = config(Some(late), &[Some(late)]);
        let mut own = config(Some(late), &[Some(late), Some(late), Some(early), None]);
        clamp_config(&mut own, Some(&base), 946_684_800);
        let epoch = Some("2000-01-01T00:00:00Z");
        let expected = config(epoch, &[Some(late), epoch, Some(early), epoch]);
        assert_eq!(own, expected);
    }

    #[test]
    fn an_image_without_a_time_has_its_last_layers() {
        let mut own = config(None, &[Some("1999-01-01T00:00:00Z")]);
        clamp_config(&mut own, None, 946_684_800);
        assert_eq!(own.created.as_deref(), Some("1999-01-01T00:00:00Z"));
    }
}
