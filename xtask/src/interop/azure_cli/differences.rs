//! The table of differences that may be, and those that were found.

use std::fmt;

use anyhow::{Context, Result, ensure};

use crate::process::root;

/// What is compared.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Aspect {
    Stdout,
    Exit,
    Stderr,
}

/// All of them.
#[derive(Debug)]
pub(super) struct Differences {
    table: Vec<Entry>,
    found: Vec<Difference>,
}

/// A row of the table: `script`, `invocation`, what differs, why. An invocation of `*` stands for all of a script.
#[derive(Debug)]
struct Entry {
    script: String,
    invocation: String,
    aspect: Aspect,
    used: usize,
}

/// Where the two sides were not of one mind.
#[derive(Debug)]
pub(super) struct Difference {
    script: String,
    invocation: String,
    aspect: Aspect,
    theirs: String,
    ours: String,
}

impl Differences {
    /// The table, as it stands in the repository.
    pub(super) fn read() -> Result<Self> {
        let path = root().join("xtask/interop/azure-cli/differences.md");
        let text = std::fs::read_to_string(&path)?;
        let table = text.lines().filter(|line| line.starts_with("| `")).map(Entry::parse);
        let table = table.collect::<Result<_>>().with_context(|| path.display().to_string())?;
        Ok(Self { table, found: Vec::new() })
    }

    /// Those of one script.
    pub(super) fn of(mut self, script: &str) -> Self {
        self.table.retain(|entry| entry.script == script);
        self
    }

    pub(super) fn compare(&mut self, script: &str, shell: &str, aspect: Aspect, theirs: &str, ours: &str) {
        if theirs == ours {
            return;
        }
        let entry = self
            .table
            .iter_mut()
            .find(|entry| entry.script == script && entry.invocation == shell && entry.aspect == aspect);
        match entry {
            Some(entry) => entry.used += 1,
            None => self.found.push(Difference {
                script: script.to_owned(),
                invocation: shell.to_owned(),
                aspect,
                theirs: theirs.to_owned(),
                ours: ours.to_owned(),
            }),
        }
    }

    /// How many differences were in the table.
    pub(super) fn allowed(&self) -> usize {
        self.table.iter().map(|entry| entry.used).sum()
    }

    /// Those that were not.
    pub(super) fn unexpected(&self) -> &[Difference] {
        &self.found
    }

    /// Rows that nothing needs.
    pub(super) fn stale(&self) -> Vec<String> {
        let unused = self.table.iter().filter(|entry| entry.used == 0);
        unused.map(|entry| format!("{} {} in {}", entry.aspect, entry.invocation, entry.script)).collect()
    }
}

impl Entry {
    /// `` | `script` | `invocation` | aspect | reason | ``, with `\|` for a bar.
    fn parse(line: &str) -> Result<Self> {
        let cells: Vec<String> = line
            .replace(r"\|", "\0")
            .trim_matches('|')
            .split('|')
            .map(|cell| cell.trim().trim_matches('`').trim().replace('\0', "|"))
            .collect();
        let [script, invocation, aspect, reason] =
            <[String; 4]>::try_from(cells).map_err(|_| anyhow::anyhow!("not four cells: {line}"))?;
        ensure!(!reason.is_empty(), "no reason: {line}");
        Ok(Self {
            script,
            invocation,
            aspect: Aspect::named(&aspect).with_context(|| line.to_owned())?,
            used: 0,
        })
    }
}

impl Aspect {
    fn named(name: &str) -> Option<Self> {
        [Self::Stdout, Self::Exit, Self::Stderr].into_iter().find(|aspect| aspect.to_string() == name)
    }
}

impl fmt::Display for Aspect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Stdout => "stdout",
            Self::Exit => "exit code",
            Self::Stderr => "stderr",
        })
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { script, invocation, aspect, theirs, ours } = self;
        writeln!(f, "[{script}] {invocation}")?;
        writeln!(f, "  {aspect} of az:")?;
        indented(f, theirs)?;
        writeln!(f, "  {aspect} of token:")?;
        indented(f, ours)
    }
}

fn indented(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    text.lines().try_for_each(|line| writeln!(f, "    {line}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_allows_what_it_names_and_nothing_else() {
        let table = vec![Entry::parse(r"| `ada` | `az a \| cat` | stderr | it is clearer |").unwrap()];
        let mut differences = Differences { table, found: Vec::new() };
        assert_eq!(differences.stale().len(), 1);
        differences.compare("ada", "az a | cat", Aspect::Stderr, "x", "y");
        differences.compare("ada", "az a | cat", Aspect::Stdout, "x", "x");
        assert_eq!((differences.allowed(), differences.unexpected().len()), (1, 0));
        assert!(differences.stale().is_empty());
        differences.compare("ada", "az a | cat", Aspect::Stdout, "x", "y");
        differences.compare("bob", "az a | cat", Aspect::Stderr, "x", "y");
        assert_eq!(differences.unexpected().len(), 2);
        assert!(Entry::parse("| `ada` | `az` | stderr |  |").is_err());
        assert!(Entry::parse("| `ada` | `az` | colour | none |").is_err());
    }
}
