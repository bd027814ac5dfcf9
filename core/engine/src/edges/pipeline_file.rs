//! A pipeline from its file, with overrides and the schema files that it names.

use std::io::Read;
use std::path::{Path, PathBuf};

use crate::operator::pipeline::{Pipeline, PipelineError};

/// More than any pipeline needs, and little enough to read by mistake.
const MAX_BYTES: u64 = 4 << 20;

/// A pipeline that was read and checked.
#[derive(Clone, Debug)]
pub struct PipelineFile {
    /// Absolute where it was read from a file: a run that keeps it is opened from
    /// other folders, too.
    pub path: PathBuf,
    /// The file as it stands, overrides not applied.
    pub text: String,
    /// Overrides applied, schemas loaded.
    pub pipeline: Pipeline,
}

/// Why a pipeline could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum PipelineFileError {
    #[error("{path}: {why}")]
    Read { path: PathBuf, why: String },
    /// One line a problem, each with its place.
    #[error(transparent)]
    Pipeline(#[from] PipelineError),
    #[error("{path}: {what}")]
    Schema { path: PathBuf, what: String },
}

impl PipelineFile {
    /// Reads the pipeline at `path`; schema files are found relative to it.
    ///
    /// # Errors
    /// The file or a schema cannot be read, or the pipeline is wrong.
    pub fn open(path: &Path, sets: &[(String, String)]) -> Result<Self, PipelineFileError> {
        let text = read(path).map_err(|why| PipelineFileError::Read { path: path.into(), why })?;
        let mut pipeline = Pipeline::parse_with(&text, &path.display().to_string(), sets)?;
        let folder = path.parent().unwrap_or(Path::new(""));
        pipeline
            .load_schemas(|file| read(&folder.join(file)))
            .map_err(|what| PipelineFileError::Schema { path: path.into(), what })?;
        let path = std::path::absolute(path).unwrap_or_else(|_| path.into());
        Ok(Self { path, text, pipeline })
    }

    /// What a run keeps: the file as it is, or, where it names schema files, the
    /// pipeline in canonical form with their texts in it. Parsed with the same
    /// overrides it gives the same pipeline.
    #[must_use]
    pub fn text_to_keep(&self) -> String {
        let names_files = self
            .pipeline
            .inputs
            .iter()
            .filter_map(|i| i.schema.as_ref())
            .any(|s| !s.path.is_empty());
        if names_files { self.pipeline.to_toml() } else { self.text.clone() }
    }
}

fn read(path: &Path) -> Result<String, String> {
    let file = std::fs::File::open(path).map_err(|e| match e.kind() {
        std::io::ErrorKind::NotFound => "there is no such file".to_owned(),
        _ => e.to_string(),
    })?;
    let mut bytes = Vec::new();
    file.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(|e| match e.kind() {
        std::io::ErrorKind::IsADirectory => "this is a folder; name a file".to_owned(),
        _ => e.to_string(),
    })?;
    if bytes.starts_with(b"\x89MCAP0\r\n") {
        return Err("this is a recording, not a pipeline; give it with --recording".to_owned());
    }
    if bytes.len() as u64 > MAX_BYTES {
        return Err("this is larger than 4 MiB; a pipeline is a short TOML file".to_owned());
    }
    String::from_utf8(bytes).map_err(|e| {
        format!("this is no text from byte {} on; write it as UTF-8", e.utf8_error().valid_up_to())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "[inputs.a]\ntopic = \"a\"\nformat = \"avro\"\nschema = \"a.avsc\"\nkey = \"id\"\n\
        event_time = \"$timestamp\"\n[inputs.b]\ntopic = \"b\"\nformat = \"json\"\nkey = \"id\"\n\
        event_time = \"$timestamp\"\n[join]\nprimary = \"a\"\nwith.b = { until = \"1m\" }\n";

    #[test]
    fn schemas_are_found_beside_the_pipeline() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("p.toml");
        std::fs::write(&path, TEXT).unwrap();
        let sets = [("join.with.b.until".to_owned(), "2m".to_owned())];
        let error = PipelineFile::open(&path, &sets).unwrap_err().to_string();
        assert!(error.contains("inputs.a.schema: a.avsc: there is no such file"), "{error}");
        let schema = r#"{"type":"record","name":"A","fields":[{"name":"id","type":"long"}]}"#;
        std::fs::write(dir.path().join("a.avsc"), schema).unwrap();
        let file = PipelineFile::open(&path, &sets).unwrap();
        assert_eq!(file.pipeline.join.with[0].until, 120_000);
        // What is kept needs no file and takes the same overrides again.
        let again = Pipeline::parse_with(&file.text_to_keep(), "kept", &sets).unwrap();
        assert_eq!(again.digest(), file.pipeline.digest());
    }

    #[test]
    fn the_file_is_known_from_every_folder() {
        let path = Path::new("../../sample-data/feed/feed.toml");
        let file = PipelineFile::open(path, &[]).unwrap();
        assert_eq!(file.path, std::env::current_dir().unwrap().join(path));
    }

    #[test]
    fn what_is_no_pipeline_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("p.toml");
        let open = |bytes: &[u8]| {
            std::fs::write(&path, bytes).unwrap();
            PipelineFile::open(&path, &[]).unwrap_err().to_string()
        };
        assert!(open(b"\x89MCAP0\r\nxx").contains("this is a recording"));
        assert!(open(b"a = 1\n\xff").contains("no text from byte 6"));
        assert!(open(&vec![b'#'; 5 << 20]).contains("larger than 4 MiB"));
        assert!(open(b"a = ").contains("p.toml:1:5: "));
        let error = PipelineFile::open(&dir.path().join("none"), &[]).unwrap_err().to_string();
        assert!(error.ends_with("none: there is no such file"), "{error}");
        assert!(PipelineFile::open(dir.path(), &[]).is_err());
    }
}
