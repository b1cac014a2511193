//! What keeps a table from going on, whatever is delivered next.

use super::runner::Runner;
use crate::error::{Error, Result};
use crate::name::TableKey;

impl Runner {
    /// What is wrong with a table's output, and with the baseline that its next version is compared with.
    pub fn obstacles(&self, key: &TableKey) -> Result<Vec<Error>> {
        let mut obstacles = Vec::new();
        for sink in self.sinks.iter() {
            match self.foreign(sink, key, None) {
                Ok(foreign) => obstacles.extend(foreign.map(|foreign| self.refuse(sink, key, &foreign))),
                Err(error) => obstacles.push(error),
            }
        }
        let last = self.registry.last_published(key)?;
        if let (Some(table), Some(last), false) = (self.table(key), last, self.registry.resync(key)?) {
            obstacles.extend(self.baseline(table, &last).err());
        }
        Ok(obstacles)
    }
}
