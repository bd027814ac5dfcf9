//! The schemas that a run was given because its recording lacks them: they stay
//! in its folder, so that whoever opens it, or goes on with it, needs no registry.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::error::{Result, RunError};
use super::layout::SCHEMAS;
use super::manifest::text_digest;
use crate::edges::recording::{Schemas, StoredSchema};

/// What the manifest says of `schemas.json`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GivenSchemas {
    /// Confluent ids, ascending.
    pub ids: Vec<u32>,
    /// XXH3-128 of the file.
    pub digest: String,
}

/// The text of `schemas.json` and what the manifest says of it; `None`: the
/// recording was given none.
///
/// # Errors
/// They cannot be written as JSON.
pub(super) fn kept(dir: &Path, given: &Schemas) -> Result<Option<(String, GivenSchemas)>> {
    if given.is_empty() {
        return Ok(None);
    }
    let all: Vec<&StoredSchema> = given.iter().collect();
    let text = serde_json::to_string_pretty(&all)
        .map_err(|e| RunError::io(&dir.join(SCHEMAS), e.into()))?;
    let ids = all.iter().map(|schema| schema.id).collect();
    let digest = text_digest(&text);
    Ok(Some((text, GivenSchemas { ids, digest })))
}

/// The schemas in a run's folder, checked against its manifest.
///
/// # Errors
/// The file is missing, or is not what was kept.
pub(super) fn read(dir: &Path, said: Option<&GivenSchemas>) -> Result<Schemas> {
    let mut schemas = Schemas::default();
    let Some(said) = said else { return Ok(schemas) };
    let path = dir.join(SCHEMAS);
    let text = std::fs::read_to_string(&path).map_err(|e| RunError::io(&path, e))?;
    if text_digest(&text) != said.digest {
        return Err(RunError::corrupt(&path, "these are not the schemas that it was run with"));
    }
    let all: Vec<StoredSchema> = serde_json::from_str(&text)
        .map_err(|e| RunError::corrupt(&path, format!("not a list of schemas: {e}")))?;
    for schema in all {
        schemas.insert(schema);
    }
    Ok(schemas)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_read_and_damage_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let mut given = Schemas::default();
        assert!(kept(dir.path(), &given).unwrap().is_none());
        assert!(read(dir.path(), None).unwrap().is_empty());
        for id in [7, 3] {
            let schema = "\"string\"".to_owned();
            given.insert(StoredSchema {
                id,
                kind: "AVRO".into(),
                schema,
                ..StoredSchema::default()
            });
        }
        let (text, said) = kept(dir.path(), &given).unwrap().unwrap();
        assert_eq!(said.ids, [3, 7]);
        let error = read(dir.path(), Some(&said)).unwrap_err().to_string();
        assert!(error.contains(SCHEMAS), "{error}");
        std::fs::write(dir.path().join(SCHEMAS), &text).unwrap();
        assert_eq!(read(dir.path(), Some(&said)).unwrap(), given);
        std::fs::write(dir.path().join(SCHEMAS), text.replace("string", "double")).unwrap();
        let error = read(dir.path(), Some(&said)).unwrap_err().to_string();
        assert!(error.contains("not the schemas that it was run with"), "{error}");
    }
}
