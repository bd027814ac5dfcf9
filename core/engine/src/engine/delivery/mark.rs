//! `delivery.json` in the run's folder: what the job itself remembers. Under
//! exactly-once it decides nothing (the progress record does); under the other
//! guarantees it says which checkpoint counts.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write as _;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::JobError;
use crate::edges::fault;
use crate::operator::pipeline::Guarantee;

const FILE: &str = "delivery.json";

/// What a job remembers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    pub job: String,
    pub guarantee: String,
    /// The last epoch known to be delivered; 0: none.
    pub committed: u64,
    /// Where it first began, by `topic[partition]`.
    pub start: BTreeMap<String, i64>,
    pub topics: BTreeMap<String, TopicMark>,
    /// By part of the pipeline, a digest: what guards the state.
    pub guard: BTreeMap<String, String>,
    /// At-most-once: what was never processed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lost: Vec<Lost>,
}

/// A topic as the job found it when it began.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TopicMark {
    /// Kafka's topic id, where the cluster has one.
    pub id: Option<String>,
    pub partitions: i32,
}

/// Records whose offsets were committed and that are in no checkpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lost {
    pub topic: String,
    pub partition: i32,
    /// From this offset up to `to`, which is not lost.
    pub from: i64,
    pub to: i64,
}

impl Mark {
    /// What the job ran under.
    pub(super) fn guarantee(&self) -> Option<Guarantee> {
        let all = [Guarantee::ExactlyOnce, Guarantee::AtLeastOnce, Guarantee::AtMostOnce];
        all.into_iter().find(|guarantee| super::start::guarantee_name(*guarantee) == self.guarantee)
    }

    /// What the job in `folder` remembers, if one was there.
    ///
    /// # Errors
    /// The file cannot be read, or is not one.
    pub fn load(folder: &Path) -> Result<Option<Self>, JobError> {
        let path = folder.join(FILE);
        let bytes = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(JobError::Io(format!("{}: {e}", path.display()))),
        };
        serde_json::from_slice(&bytes).map(Some).map_err(|e| {
            JobError::Io(format!(
                "{}: {e}; restore the file, or begin a new job in another folder",
                path.display()
            ))
        })
    }

    /// Lists what is lost. Who goes on from the same checkpoint once more loses what was
    /// lost before, and more behind it: it stands there once.
    pub(super) fn lose(&mut self, lost: &[Lost]) {
        let again = |was: &Lost| {
            let same = |now: &&Lost| now.topic == was.topic && now.partition == was.partition;
            lost.iter().filter(same).any(|now| now.from <= was.from && was.to <= now.to)
        };
        self.lost.retain(|was| !again(was));
        self.lost.extend_from_slice(lost);
    }

    /// Replaces it; it is on the disk when this returns.
    pub(super) fn store(&self, folder: &Path) -> std::io::Result<()> {
        let (path, new) = (folder.join(FILE), folder.join("delivery.json.new"));
        let mut file = File::create(&new)?;
        file.write_all(&serde_json::to_vec_pretty(self)?)?;
        file.sync_all()?;
        drop(file);
        fault::synced(&new);
        std::fs::rename(&new, &path)?;
        File::open(folder)?.sync_all()?;
        fault::synced(folder);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_stored_is_read_back_and_rubbish_is_said() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(Mark::load(dir.path()).unwrap(), None);
        let mark = Mark {
            job: "feed".into(),
            committed: 7,
            lost: vec![Lost { topic: "views".into(), partition: 1, from: 3, to: 9 }],
            ..Mark::default()
        };
        mark.store(dir.path()).unwrap();
        assert_eq!(Mark::load(dir.path()).unwrap(), Some(mark));
        std::fs::write(dir.path().join(FILE), "{").unwrap();
        let error = Mark::load(dir.path()).unwrap_err().to_string();
        assert!(error.contains("delivery.json") && error.contains("begin a new job"), "{error}");
    }

    /// Found by reading: after two crashes behind one checkpoint its range was listed
    /// twice, so that more counted as lost than was.
    #[test]
    fn what_is_lost_from_one_checkpoint_on_is_listed_once() {
        let lost = |topic: &str, from, to| Lost { topic: topic.into(), partition: 0, from, to };
        let mut mark = Mark::default();
        mark.lose(&[lost("views", 5, 10), lost("likes", 2, 3)]);
        mark.lose(&[lost("views", 5, 20)]);
        assert_eq!(mark.lost, [lost("likes", 2, 3), lost("views", 5, 20)]);
        // From a later one.
        mark.lose(&[lost("views", 25, 30)]);
        assert_eq!(mark.lost.len(), 3);
    }
}
