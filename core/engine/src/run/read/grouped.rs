//! Densities of groups of lanes: an input of a thousand partitions is asked for
//! as one, and takes the room of one.

use super::Run;
use super::density::level_of;
use crate::run::error::Result;
use crate::run::types::{Density, Range};

/// A lane that no group has.
pub const NO_GROUP: u32 = u32::MAX;

impl Run {
    /// How many rows of each group of lanes have which verdict, in `buckets`
    /// equal parts of a range. `group_of[lane]` is below `groups`, or
    /// [`NO_GROUP`]; the answer's lanes are the groups. Costs what
    /// [`Run::density`] costs.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn density_of_groups(
        &self,
        range: Range,
        group_of: &[u32],
        groups: u32,
        buckets: usize,
    ) -> Result<Density> {
        let now = self.now();
        let edges = self.edges(&now, range, buckets)?;
        let mut density = Density {
            range,
            buckets,
            lanes: (0..groups).collect(),
            counts: vec![[0; 10]; groups as usize * buckets],
        };
        let (Some(from), Some(to)) = (edges.first().copied(), edges.last().copied()) else {
            return Ok(density);
        };
        if from >= to {
            return Ok(density);
        }
        let places: Vec<u32> =
            group_of.iter().map(|g| if *g < groups { *g } else { NO_GROUP }).collect();
        match level_of(range, to - from, buckets) {
            None => self.exact(&now, &edges, &places, &mut density)?,
            Some(level) => self.cells(&now, &edges, level, &places, &mut density)?,
        }
        Ok(density)
    }
}
